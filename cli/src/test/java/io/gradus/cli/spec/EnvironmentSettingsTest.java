package io.gradus.cli.spec;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.gradus.config.v1.CoordinatorSettings;
import io.gradus.config.v1.WorkerSettings;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class EnvironmentSettingsTest {

  private static final String FILE =
      """
      ledger:
        jdbc_url: "jdbc:postgresql://db/gradus"
        user: gradus
      checkpoint_store: "file:///srv/{run}"
      """;

  private static ReadSpec<CoordinatorSettings> read(
      String text, Map<String, String> environment, String... options) throws SpecRefusedException {
    List<Setting> settings =
        new ArrayList<>(
            EnvironmentSettings.of(SpecKind.COORDINATOR, "GRADUS_COORDINATOR_", environment));
    for (String option : options) {
      settings.add(Setting.parse("--set", option, SpecKind.COORDINATOR));
    }
    return SpecReader.read(SpecKind.COORDINATOR, text, new Origin.WholeFile("c.yaml"), settings);
  }

  private static SpecRefusedException refused(
      String text, Map<String, String> environment, String... options) {
    return catchThrowableOfType(SpecRefusedException.class, () -> read(text, environment, options));
  }

  @Test
  void liesOverTheFileAndUnderTheOptions() throws Exception {
    ReadSpec<CoordinatorSettings> read =
        read(
            FILE + "listen: {port: 1}\n",
            Map.of(
                "GRADUS_COORDINATOR_LISTEN_PORT", "2",
                "GRADUS_COORDINATOR_LEDGER_USER", "operator",
                "GRADUS_COORDINATOR_SHUTDOWN_TIMEOUT", "20s",
                "PATH", "/usr/bin"),
            "listen.port=3");

    assertThat(read.spec().getListen().getPort()).isEqualTo(3);
    assertThat(read.spec().getLedger().getUser()).isEqualTo("operator");
    assertThat(read.spec().getShutdownTimeout().getSeconds()).isEqualTo(20);
    assertThat(read.originOf("listen.port").brief()).isEqualTo("--set listen.port");
    assertThat(read.originOf("ledger.user").brief()).isEqualTo("GRADUS_COORDINATOR_LEDGER_USER");
    assertThat(read.originOf("checkpoint_store").brief()).isEqualTo("line 4");
  }

  @Test
  void takesTextsAsTheyAre() throws Exception {
    for (String password : List.of("0123", "true", "a: b #c", "\"quoted\"", "[1, 2]", "{", " ~")) {
      ReadSpec<CoordinatorSettings> read =
          read(FILE, Map.of("GRADUS_COORDINATOR_LEDGER_PASSWORD", password));

      assertThat(read.spec().getLedger().getPassword()).isEqualTo(password);
    }
  }

  @Test
  void readsListsWithCommas() throws Exception {
    WorkerSettings settings =
        SpecReader.read(
                SpecKind.WORKER,
                new Origin.Option("gradus worker"),
                EnvironmentSettings.of(
                    SpecKind.WORKER,
                    "GRADUS_WORKER_",
                    Map.of("GRADUS_WORKER_COORDINATORS", "a:1, b:2")))
            .spec();

    assertThat(settings.getCoordinatorsList()).containsExactly("a:1", "b:2");
  }

  @Test
  void takesAFieldOutWhenTheVariableIsEmpty() throws Exception {
    assertThat(
            read(FILE, Map.of("GRADUS_COORDINATOR_LEDGER_USER", "")).spec().getLedger().getUser())
        .isEmpty();
  }

  @Test
  void refusesAVariableThatNamesNothing() {
    assertThat(refused(FILE, Map.of("GRADUS_COORDINATOR_LEDGER_PASWORD", "secret")))
        .hasMessage(
            "GRADUS_COORDINATOR_LEDGER_PASWORD: names no setting; did you mean"
                + " GRADUS_COORDINATOR_LEDGER_PASSWORD?");
  }

  @Test
  void namesTheVariableWhoseValueIsWrong() {
    assertThat(refused(FILE, Map.of("GRADUS_COORDINATOR_LISTEN_PORT", "http")))
        .hasMessage(
            "GRADUS_COORDINATOR_LISTEN_PORT: listen.port: is http but must be a whole number from 0"
                + " to 65535");
    assertThat(refused(FILE, Map.of("GRADUS_COORDINATOR_LISTEN_PORT", "70000")))
        .hasMessage(
            "GRADUS_COORDINATOR_LISTEN_PORT: listen.port: is 70000 but must be a whole number from"
                + " 0 to 65535");
  }

  @Test
  void leavesAloneWhatKubernetesSaysOfAService() throws Exception {
    read(
        FILE,
        Map.of(
            "GRADUS_COORDINATOR_SERVICE_HOST", "10.0.0.1",
            "GRADUS_COORDINATOR_SERVICE_PORT_GRPC", "7070",
            "GRADUS_COORDINATOR_PORT", "tcp://10.0.0.1:7070",
            "GRADUS_COORDINATOR_PORT_7070_TCP_ADDR", "10.0.0.1"));
  }

  @Test
  void tellsFaultsOfAFileWithPathLineAndNearestName() {
    assertThat(refused(FILE + "lissten: {port: 1}\n", Map.of()))
        .hasMessage("c.yaml:5: lissten: unknown field; did you mean listen?");
    assertThat(refused("listen: {port: 1}\n", Map.of()))
        .hasMessageContaining("c.yaml: ledger: is missing; every coordinator needs it");
    assertThat(refused("ledger: {jdbc_url: mysql}\ncheckpoint_store: \"file:/x\"\n", Map.of()))
        .hasMessageContaining("c.yaml:1: ledger.jdbc_url: is \"mysql\" but must match");
  }

  @Test
  void neverTellsASecret() throws Exception {
    assertThat(refused(FILE.replace("user: gradus", "password: 98765"), Map.of()))
        .hasMessage("c.yaml:3: ledger.password: is *** but must be a text; put it in quotes");
    assertThat(refused(FILE, Map.of(), "ledger.password=[98765]"))
        .message()
        .doesNotContain("98765");

    ReadSpec<CoordinatorSettings> read = read(FILE, Map.of(), "ledger.password=\"98765\"");

    assertThat(SpecWriter.write(read.spec())).contains("password: \"***\"").doesNotContain("98765");
    assertThat(read.originOf("ledger.password").brief()).isEqualTo("--set ledger.password");
  }
}
