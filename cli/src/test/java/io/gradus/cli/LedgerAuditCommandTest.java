package io.gradus.cli;

import static io.gradus.cli.CommandLines.gradus;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.google.protobuf.TextFormat;
import io.gradus.run.v1.RunSpec;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.Statement;
import java.util.Arrays;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

@Timeout(120)
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class LedgerAuditCommandTest {

  private Path sound = Path.of("");

  private static RunSpec spec() throws TextFormat.ParseException {
    return TextFormat.parse(
        """
        model { scratch {} } objective { star {} } tasks { addition { last_digits: 5 } }
        warm_up { batches: 4 sequences: 16 last_stratum: 3 }
        batch { groups: 8 } publication { every: 2 durable_every: 4 } stop { batches: 16 }
        """,
        RunSpec.class);
  }

  @BeforeAll
  void play(@TempDir Path directory) throws Exception {
    sound = directory.resolve("ledger.db");
    try (var ledger = ScriptedLedger.create(sound, spec())) {
      ledger.play().toTheEnd();
    }
  }

  /// A copy in a run directory of its own.
  private Path copy(Path directory) throws Exception {
    return Files.copy(sound, directory.resolve("ledger.db"));
  }

  private static String damaged(Path file, String question, String deed) throws Exception {
    try (Connection connection = DriverManager.getConnection("jdbc:sqlite:" + file);
        Statement statement = connection.createStatement()) {
      String target;
      try (ResultSet answer = statement.executeQuery(question)) {
        assertThat(answer.next()).as("there is something to damage").isTrue();
        target = answer.getString(1);
      }
      assertThat(statement.executeUpdate(deed.replace("{}", target))).isPositive();
      return target;
    }
  }

  @Test
  void printsTheBooksOfASoundRun(@TempDir Path directory) throws Exception {
    Path file = copy(directory);

    CommandLines.Result result = gradus("ledger", "audit", directory.toString());

    assertThat(result.err()).isEmpty();
    assertThat(result.status()).isEqualTo(0);
    assertThat(result.out())
        .startsWith(file + ": run addition-1 is STOPPED\n")
        .containsPattern("groups created +\\d+\n")
        .containsPattern("PENDING +0\n")
        .containsPattern("TRAINED +\\d+\n")
        .containsPattern("FILTERED\\(NONE_RIGHT\\) +\\d+\n")
        .containsPattern("uses +96\n")
        .containsPattern("SETTLED +16\n")
        .containsPattern("optimizer steps +\\d+\n")
        .containsPattern("policy versions +\\d+\n")
        .containsPattern("residual +0\n")
        .containsPattern("findings +0\n");
  }

  @Test
  void takesTheLedgerItself(@TempDir Path directory) throws Exception {
    assertThat(gradus("ledger", "audit", copy(directory).toString()).status()).isEqualTo(0);
  }

  @Test
  void writesJsonForMachines(@TempDir Path directory) throws Exception {
    copy(directory);

    JsonNode json =
        new ObjectMapper()
            .readTree(gradus("ledger", "audit", "--json", directory.toString()).out());

    assertThat(json.path("sound").asBoolean()).isTrue();
    JsonNode run = json.path("runs").path(0);
    assertThat(run.path("run_id").asText()).isEqualTo("addition-1");
    assertThat(run.path("state").asText()).isEqualTo("STOPPED");
    assertThat(run.path("batches").path("SETTLED").asLong()).isEqualTo(16);
    assertThat(run.path("groups").path("LEASED").asLong(-1)).isEqualTo(0);
    assertThat(run.path("residual").asLong(-1)).isEqualTo(0);
    assertThat(run.path("findings").isArray()).isTrue();
  }

  /// What somebody did to a ledger.
  ///
  /// @param question finds what `{}` stands for
  /// @param named must be named
  record Damage(String what, String question, String deed, String named) {

    @Override
    public String toString() {
      return what;
    }
  }

  static Stream<Damage> damages() {
    String aBatch = "select 9";
    String aGroup = "select max(group_id) from rollout_group where state = 'TRAINED'";
    return Stream.of(
        new Damage(
            "a batch member is removed",
            aBatch,
            "delete from batch_use where number = {} and ordinal = 2",
            "use 2 of batch {}: missing"),
        new Damage(
            "a batch member is altered",
            aBatch,
            "update batch_use set tokens = 1 where number = {} and ordinal = 2",
            "use 2 of batch {}: its tokens is 1"),
        new Damage(
            "a step is doubled",
            aBatch,
            "update batch set steps = 2 where number = {}",
            "batch {}: steps and skipped_steps together is 2"),
        new Damage(
            "a terminal state is removed",
            aGroup,
            "delete from rollout_group where group_id = {}",
            "group {}: missing"),
        new Damage(
            "a terminal state is altered",
            aGroup,
            "update rollout_group set state = 'CANCELLED' where group_id = {}",
            "group {}: is CANCELLED with"),
        new Damage(
            "all members of a batch are gone",
            aBatch,
            "delete from batch_use where number = {}",
            "batch {}: its uses is 0 but must be 8"),
        new Damage(
            "a payload is forged",
            "select max(group_id) from payload",
            "update payload set bytes = x'00' where group_id = {}",
            "payload of group {} under lease"),
        new Damage(
            "a lineage is forged",
            "select max(version) from policy_version",
            "update policy_version set lineage = (select lineage from policy_version"
                + " where version = 1) where version = {}",
            "version {}: its lineage is 000"),
        new Damage(
            "a lease is stolen",
            "select max(lease_id) from lease",
            "update lease set group_id = 1 where lease_id = {}",
            "group 1: its attempts is"),
        new Damage(
            "gold text is too hard",
            "select 2",
            "update batch set gold_last_stratum = 5 where number = {}",
            "batch {}: holds text of stratum"));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("damages")
  void namesTheRow(Damage damage, @TempDir Path directory) throws Exception {
    Path file = copy(directory);
    String target = damaged(file, damage.question(), damage.deed());

    CommandLines.Result result = gradus("ledger", "audit", directory.toString());

    assertThat(result.status()).isEqualTo(1);
    assertThat(result.err())
        .contains("gradus: " + file + ": " + damage.named().replace("{}", target))
        .doesNotContain("\tat ", "Exception");
    assertThat(result.out()).contains("groups created");
    assertThat(gradus("ledger", "audit", "--json", directory.toString()).status()).isEqualTo(1);
  }

  @Test
  void worksBesideALiveWriter(@TempDir Path directory) throws Exception {
    Path file = directory.resolve("ledger.db");
    try (var ledger = ScriptedLedger.create(file, spec())) {
      var run = ledger.play();
      run.untilApplied(7);

      CommandLines.Result result = gradus("ledger", "audit", directory.toString());

      assertThat(result.err()).isEmpty();
      assertThat(result.status()).isEqualTo(0);
      assertThat(result.out()).contains("is RUNNING");
      run.toTheEnd();
    }
  }

  @Test
  void refusesWhatIsNotThere(@TempDir Path directory) {
    gradus("ledger", "audit", "/nowhere").isRefusedWith(2, "/nowhere is not there; name a run");
    gradus("ledger", "audit", directory.toString())
        .isRefusedWith(2, directory.resolve("ledger.db") + ": no ledger is there");
    gradus("ledger", "audit").isRefusedWith(2, "Missing required parameter: 'DIR|RUN'");
  }

  @Test
  void refusesWhatIsNoLedger(@TempDir Path directory) throws Exception {
    Path file = directory.resolve("ledger.db");
    Files.writeString(file, "");
    gradus("ledger", "audit", file.toString()).isRefusedWith(2, "not a ledger of this release");
    Files.writeString(file, "no database at all, but longer than its header ".repeat(99));
    gradus("ledger", "audit", file.toString()).isRefusedWith(2, "the ledger is damaged");
    try (Connection connection =
            DriverManager.getConnection("jdbc:sqlite:" + directory.resolve("other.db"));
        Statement statement = connection.createStatement()) {
      statement.executeUpdate("create table run (run_id text)");
    }
    gradus("ledger", "audit", directory.resolve("other.db").toString())
        .isRefusedWith(2, "not a ledger of this release");
  }

  @Test
  void refusesATruncatedLedger(@TempDir Path directory) throws Exception {
    Path file = copy(directory);
    byte[] bytes = Files.readAllBytes(file);
    Files.write(file, Arrays.copyOf(bytes, bytes.length / 2), StandardOpenOption.TRUNCATE_EXISTING);

    gradus("ledger", "audit", directory.toString()).isRefusedWith(2, "the ledger is damaged");
  }

  @Test
  void saysWhatCannotBeReadWithoutATrace(@TempDir Path directory) throws Exception {
    Path file = copy(directory);
    try (Connection connection = DriverManager.getConnection("jdbc:sqlite:" + file);
        Statement statement = connection.createStatement()) {
      statement.executeUpdate("drop table lease");
    }

    CommandLines.Result result = gradus("ledger", "audit", directory.toString());

    assertThat(result.status()).isEqualTo(1);
    assertThat(result.err())
        .contains("the groups of run addition-1 cannot be read to the end", "no such table: lease")
        .doesNotContain("\tat ");
  }

  @Test
  void explainsItselfWithExamples() {
    CommandLines.Result result = gradus("ledger", "audit", "--help");

    assertThat(result.status()).isEqualTo(0);
    assertThat(result.out())
        .contains(
            "Usage: gradus ledger audit", "gradus ledger audit runs/addition-", "Exit status");
  }
}
