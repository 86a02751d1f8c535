package io.gradus.coordinator.audit;

import static org.assertj.core.api.Assertions.assertThat;

import io.gradus.testsupport.ScriptedRun;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// Whatever is removed, doubled or altered by hand in a sound ledger is found, and named.
@Timeout(300)
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class DamagedLedgerTest {

  enum Ledger {
    ENDED,
    UNDER_WAY,
    WITH_CONFIRMATIONS
  }

  /// What somebody did to a ledger.
  ///
  /// @param target finds the values for which `{0}`, `{1}` and so on stand
  /// @param rule that must be found broken
  /// @param row that must be named
  record Damage(
      String what, Ledger ledger, String target, List<String> deeds, String rule, String row) {

    @Override
    public String toString() {
      return what;
    }
  }

  private Path ended = Path.of("");
  private Path underWay = Path.of("");
  private Path withConfirmations = Path.of("");

  @BeforeAll
  void play(@TempDir Path directory) {
    ended = directory.resolve("ended.db");
    underWay = directory.resolve("under-way.db");
    Plays.play(
        ended,
        Plays.STAR,
        1,
        run -> {
          run.poison(15);
          run.toTheEnd();
        });
    Plays.play(underWay, Plays.STAR, 2, run -> run.untilApplied(23));
    withConfirmations = directory.resolve("with-confirmations.db");
    Plays.play(withConfirmations, Plays.CONFIRMATIONS, 1, ScriptedRun::toTheEnd);
  }

  private static Damage damage(
      String what, String target, String rule, String row, String... deeds) {
    return new Damage(what, Ledger.ENDED, target, List.of(deeds), rule, row);
  }

  private static Damage damageUnderWay(
      String what, String target, String rule, String row, String... deeds) {
    return new Damage(what, Ledger.UNDER_WAY, target, List.of(deeds), rule, row);
  }

  private static Damage damageOfConfirmation(
      String what, String rule, String row, String... deeds) {
    return new Damage(
        what,
        Ledger.WITH_CONFIRMATIONS,
        "select min(group_id), pinned_version from rollout_group where purpose = 'CONFIRMATION'"
            + " group by pinned_version order by pinned_version limit 1",
        List.of(deeds),
        rule,
        row);
  }

  private static final String A_SETTLED_BATCH =
      "select number, binding from batch where state = 'SETTLED' and generator is null"
          + " and binding = 1 order by number limit 1 offset 5";

  /// One that was never given up for a group that failed: then more answers are there.
  private static final String AN_EVALUATION =
      """
      select version from evaluation where finished and not confirmation and version not in (
        select pinned_version from rollout_group
        where state = 'FAILED' and pinned_version is not null) limit 1\
      """;

  private static String group(String state) {
    return ("select group_id, lease_id from rollout_group where state = '%s'"
            + " order by group_id limit 1 offset 2")
        .formatted(state);
  }

  static Stream<Damage> damages() {
    return Stream.of(batches(), uses(), groups(), payloads(), leases(), versions(), others())
        .flatMap(list -> list);
  }

  private static Stream<Damage> batches() {
    return Stream.of(
        damage(
            "a batch is removed",
            A_SETTLED_BATCH,
            "batches-without-holes",
            "batch {0}",
            "delete from batch where number = {0}",
            "delete from batch_use where number = {0}"),
        damage(
            "the last batch is removed",
            "select max(number) from batch",
            "batches-without-holes",
            "batch {0}",
            "delete from batch where number = {0}",
            "delete from batch_use where number = {0}"),
        damage(
            "a number has two bindings that count",
            A_SETTLED_BATCH,
            "one-binding-per-number",
            "batch {0}",
            "create table copy as select * from batch where number = {0}",
            "update copy set binding = 2",
            "insert into batch select * from copy"),
        damage(
            "a settled batch is bound again",
            A_SETTLED_BATCH,
            "ended-run-is-closed",
            "batch {0}",
            "update batch set state = 'BOUND' where number = {0}"),
        damageUnderWay(
            "a batch in the middle of the line is bound again",
            A_SETTLED_BATCH,
            "batch-steps",
            "batch {0}",
            "update batch set state = 'BOUND' where number = {0}"),
        damageUnderWay(
            "a batch is settled before its turn",
            "select max(number) from batch where state = 'APPLIED'",
            "batch-line",
            "batch {0}",
            "update batch set state = 'SETTLED' where number = {0}"),
        damage(
            "a step is added",
            A_SETTLED_BATCH,
            "batch-steps",
            "batch {0}",
            "update batch set steps = steps + 1 where number = {0}"),
        damage(
            "a step is called skipped",
            """
            select b.number, min(v.version) from batch b
              join policy_version v on v.batch >= b.number and v.ancestor = v.batch
            where b.state = 'SETTLED' and b.generator is null and b.steps = 1
            group by b.number order by b.number limit 1\
            """,
            "version-steps",
            "version {1}",
            "update batch set steps = 0, skipped_steps = 1"
                + " where number = {0} and state = 'SETTLED'"),
        damage(
            "the digest of a batch is altered",
            A_SETTLED_BATCH,
            "batch-digest",
            "batch {0}",
            "update batch set digest = randomblob(32) where number = {0} and binding = {1}"),
        damage(
            "the tokens of a batch are altered",
            A_SETTLED_BATCH,
            "batch-counts",
            "batch {0}",
            "update batch set completion_tokens = completion_tokens + 1 where number = {0}"),
        damage(
            "gold text is made harder than three digits",
            "select 3",
            "gold-text",
            "batch {0}",
            "update batch set gold_last_stratum = 5 where number = {0}"),
        damage(
            "gold text is shown twice",
            "select 3",
            "gold-text",
            "batch {0}",
            "update batch set gold_first_index = 0 where number = {0}"),
        damage(
            "gold text is shown after the warm-up",
            A_SETTLED_BATCH,
            "gold-text",
            "batch {0}",
            """
            update batch set generator = g.generator, generator_version = g.generator_version,
              gold_source = g.gold_source, gold_seed = g.gold_seed, gold_first_index = 9999,
              gold_count = g.gold_count, gold_first_stratum = g.gold_first_stratum,
              gold_last_stratum = g.gold_last_stratum
            from batch g where g.number = 1 and batch.number = {0}\
            """),
        damage(
            "a batch says that it is durable",
            "select number from batch where not durable and state = 'SETTLED' limit 1",
            "batch-place",
            "batch {0}",
            "update batch set durable = true where number = {0}"));
  }

  private static Stream<Damage> uses() {
    return Stream.of(
        damage(
            "the last member of a batch is removed",
            "select number, max(ordinal) from batch_use where number = 12 and binding = 1",
            "batch-counts",
            "batch {0}",
            "delete from batch_use where number = {0} and ordinal = {1}"),
        damage(
            "a member of a batch is removed",
            "select 12, 3",
            "uses-without-holes",
            "use {1} of batch {0}",
            "delete from batch_use where number = {0} and ordinal = {1}"),
        damage(
            "a member of a batch is doubled",
            "select number, max(ordinal) + 1 from batch_use where number = 12 and binding = 1",
            "use-is-legal",
            "use {1} of batch {0}",
            "create table copy as select * from batch_use where number = {0} and ordinal = 0",
            "update copy set ordinal = {1}",
            "insert into batch_use select * from copy"),
        damage(
            "a member of a batch is another one",
            """
            select 12, 3, g.group_id from rollout_group g where g.state = 'TRAINED'
              and g.group_id not in (select group_id from batch_use where number = 12) limit 1\
            """,
            "use-is-legal",
            "use {1} of batch {0}",
            "update batch_use set group_id = {2} where number = {0} and ordinal = {1}"),
        damage(
            "two members of a batch change places",
            "select 12",
            "batch-digest",
            "batch {0}",
            "update batch_use set ordinal = -1 where number = {0} and ordinal = 2",
            "update batch_use set ordinal = 2 where number = {0} and ordinal = 3",
            "update batch_use set ordinal = 3 where number = {0} and ordinal = -1"),
        damage(
            "the tokens of a use are altered",
            "select 12, 3",
            "use-is-legal",
            "use {1} of batch {0}",
            "update batch_use set tokens = tokens + 1 where number = {0} and ordinal = {1}"),
        damage(
            "the pass rate of a use is altered",
            "select 12, 3",
            "use-is-legal",
            "use {1} of batch {0}",
            "update batch_use set pass_rate = 0.75 where number = {0} and ordinal = {1}"),
        damage(
            "a use has a probability above 1",
            "select 12, 3",
            "row-is-readable",
            "use {1} of batch {0}",
            "update batch_use set probability = 2 where number = {0} and ordinal = {1}"),
        damage(
            "a use is of a group that is not there",
            "select 12, 3",
            "group-is-there",
            "use {1} of batch {0}",
            "update batch_use set group_id = 100000 where number = {0} and ordinal = {1}"),
        damage(
            "a trajectory is used more often than it may be",
            """
            select u.group_id, u.lease_id, u.member from batch_use u join batch b
              on b.number = u.number and b.binding = u.binding and b.state = 'SETTLED'
            group by u.group_id, u.lease_id, u.member having count(*) = 3 limit 1\
            """,
            "max-uses",
            "group {0}",
            """
            update batch_use set group_id = {0}, lease_id = {1}, member = {2}
            where ordinal = 0 and number = (
              select min(number) from batch_use where number not in (
                select number from batch_use where group_id = {0}))\
            """));
  }

  private static Stream<Damage> groups() {
    return Stream.of(
        damage(
            "a group is removed",
            group("FILTERED"),
            "groups-without-holes",
            "group {0}",
            "delete from rollout_group where group_id = {0}"),
        damage(
            "the last group is removed",
            "select max(group_id) from rollout_group",
            "groups-without-holes",
            "group {0}",
            "delete from rollout_group where group_id = {0}"),
        damage(
            "a group is doubled",
            "select group_id, (select max(group_id) + 1 from rollout_group) from rollout_group"
                + " where state = 'TRAINED' limit 1",
            "task-once",
            "group {1}",
            "create table copy as select * from rollout_group where group_id = {0}",
            "update copy set group_id = {1}",
            "insert into rollout_group select * from copy"),
        damage(
            "a trained group is called filtered",
            group("TRAINED"),
            "state-fits-uses",
            "group {0}",
            "update rollout_group set state = 'FILTERED', reason = 'NONE_RIGHT'"
                + " where group_id = {0}"),
        damage(
            "a filtered group is called trained",
            group("FILTERED"),
            "state-fits-uses",
            "group {0}",
            "update rollout_group set state = 'TRAINED', reason = 'NONE' where group_id = {0}"),
        damage(
            "a failed group is called cancelled",
            "select group_id from rollout_group where state = 'FAILED' and reason = 'WORKER_LOST'"
                + " limit 1",
            "transitions-balance",
            "groups FAILED(WORKER_LOST)",
            "update rollout_group set state = 'CANCELLED', reason = 'NONE' where group_id = {0}"),
        damage(
            "the reason of a state is removed",
            group("FILTERED"),
            "legal-state",
            "group {0}",
            "update rollout_group set reason = 'NONE' where group_id = {0}"),
        damage(
            "a group of a run that is over is open",
            group("CANCELLED"),
            "ended-run-is-closed",
            "group {0}",
            "update rollout_group set state = 'LEASED' where group_id = {0}"),
        damage(
            "a state is nonsense",
            group("TRAINED"),
            "row-is-readable",
            "group {0}",
            "update rollout_group set state = 'EATEN' where group_id = {0}"),
        damage(
            "what was admitted is removed",
            group("TRAINED"),
            "legal-state",
            "group {0}",
            """
            update rollout_group set admitted_lease = null, digest = null, oldest_version = null,
              outcomes = null where group_id = {0}\
            """),
        damage(
            "a verdict is turned",
            group("FILTERED"),
            "legal-outcomes",
            "group {0}",
            "update rollout_group set outcomes = replace(outcomes, ':W:', ':R:')"
                + " where group_id = {0}"),
        damage(
            "a hint is denied",
            "select group_id from rollout_group where purpose = 'RATIONALIZATION'"
                + " and state = 'TRAINED' limit 1",
            "prompt-without-hint",
            "payload of group {0} under lease",
            "update rollout_group set purpose = 'TRAINING' where group_id = {0}"),
        damage(
            "a task is sampled twice",
            "select group_id from rollout_group where purpose = 'TRAINING' and task_index > 3"
                + " limit 1",
            "task-once",
            "group {0}",
            "update rollout_group set task_index = 0 where group_id = {0}"));
  }

  private static Stream<Damage> payloads() {
    String stored =
        "select g.group_id, g.admitted_lease from rollout_group g join payload p"
            + " on p.group_id = g.group_id where g.state = '%s' order by g.group_id limit 1";
    return Stream.of(
        damage(
            "a byte of a payload is flipped",
            stored.formatted("TRAINED"),
            "payload-digest",
            "payload of group {0} under lease {1}",
            "update payload set bytes = cast(substr(bytes, 1, 40) || x'5a' || substr(bytes, 42)"
                + " as blob) where group_id = {0}"),
        damage(
            "the digest of a payload is altered",
            stored.formatted("TRAINED"),
            "payload-digest",
            "payload of group {0} under lease {1}",
            "update payload set digest = randomblob(32) where group_id = {0}"),
        damage(
            "the digest of a group is altered",
            stored.formatted("TRAINED"),
            "payload-digest",
            "payload of group {0} under lease {1}",
            "update rollout_group set digest = randomblob(32) where group_id = {0}"),
        damage(
            "a payload is exchanged for another one",
            """
            select a.group_id, a.lease_id, b.group_id from payload a join payload b
              on b.group_id > a.group_id limit 1\
            """,
            "payload-agrees",
            "payload of group {0} under lease {1}",
            "update payload set (digest, bytes) = (select digest, bytes from payload"
                + " where group_id = {2}) where group_id = {0}"),
        damageUnderWay(
            "the payload of a group in replay is removed",
            stored.formatted("ACCEPTED"),
            "payload-is-there",
            "group {0}",
            "delete from payload where group_id = {0}"),
        damage(
            "the outcomes of a group are altered",
            stored.formatted("TRAINED"),
            "payload-agrees",
            "payload of group {0} under lease {1}",
            "update rollout_group set outcomes = replace(outcomes, ':1.0:', ':0.5:')"
                + " where group_id = {0}"));
  }

  private static Stream<Damage> leases() {
    return Stream.of(
        damage(
            "a lease is stolen",
            group("TRAINED"),
            "lease-belongs",
            "group {0}",
            "update lease set group_id = group_id + 1 where lease_id = {1}"),
        damage(
            "a lease is removed",
            group("TRAINED"),
            "lease-belongs",
            "lease {1}",
            "delete from lease where lease_id = {1}"),
        damage(
            "a lease is granted twice",
            group("TRAINED"),
            "lease-belongs",
            "group {0}",
            "drop index lease_once",
            "insert into lease select run_key, {0}, 1, worker_id from lease where lease_id = {1}"),
        damage(
            "a lease is held by somebody else",
            group("TRAINED"),
            "lease-belongs",
            "group {0}",
            "update lease set worker_id = 'worker-9' where lease_id = {1}"),
        damage(
            "a lease is beyond the counter",
            "select max(lease_id), group_id from lease",
            "lease-belongs",
            "lease 99999 of group {1}",
            "update lease set lease_id = 99999 where lease_id = {0}"));
  }

  private static Stream<Damage> versions() {
    String live =
        "select version from policy_version where ancestor = batch and batch > 12 limit 1";
    return Stream.of(
        damage(
            "a version is removed",
            live,
            "versions-without-holes",
            "version {0}",
            "delete from policy_version where version = {0}"),
        damage(
            "a lineage is altered",
            live,
            "lineage",
            "version {0}",
            "update policy_version set lineage = replace(lineage, substr(lineage, 1, 1),"
                + " case substr(lineage, 1, 1) when 'a' then 'b' else 'a' end)"
                + " where version = {0}"),
        damage(
            "a version has more steps",
            live,
            "version-steps",
            "version {0}",
            "update policy_version set step = step + 1 where version = {0}"),
        damage(
            "a version is its own parent",
            live,
            "version-descends",
            "version {0}",
            "update policy_version set parent = version where version = {0}"),
        damage(
            "a version claims another batch",
            live,
            "lineage",
            "version {0}",
            "update policy_version set batch = batch - 1, ancestor = ancestor - 1"
                + " where version = {0}"),
        damageUnderWay(
            "a checkpoint is no longer durable",
            "select max(number) from batch where state = 'SETTLED'",
            "settled-is-durable",
            "batch {0}",
            "update policy_version set durable = false"),
        damage(
            "a learner session is removed",
            "select 1",
            "sessions-without-holes",
            "learner session 2",
            "delete from learner_session where epoch = {0}"));
  }

  private static Stream<Damage> others() {
    return Stream.concat(
        Stream.of(
                "groups_created",
                "next_lease",
                "next_version",
                "batches_bound",
                "warm_up_batches",
                "trajectories_sampled",
                "tokens_sampled",
                "units_accepted",
                "tokens_trained",
                "sequences_trained")
            .map(column ->
                damage(
                    column + " is altered",
                    "select '" + column + "'",
                    column.equals("batches_bound")
                        ? "batches-without-holes"
                        : column.equals("next_version") ? "versions-without-holes" : "run-counts",
                    column.equals("batches_bound")
                        ? "batch 61"
                        : column.equals("next_version") ? "version" : "run",
                    "update run set {0} = {0} + 1")),
        Stream.of(
            damage(
                "a count of transitions is altered",
                "select 1",
                "transitions-balance",
                "groups FILTERED(NONE_RIGHT)",
                "update run set transitions = replace(transitions,"
                    + " 'LEASED>FILTERED(NONE_RIGHT)=', 'LEASED>FILTERED(NONE_RIGHT)=1')"),
            damage(
                "a transition is none of the table",
                "select 1",
                "transitions-balance",
                "run",
                "update run set transitions = transitions || ' TRAINED>LEASED=1'"),
            damage(
                "the next task of a stratum is altered",
                "select 1",
                "task-once",
                "stratum 1 of source 0",
                "update stratum set next_index = 'TRAINING=1' where stratum = 1"),
            damage(
                "an answer of an evaluation is turned",
                AN_EVALUATION,
                "evaluation-agrees",
                "evaluation of version {0}, set 0",
                "update rollout_group set outcomes = replace(replace(replace(outcomes,"
                    + " ':R:', ':X:'), ':W:', ':R:'), ':X:', ':W:')"
                    + " where group_id = (select min(group_id)"
                    + " from rollout_group where purpose = 'EVALUATION' and state = 'EVALUATED'"
                    + " and pinned_version = {0})"),
            damage(
                "an evaluation is better than its answers",
                AN_EVALUATION,
                "evaluation-agrees",
                "evaluation of version {0}, set 0",
                "update evaluation set handled = handled + 1 where version = {0}"
                    + " and not confirmation"),
            damageOfConfirmation(
                "a confirmation is on problems of the held-out set",
                "task-once",
                "group {0}",
                "update rollout_group set task_index = task_index % 12"
                    + " where pinned_version = {1} and purpose = 'CONFIRMATION'"),
            damageOfConfirmation(
                "a confirmation names the set of another",
                "evaluation-agrees",
                "confirmation of version {1}",
                "update evaluation set set_number = set_number + 1"
                    + " where version = {1} and confirmation"),
            damage(
                "an evaluation is removed",
                AN_EVALUATION,
                "evaluation-agrees",
                "evaluation of version {0}",
                "delete from evaluation where version = {0} and not confirmation"),
            damage(
                "the spec is garbled",
                "select 1",
                "spec-is-readable",
                "run",
                "update run_spec set spec = x'ff'"),
            damage(
                "the spec is removed",
                "select 1",
                "spec-is-readable",
                "run",
                "delete from run_spec"),
            damage(
                "the state of the run is nonsense",
                "select 1",
                "row-is-readable",
                "run",
                "update run set state = 'ASLEEP'")));
  }

  private Path copy(Ledger ledger, Path directory) throws IOException {
    Path copy = directory.resolve("ledger.db");
    return Files.copy(
        switch (ledger) {
          case ENDED -> ended;
          case UNDER_WAY -> underWay;
          case WITH_CONFIRMATIONS -> withConfirmations;
        },
        copy);
  }

  private static List<String> query(Statement statement, String question) throws SQLException {
    try (ResultSet answer = statement.executeQuery(question)) {
      assertThat(answer.next()).as("there is something to damage: " + question).isTrue();
      var values = new ArrayList<String>();
      for (int column = 1; column <= answer.getMetaData().getColumnCount(); column++) {
        values.add(answer.getString(column));
      }
      return values;
    }
  }

  private static String filled(String text, List<String> values) {
    String filled = text;
    for (int index = 0; index < values.size(); index++) {
      filled = filled.replace("{" + index + "}", values.get(index));
    }
    return filled;
  }

  @Test
  void findsNothingInAnUndamagedCopy(@TempDir Path directory) throws Exception {
    for (Ledger ledger : Ledger.values()) {
      assertThat(Plays.audit(copy(ledger, directory)).findings()).as("%s", ledger).isEmpty();
      Files.delete(directory.resolve("ledger.db"));
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("damages")
  void findsThat(Damage damage, @TempDir Path directory) throws Exception {
    Path file = copy(damage.ledger(), directory);
    List<String> values;
    try (Connection connection = DriverManager.getConnection("jdbc:sqlite:" + file);
        Statement statement = connection.createStatement()) {
      values = query(statement, damage.target());
      int changed = 0;
      for (String deed : damage.deeds()) {
        changed += Math.max(0, statement.executeUpdate(filled(deed, values)));
      }
      assertThat(changed).as("rows damaged").isPositive();
    }

    AuditReport report = Plays.audit(file);

    assertThat(report.isSound()).isFalse();
    assertThat(report.findings())
        .as("findings for %s of %s", damage.what(), values)
        .anySatisfy(finding -> {
          assertThat(finding.rule()).isEqualTo(damage.rule());
          assertThat(finding.row()).startsWith(filled(damage.row(), values));
        });
  }
}
