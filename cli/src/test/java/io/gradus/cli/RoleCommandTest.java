package io.gradus.cli;

import static io.gradus.cli.CommandLines.gradus;
import static org.assertj.core.api.Assertions.assertThat;

import io.gradus.cli.CommandLines.Result;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// What role processes say of their settings, and how those that cannot begin end.
@Timeout(60)
class RoleCommandTest {

  @TempDir private Path directory;

  private static Result gradusWith(Map<String, String> environment, String... arguments) {
    return gradus(environment, new Interrupts(_ -> {}, () -> {}), arguments);
  }

  private String file(String text) throws IOException {
    return Files.writeString(directory.resolve("settings.yaml"), text).toString();
  }

  @Test
  void explainsSettingsAndMasksThePassword() throws IOException {
    String config =
        file(
            """
            listen: {port: 7070}
            ledger: {jdbc_url: "jdbc:postgresql://db/gradus", user: gradus}
            checkpoint_store: "file:///srv/gradus/{run}"
            """);

    Result result =
        gradusWith(
            Map.of("GRADUS_COORDINATOR_LEDGER_PASSWORD", "hush-hush"),
            "coordinator",
            "--config",
            config,
            "--explain");

    assertThat(result.err()).isEmpty();
    assertThat(result.status()).isZero();
    assertThat(result.out())
        .doesNotContain("hush-hush")
        .containsPattern("password: \"\\*\\*\\*\" +# GRADUS_COORDINATOR_LEDGER_PASSWORD")
        .containsPattern("port: 7070 +# line 1");
  }

  @Test
  void fillsTheDefaultsOfAWorkerThatIsSetUpByTheEnvironmentAlone() {
    Result result =
        gradusWith(Map.of("GRADUS_WORKER_COORDINATORS", "a:1,b:2"), "worker", "--explain");

    assertThat(result.status()).as(result.err()).isZero();
    assertThat(result.out())
        .contains("- \"a:1\"", "- \"b:2\"")
        .containsPattern("worker_id: .+# default")
        .containsPattern("slots: 256 +# default")
        .containsPattern("drain_timeout: 10s +# default")
        .containsPattern("reconnect_deadline: 10m +# default");
  }

  @Test
  void refusesARoleWithoutWhatItNeeds() {
    gradusWith(Map.of(), "worker")
        .isRefusedWith(2, "gradus worker: coordinators: is missing; every worker needs it");
    gradusWith(Map.of("GRADUS_LEARNER_COORDINATRS", "a:1"), "learner")
        .isRefusedWith(2, "did you mean GRADUS_LEARNER_COORDINATORS?");
  }

  @Test
  void refusesAddressesThatOthersReachUnlessThatIsMeant() throws IOException {
    String config =
        file(
            """
            ledger: {jdbc_url: "jdbc:sqlite:/tmp/x.db"}
            checkpoint_store: "file:///tmp/{run}"
            listen: {host: 0.0.0.0}
            """);

    gradusWith(Map.of(), "coordinator", "--config", config)
        .isRefusedWith(2, config + ":3: listen.host: is 0.0.0.0, which others can reach");
    gradusWith(
            Map.of("GRADUS_WORKER_HEALTH_HOST", "0.0.0.0"), "worker", "--set", "coordinators=[a:1]")
        .isRefusedWith(2, "GRADUS_WORKER_HEALTH_HOST: health.host: is 0.0.0.0");
    assertThat(
            gradusWith(
                    Map.of("GRADUS_WORKER_HEALTH_HOST", "0.0.0.0", "GRADUS_WORKER_AUTH", "none"),
                    "worker",
                    "--set",
                    "coordinators=[a:1]",
                    "--explain")
                .status())
        .isZero();
  }

  @Test
  void refusesPortsThatAreNone() {
    gradusWith(Map.of("GRADUS_WORKER_COORDINATORS", "a:99999"), "worker")
        .isRefusedWith(2, "is a:99999 but must be HOST:PORT with a port from 1 to 65535");
  }

  @Test
  void refusesACoordinatorThatIsNotThere() {
    gradusWith(Map.of(), "runs", "list").isRefusedWith(2, "no coordinator was given");
    gradusWith(Map.of(), "runs", "list", "--coordinator", "nowhere")
        .isRefusedWith(2, "--coordinator: \"nowhere\" is not HOST:PORT");
    gradusWith(Map.of("GRADUS_COORDINATORS", "a:1,,b:2"), "runs", "list")
        .isRefusedWith(2, "GRADUS_COORDINATORS: \"\" is not HOST:PORT");
  }
}
