package io.gradus.systemtests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.zonky.test.db.postgres.embedded.EmbeddedPostgres;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// A run over processes of one role each, with a ledger in PostgreSQL: submitted, followed, listed
/// and audited by the command, and every process ends in good order.
@Tag("system")
@Timeout(420)
class RolesSystemTest {

  private static final Duration STARTS_WITHIN = Duration.ofSeconds(90);
  private static final Duration ENDS_WITHIN = Duration.ofMinutes(4);
  private static final Duration CLOSES_WITHIN = Duration.ofSeconds(60);

  private static final Pattern PORT = Pattern.compile("coordinator started .*port=\"([0-9]+)\"");

  private static final ObjectMapper JSON = new ObjectMapper();

  @TempDir private Path directory;

  private final List<RunProcess> processes = new ArrayList<>();

  @AfterEach
  void endProcesses() {
    processes.reversed().forEach(RunProcess::close);
  }

  private RunProcess start(String name, Map<String, String> environment, String... arguments)
      throws IOException {
    RunProcess process = RunProcess.start(directory.resolve(name), environment, arguments);
    processes.add(process);
    return process;
  }

  /// Starts a role and waits until its log says so.
  private RunProcess role(String name, String started, String... arguments) throws IOException {
    RunProcess process = start(name, Map.of(), arguments);
    await(name + " starts")
        .atMost(STARTS_WITHIN)
        .until(() -> process.output().contains(started) || !process.isAlive());
    assertThat(process.output()).contains(started);
    return process;
  }

  private JsonNode json(String name, String... arguments) throws Exception {
    RunProcess process = start(name, Map.of(), arguments);
    assertThat(process.awaitExit(CLOSES_WITHIN)).as(process.output()).isZero();
    return JSON.readTree(process.output());
  }

  @Test
  void learnsOverFourProcessesAndEndsEachInGoodOrder() throws Exception {
    try (EmbeddedPostgres postgres =
        EmbeddedPostgres.builder()
            .setServerConfig("fsync", "on")
            .setServerConfig("full_page_writes", "on")
            .setServerConfig("synchronous_commit", "on")
            .start()) {
      Path config = directory.resolve("coordinator.yaml");
      Files.writeString(
          config,
          """
          ledger:
            jdbc_url: "%s"
            user: postgres
          checkpoint_store: "%s{run}"
          """
              .formatted(
                  postgres.getJdbcUrl("postgres", "postgres"),
                  Files.createDirectory(directory.resolve("checkpoints")).toUri()));
      RunProcess coordinator =
          role("coordinator", "coordinator started", "coordinator", "--config", config.toString());
      Matcher port = PORT.matcher(coordinator.output());
      assertThat(port.find()).as(coordinator.output()).isTrue();
      String address = "127.0.0.1:" + port.group(1);
      String coordinators = "coordinators=[%s]".formatted(address);
      List<RunProcess> roles =
          List.of(
              role("learner", "learner started", "learner", "--set", coordinators),
              worker("worker-1", coordinators),
              worker("worker-2", coordinators),
              coordinator);

      RunProcess submit = submit(address);

      assertThat(submit.awaitExit(ENDS_WITHIN)).as(submit.output()).isZero();
      assertThat(submit.output()).contains("submitted roles-1", "roles-1 is stopped");
      JsonNode run =
          json("list", "runs", "list", "--json", "--coordinator", address).path("runs").path(0);
      assertThat(run.path("run_id").asText()).isEqualTo("roles-1");
      assertThat(run.path("state").asText()).isEqualTo("STOPPED");
      assertThat(run.path("batches_applied").asLong()).isEqualTo(40);
      JsonNode audit =
          json("audit", "ledger", "audit", "roles-1", "--json", "--coordinator", address);
      assertThat(audit.path("sound").asBoolean()).as(audit.toString()).isTrue();
      assertThat(audit.path("runs").path(0).path("residual").asLong(-1)).isZero();
      for (RunProcess role : roles) {
        role.terminate();
        assertThat(role.awaitExit(CLOSES_WITHIN)).as(role.output()).isZero();
        assertThat(role.output()).contains("closed").doesNotContain("ERROR");
      }
    }
  }

  private RunProcess worker(String id, String coordinators) throws IOException {
    return role(id, "worker started", "worker", "--set", coordinators, "--set", "worker_id=" + id);
  }

  private RunProcess submit(String address) throws IOException {
    List<String> smaller =
        List.of(
            "warm_up.batches=20",
            "warm_up.sequences=32",
            "warm_up.ramp_steps=5",
            "batch.groups=32",
            "evaluation.problems=10",
            "evaluation.every=20",
            "publication.every=5",
            "publication.durable_every=10",
            "stop={batches: 40, wall_time: 5m}");
    List<String> arguments =
        new ArrayList<>(
            List.of(
                "submit",
                Path.of("..", "examples", "addition.yaml").toString(),
                "--run-id",
                "roles-1",
                "--watch",
                "--coordinator",
                address));
    smaller.forEach(setting -> arguments.addAll(Arrays.asList("--set", setting)));
    return start("submit", Map.of(), arguments.toArray(String[]::new));
  }
}
