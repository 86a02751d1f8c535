package io.gradus.cli.role;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.gradus.cli.spec.SpecKind;
import io.gradus.cli.spec.SpecRefusedException;
import io.gradus.worker.WorkerConfig;
import io.gradus.worker.weights.WeightsCacheConfig;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class WorkerPlanTest {

  private static WorkerPlan plan(Map<String, String> environment, String... settings)
      throws SpecRefusedException {
    List<String> options = new ArrayList<>(List.of("coordinators=[a:7070]"));
    options.addAll(List.of(settings));
    return WorkerPlan.of(
        RoleSettings.read(SpecKind.WORKER, Optional.empty(), environment, options), "host-1");
  }

  private static SpecRefusedException refused(String... settings) {
    return catchThrowableOfType(SpecRefusedException.class, () -> plan(Map.of(), settings));
  }

  @Test
  void hasDefaults() throws Exception {
    WorkerConfig config = plan(Map.of()).config();

    assertThat(config)
        .isEqualTo(
            WorkerConfig.of("host-1", 256)
                .withLimits(Duration.ofMinutes(10), Duration.ofSeconds(10))
                .withPool("default"));
    assertThat(config.weightsCache()).isEmpty();
    assertThat(plan(Map.of()).explained())
        .containsPattern("pool: default +# default")
        .doesNotContain("weights_cache");
  }

  @Test
  void takesThePool() throws Exception {
    assertThat(plan(Map.of("GRADUS_WORKER_POOL", "zone-b")).config().pool()).isEqualTo("zone-b");
  }

  @Test
  void takesLabels() throws Exception {
    assertThat(plan(Map.of("GRADUS_WORKER_LABELS", "gpu=h100,zone=eu/a")).config().labels())
        .isEqualTo(Map.of("gpu", "h100", "zone", "eu/a"));
    assertThat(plan(Map.of(), "labels=[rack=]").config().labels()).isEqualTo(Map.of("rack", ""));
    assertThat(refused("labels=[gpu]"))
        .hasMessageContaining("labels[0]: is \"gpu\" but must match");
    assertThat(refused("labels=[gpu=a, gpu=b]"))
        .hasMessageContaining("labels[1]: gives gpu a second time; keep one");
  }

  @Test
  void takesTheCache() throws Exception {
    WorkerPlan usual =
        plan(
            Map.of(
                "GRADUS_WORKER_WEIGHTS_CACHE_DIRECTORY",
                "/var/cache/gradus",
                "GRADUS_WORKER_WEIGHTS_CACHE_MAX_BYTES",
                "5000000000"));

    assertThat(usual.config().weightsCache())
        .contains(WeightsCacheConfig.of(Path.of("/var/cache/gradus"), 5_000_000_000L));
    assertThat(usual.explained()).containsPattern("chunk_timeout: 1m +# default");
    assertThat(
            plan(
                    Map.of(),
                    "weights_cache.directory=cache",
                    "weights_cache.max_bytes=1024",
                    "weights_cache.chunk_timeout=5s")
                .config()
                .weightsCache())
        .contains(new WeightsCacheConfig(Path.of("cache"), 1024, Duration.ofSeconds(5)));
  }

  @Test
  void refusesWrongValuesWithTheirPaths() {
    assertThat(refused("pool=Evening"))
        .hasMessageContaining("pool: is \"Evening\" but must match ^([a-z0-9][a-z0-9-]*)?$");
    assertThat(refused("weights_cache={}"))
        .hasMessageContaining("weights_cache.directory: is missing; every worker needs it")
        .hasMessageContaining("weights_cache.max_bytes: is missing; every worker needs it");
    assertThat(refused("weights_cache={directory: c, max_bytes: -1}"))
        .hasMessageContaining("weights_cache.max_bytes: is -1 but must be");
    assertThat(refused("weights_cache={directory: c, max_bytes: 1, chunk_timeout: 48h}"))
        .hasMessageContaining("weights_cache.chunk_timeout: is 48h but must be a duration from 1s");
    assertThat(refused("weights_cache={directory: \"a\\0b\", max_bytes: 1}"))
        .hasMessageContaining("weights_cache.directory: cannot be a directory: ");
  }

  @Test
  void knowsThePathThatARefusalBeginsWith() {
    assertThat(problem("weights_cache.max_bytes is 0 but must be positive"))
        .isEqualTo("weights_cache.max_bytes: is 0 but must be positive");
    assertThat(problem("weights_cache has no room")).isEqualTo("weights_cache: has no room");
    assertThat(problem("weights_caches are full"))
        .isEqualTo("weights_cache: weights_caches are full");
    assertThat(problem("full")).isEqualTo("weights_cache: full");
  }

  private static String problem(String refusal) {
    var problem = RoleSettings.problem("weights_cache", new IllegalArgumentException(refusal));
    return "%s: %s".formatted(problem.path(), problem.message());
  }
}
