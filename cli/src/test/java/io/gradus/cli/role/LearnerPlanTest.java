package io.gradus.cli.role;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.gradus.cli.spec.SpecKind;
import io.gradus.cli.spec.SpecRefusedException;
import io.gradus.learner.chunks.ChunkServerConfig;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;

class LearnerPlanTest {

  private static LearnerPlan plan(Map<String, String> environment, String... settings)
      throws SpecRefusedException {
    List<String> options = new ArrayList<>(List.of("coordinators=[a:7070]"));
    options.addAll(List.of(settings));
    return LearnerPlan.of(
        RoleSettings.read(SpecKind.LEARNER, Optional.empty(), environment, options), "host-1", 4);
  }

  private static SpecRefusedException refused(String... settings) {
    return catchThrowableOfType(SpecRefusedException.class, () -> plan(Map.of(), settings));
  }

  @Test
  void servesNothingUnlessToldSo() throws Exception {
    assertThat(plan(Map.of()).chunkServer()).isEmpty();
    assertThat(plan(Map.of()).explained()).doesNotContain("chunk_server");
  }

  @Test
  void servesThisHostByDefault() throws Exception {
    LearnerPlan plan = plan(Map.of(), "chunk_server={}");

    assertThat(plan.chunkServer()).contains(ChunkServerConfig.onLoopback(0));
    assertThat(plan.explained())
        .containsPattern("host: \"?127.0.0.1\"? +# default")
        .containsPattern("max_connections: 256 +# default")
        .doesNotContain("max_bytes_per_second");
  }

  @Test
  void takesWhatIsSet() throws Exception {
    ChunkServerConfig config =
        plan(
                Map.of(
                    "GRADUS_LEARNER_AUTH", "none",
                    "GRADUS_LEARNER_CHUNK_SERVER_HOST", "0.0.0.0",
                    "GRADUS_LEARNER_CHUNK_SERVER_PORT", "7071"),
                "chunk_server.advertised=http://learner-0.gradus:7071",
                "chunk_server.max_connections=8",
                "chunk_server.max_bytes_per_second=5000000000")
            .chunkServer()
            .orElseThrow();

    var usual = ChunkServerConfig.onLoopback(0);
    assertThat(config)
        .isEqualTo(
            new ChunkServerConfig(
                "0.0.0.0",
                7071,
                ChunkServerConfig.Auth.NONE,
                Optional.of("http://learner-0.gradus:7071"),
                8,
                OptionalLong.of(5_000_000_000L),
                usual.idleTimeout(),
                usual.writeTimeout(),
                usual.drainTimeout(),
                usual.chunkBytes()));
  }

  @Test
  void refusesWrongValuesWithTheirPaths() {
    assertThat(refused("chunk_server.host=0.0.0.0"))
        .hasMessageContaining("chunk_server.host: is 0.0.0.0, which others can reach");
    assertThat(refused("chunk_server.host=0.0.0.0", "auth=none"))
        .hasMessageContaining(
            "chunk_server.host: is 0.0.0.0, to which no worker can connect; say"
                + " chunk_server.advertised");
    assertThat(refused("chunk_server.advertised=http://learner:7071/"))
        .hasMessageContaining(
            "chunk_server.advertised: is \"http://learner:7071/\" but must look like");
    assertThat(refused("chunk_server.advertised=learner:7071"))
        .hasMessageContaining("chunk_server.advertised: is \"learner:7071\" but must match");
    assertThat(refused("chunk_server.max_connections=0"))
        .hasMessageContaining("chunk_server.max_connections: is 0 but must be");
    assertThat(refused("chunk_server.max_bytes_per_second=1"))
        .hasMessageContaining("chunk_server.max_bytes_per_second: is 1 but must be");
  }
}
