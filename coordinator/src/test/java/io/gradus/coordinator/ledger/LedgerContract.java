package io.gradus.coordinator.ledger;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.gradus.coordinator.audit.AuditReport;
import io.gradus.coordinator.audit.Plays;
import io.gradus.coordinator.audit.RunAudit;
import io.gradus.core.batch.BatchState;
import io.gradus.core.group.GroupId;
import io.gradus.core.group.GroupState;
import io.gradus.core.group.LeaseId;
import io.gradus.core.group.StateReason;
import io.gradus.core.ledger.RunImage;
import io.gradus.core.ledger.RunState;
import io.gradus.core.ledger.Write;
import java.sql.Connection;
import java.sql.DriverManager;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// What the ledger promises on every database.
abstract class LedgerContract {

  private static final Instant NOW = Instant.parse("2026-11-24T12:00:00Z");

  /// The newest schema of the release before.
  static final int PREVIOUS_RELEASE = 2;

  final FaultyConnections faults = new FaultyConnections();
  private final List<Ledger> opened = new ArrayList<>();

  abstract LedgerConfig config() throws Exception;

  @AfterEach
  void closeLedgers() {
    opened.forEach(Ledger::close);
  }

  Ledger open() throws Exception {
    return open(config());
  }

  Ledger open(LedgerConfig config) {
    var ledger =
        Ledger.open(config, Clock.fixed(NOW, ZoneOffset.UTC), System::nanoTime, faults::around);
    opened.add(ledger);
    return ledger;
  }

  /// As a program that knows the schema of an older release.
  Ledger openAs(Schema schema) throws Exception {
    var ledger =
        Ledger.open(
            config(),
            Clock.fixed(NOW, ZoneOffset.UTC),
            System::nanoTime,
            UnaryOperator.identity(),
            schema);
    opened.add(ledger);
    return ledger;
  }

  void execute(String sql) throws Exception {
    LedgerConfig config = config();
    try (Connection connection =
            DriverManager.getConnection(config.jdbcUrl(), config.user(), config.password());
        var statement = connection.createStatement()) {
      statement.execute(sql);
    }
  }

  static Takeover takeOver(Ledger ledger, String runId) throws Exception {
    return ledger.takeOver(runId).toCompletableFuture().get(30, TimeUnit.SECONDS);
  }

  static Ledger.Submission submit(Ledger ledger, String runId, String spec) throws Exception {
    return ledger
        .createRun(runId, spec.getBytes(java.nio.charset.StandardCharsets.UTF_8))
        .toCompletableFuture()
        .get(30, TimeUnit.SECONDS);
  }

  static Heard append(
      Ledger ledger, Incarnation incarnation, List<Payload> payloads, Write... writes) {
    var heard = new Heard();
    ledger.append(incarnation, List.of(writes), payloads, heard);
    return heard;
  }

  private static Write.RequirePayload require(long id) {
    return new Write.RequirePayload(new GroupId(id), new LeaseId(id), Rows.payload(id).digest());
  }

  @Test
  void answersARepeatedSubmissionWithTheRunThatIsThere() throws Exception {
    Ledger ledger = open();

    Ledger.Submission first = submit(ledger, "run-1", "spec");
    Ledger.Submission again = submit(ledger, "run-1", "spec");
    Ledger.Submission other = submit(ledger, "run-1", "another spec");

    assertThat(first.isNew()).isTrue();
    assertThat(again.isNew()).isFalse();
    assertThat(again.isSame()).isTrue();
    assertThat(other.isSame()).isFalse();
    assertThat(first.run().submitted()).isEqualTo(NOW);
    assertThat(ledger.reader().activeRuns()).containsExactly("run-1");
  }

  @Test
  void recoversEveryRowAsItWasWritten() throws Exception {
    Ledger ledger = open();
    submit(ledger, "run-0", "another run");
    submit(ledger, "run-1", "spec");
    Incarnation incarnation = takeOver(ledger, "run-1").incarnation();
    var uses = List.of(Rows.use(2, 1, 0, 2, 0), Rows.use(2, 1, 1, 2, -1));
    var voidUses = List.of(Rows.use(3, 1, 0, 2, 0));

    Heard heard =
        append(
            ledger,
            incarnation,
            List.of(Rows.payload(2), Rows.payload(3)),
            new Write.PutRun(Rows.run(4)),
            new Write.PutGroup(Rows.leased(1)),
            new Write.PutLease(Rows.lease(1)),
            new Write.PutLease(Rows.lease(2)),
            new Write.PutLease(Rows.lease(3)),
            require(2),
            new Write.PutGroup(Rows.decided(2, GroupState.ACCEPTED, StateReason.NONE)),
            require(3),
            new Write.PutGroup(Rows.decided(3, GroupState.FILTERED, StateReason.NONE_RIGHT)),
            new Write.PutBatch(Rows.gold(1, BatchState.SETTLED)),
            new Write.PutBatch(Rows.replay(2, 1, BatchState.BOUND, uses)),
            new Write.PutUses(uses),
            new Write.PutBatch(Rows.replay(3, 1, BatchState.VOID, voidUses)),
            new Write.PutUses(voidUses),
            new Write.PutVersion(Rows.version(1, true)),
            new Write.PutVersion(Rows.version(2, true)),
            new Write.PutVersion(Rows.version(3, false)),
            new Write.PutVersion(Rows.version(4, true)),
            new Write.PutStratum(Rows.stratum(1)),
            new Write.PutStratum(Rows.stratum(2)),
            new Write.PutEvaluation(Rows.evaluation(1, false, 0, true)),
            new Write.PutEvaluation(Rows.evaluation(2, false, 0, true)),
            new Write.PutEvaluation(Rows.evaluation(2, true, 1, true)),
            new Write.PutEvaluation(Rows.evaluation(3, false, 0, false)),
            new Write.PutLearner(Rows.learner(1)),
            new Write.PutLearner(Rows.learner(2)));

    assertThat(heard.await()).isEqualTo("COMMITTED 1");
    RunImage image = takeOver(ledger, "run-1").image();
    assertThat(image.run()).contains(Rows.run(4));
    assertThat(image.openGroups())
        .containsExactly(Rows.leased(1), Rows.decided(2, GroupState.ACCEPTED, StateReason.NONE));
    assertThat(image.leases()).containsExactly(Rows.lease(1), Rows.lease(2));
    assertThat(image.openBatches()).containsExactly(Rows.replay(2, 1, BatchState.BOUND, uses));
    assertThat(image.openUses()).isEqualTo(uses);
    assertThat(image.useCounts()).isEqualTo(Map.of(new GroupId(2), Map.of(0, 1, -1, 1)));
    assertThat(image.settledUses()).isEmpty();
    assertThat(image.versions())
        .as("version 1 is the oldest of group 2, version 2 its pin, version 4 needed by nobody")
        .containsExactly(Rows.version(1, true), Rows.version(2, true), Rows.version(3, false));
    assertThat(image.strata()).containsExactly(Rows.stratum(1), Rows.stratum(2));
    assertThat(image.evaluations())
        .containsExactly(
            Rows.evaluation(2, false, 0, true),
            Rows.evaluation(2, true, 1, true),
            Rows.evaluation(3, false, 0, false));
    assertThat(image.learner()).contains(Rows.learner(2));
  }

  @Test
  void replacesRowsAndKeepsWhenAGroupWasCreated() throws Exception {
    Ledger ledger = open();
    submit(ledger, "run-1", "spec");
    Takeover takeover = takeOver(ledger, "run-1");
    var uses = List.of(Rows.use(1, 1, 0, 1, 0));
    append(
            ledger,
            takeover.incarnation(),
            List.of(),
            new Write.PutRun(Rows.run(1)),
            new Write.PutGroup(Rows.leased(1)),
            new Write.PutLease(Rows.lease(1)))
        .await();

    append(
            ledger,
            takeover.incarnation(),
            List.of(Rows.payload(1)),
            require(1),
            new Write.PutGroup(Rows.decided(1, GroupState.ACCEPTED, StateReason.NONE)),
            new Write.PutBatch(Rows.replay(1, 1, BatchState.BOUND, uses)),
            new Write.PutUses(uses))
        .await();
    append(
            ledger,
            takeover.incarnation(),
            List.of(),
            new Write.PutBatch(Rows.replay(1, 1, BatchState.SETTLED, uses)))
        .await();

    RunImage image = ledger.reader().image(takeover.run());
    assertThat(image.settledUses()).containsExactly(new GroupId(1));
    assertThat(image.openBatches()).isEmpty();
    GroupRecord record = ledger.reader().group(takeover.run().key(), new GroupId(1)).orElseThrow();
    assertThat(record.row()).isEqualTo(Rows.decided(1, GroupState.ACCEPTED, StateReason.NONE));
    assertThat(record.created()).isEqualTo(NOW);
    assertThat(record.batches()).containsExactly(1L);
    assertThat(ledger.reader().groups(takeover.run().key(), "ACCEPTED", 0, 10)).hasSize(1);
    assertThat(ledger.reader().groups(takeover.run().key(), "", 1, 10)).isEmpty();
  }

  @Test
  void servesTheReleaseBeforeAndTheNextOneInTurn() throws Exception {
    var before = new Schema(PREVIOUS_RELEASE);
    Ledger older = openAs(before);
    submit(older, "run-1", "spec");
    acceptGroup(older, 1);
    older.close();

    Ledger newer = open();
    acceptGroup(newer, 2);
    newer.close();
    older = openAs(before);
    acceptGroup(older, 3);
    older.close();
    newer = open();

    Takeover takeover = takeOver(newer, "run-1");
    assertThat(takeover.image().openGroups()).hasSize(3);
    for (long id = 1; id <= 3; id++) {
      assertThat(newer.digestOf(takeover.run().key(), new GroupId(id), new LeaseId(id)))
          .contains(Rows.payload(id).digest());
    }
    newer.close();
    try (var reading = ReadOnlyLedger.open(config(), before)) {
      assertThat(reading.reader().findRun("run-1")).isPresent();
    }
  }

  private static void acceptGroup(Ledger ledger, long id) throws Exception {
    Incarnation incarnation = takeOver(ledger, "run-1").incarnation();
    Heard heard =
        append(
            ledger,
            incarnation,
            List.of(Rows.payload(id)),
            new Write.PutLease(Rows.lease(id)),
            require(id),
            new Write.PutGroup(Rows.decided(id, GroupState.ACCEPTED, StateReason.NONE)));
    assertThat(heard.await()).startsWith("COMMITTED");
  }

  @Test
  void readsALedgerThatAnOlderReleaseLeft() throws Exception {
    Ledger older = openAs(new Schema(1));
    submit(older, "run-1", "spec");
    older.close();

    try (var reading = ReadOnlyLedger.open(config())) {
      StoredRun run = reading.reader().findRun("run-1").orElseThrow();
      assertThat(reading.reader().image(run).openGroups()).isEmpty();
    }
  }

  @Test
  void obeysANewerSchemaThatKeepsThisReleaseOut() throws Exception {
    open().close();
    execute(
        """
        insert into gradus_schema (installed_rank, version, description, type, script, installed_by,
          execution_time, success)
        values (99, '99', 'of the future', 'SQL', 'V99', '', 0, true)\
        """);

    assertThat(refusal()).as("it says nothing").hasMessageContaining("its schema 99 needs");
    execute("insert into schema_compatibility values (99, 98)");
    assertThat(refusal())
        .hasMessageContaining("its schema 99 needs a program that knows schema 98, and this one")
        .hasMessageContaining("use the newer release");
    execute("update schema_compatibility set oldest_program = 3 where schema_version = 99");
    submit(open(), "run-1", "spec");
  }

  private LedgerException refusal() {
    LedgerException refusal =
        catchThrowableOfType(LedgerException.class, () -> openAs(Schema.CURRENT));
    assertThat(refusal).as("the ledger was opened").isNotNull();
    assertThat(refusal.kind()).isEqualTo(LedgerException.Kind.NEWER);
    return refusal;
  }

  @Test
  void fencesAnIncarnationThatWasTakenOver() throws Exception {
    Ledger ledger = open();
    submit(ledger, "run-1", "spec");
    Incarnation older = takeOver(ledger, "run-1").incarnation();
    Incarnation newer = takeOver(ledger, "run-1").incarnation();

    Heard late = append(ledger, older, List.of(), new Write.PutGroup(Rows.leased(1)));
    Heard later = append(ledger, older, List.of(), new Write.PutGroup(Rows.leased(2)));

    assertThat(late.await()).isEqualTo("FENCED");
    assertThat(later.await()).isIn("FENCED", "ABANDONED");
    assertThat(append(ledger, newer, List.of(), new Write.PutGroup(Rows.leased(3))).await())
        .isEqualTo("COMMITTED 1");
    assertThat(takeOver(ledger, "run-1").image().openGroups()).containsExactly(Rows.leased(3));
  }

  @Test
  void admitsNoGroupWithoutItsPayload() throws Exception {
    Ledger ledger = open();
    submit(ledger, "run-1", "spec");
    Incarnation incarnation = takeOver(ledger, "run-1").incarnation();

    Heard heard =
        append(
            ledger,
            incarnation,
            List.of(),
            new Write.PutGroup(Rows.leased(2)),
            require(1),
            new Write.PutGroup(Rows.decided(1, GroupState.ACCEPTED, StateReason.NONE)));

    assertThat(heard.await()).isEqualTo("CONTRADICTED");
    assertThat(append(ledger, incarnation, List.of(), new Write.PutGroup(Rows.leased(3))).await())
        .as("what was decided on a state that is lost")
        .isEqualTo("ABANDONED");
    assertThat(takeOver(ledger, "run-1").image().openGroups()).isEmpty();
  }

  @Test
  void admitsNoGroupWhosePayloadHasAnotherDigest() throws Exception {
    Ledger ledger = open();
    submit(ledger, "run-1", "spec");
    Takeover takeover = takeOver(ledger, "run-1");
    RunKey run = takeover.run().key();
    assertThat(store(ledger, run, Rows.payload(1, "what was sent first"))).isTrue();

    assertThat(store(ledger, run, Rows.payload(1))).as("the same key, another digest").isFalse();
    Heard heard =
        append(
            ledger,
            takeover.incarnation(),
            List.of(Rows.payload(1)),
            require(1),
            new Write.PutGroup(Rows.decided(1, GroupState.ACCEPTED, StateReason.NONE)));

    assertThat(heard.await()).isEqualTo("CONTRADICTED");
    assertThat(ledger.digestOf(run, new GroupId(1), new LeaseId(1)))
        .contains(Rows.payload(1, "what was sent first").digest());
  }

  private static boolean store(Ledger ledger, RunKey run, Payload payload) throws Exception {
    return ledger.storePayload(run, payload).toCompletableFuture().get(30, TimeUnit.SECONDS);
  }

  @Test
  void admitsWithAPayloadThatWasStoredBefore() throws Exception {
    Ledger ledger = open();
    submit(ledger, "run-1", "spec");
    Takeover takeover = takeOver(ledger, "run-1");
    store(ledger, takeover.run().key(), Rows.payload(1));

    Heard heard =
        append(
            ledger,
            takeover.incarnation(),
            List.of(),
            require(1),
            new Write.PutGroup(Rows.decided(1, GroupState.ACCEPTED, StateReason.NONE)));

    assertThat(heard.await()).isEqualTo("COMMITTED 1");
    Payload read =
        ledger.reader().payload(takeover.run().key(), new GroupId(1), new LeaseId(1)).orElseThrow();
    assertThat(read.digest()).isEqualTo(Rows.payload(1).digest());
    assertThat(read.bytes()).isEqualTo(Rows.payload(1).bytes());
  }

  @Test
  void sweepsTerminalGroupsAndOnlyTheLosersOfAcceptedOnes() throws Exception {
    Ledger ledger = open();
    submit(ledger, "run-1", "spec");
    Takeover takeover = takeOver(ledger, "run-1");
    RunKey run = takeover.run().key();
    store(
        ledger,
        run,
        Payload.of(
            new GroupId(1),
            new LeaseId(9),
            Rows.payload(9).digest(),
            Rows.payload(9).array().clone()));
    append(
            ledger,
            takeover.incarnation(),
            List.of(Rows.payload(1), Rows.payload(2)),
            require(1),
            new Write.PutGroup(Rows.decided(1, GroupState.ACCEPTED, StateReason.NONE)),
            require(2),
            new Write.PutGroup(Rows.decided(2, GroupState.FILTERED, StateReason.NONE_RIGHT)))
        .await();

    append(
            ledger,
            takeover.incarnation(),
            List.of(),
            new Write.SweepPayloads(List.of(new GroupId(1), new GroupId(2))))
        .await();

    LedgerReader reader = ledger.reader();
    assertThat(reader.digestOf(run, new GroupId(1), new LeaseId(1))).isPresent();
    assertThat(reader.digestOf(run, new GroupId(1), new LeaseId(9))).isEmpty();
    assertThat(reader.digestOf(run, new GroupId(2), new LeaseId(2))).isEmpty();
  }

  @Test
  void findsOutThatACommitWhoseAnswerWasLostTookPlace() throws Exception {
    Ledger ledger = open();
    submit(ledger, "run-1", "spec");
    Incarnation incarnation = takeOver(ledger, "run-1").incarnation();
    faults.plan(FaultyConnections.Fault.AFTER_COMMIT);

    Heard first = append(ledger, incarnation, List.of(), new Write.PutLease(Rows.lease(1)));
    assertThat(first.await()).isEqualTo("COMMITTED 1");
    Heard second = append(ledger, incarnation, List.of(), new Write.PutLease(Rows.lease(2)));

    assertThat(second.await()).as("a lease row cannot be inserted twice").isEqualTo("COMMITTED 2");
    assertThat(faults.isSpent()).isTrue();
  }

  @Test
  void sendsACommitAgainThatNeverArrived() throws Exception {
    Ledger ledger = open();
    submit(ledger, "run-1", "spec");
    Incarnation incarnation = takeOver(ledger, "run-1").incarnation();
    faults.plan(
        FaultyConnections.Fault.BEFORE_COMMIT,
        FaultyConnections.Fault.BEFORE_COMMIT,
        FaultyConnections.Fault.AFTER_COMMIT);

    Heard heard = append(ledger, incarnation, List.of(), new Write.PutLease(Rows.lease(1)));

    assertThat(heard.await()).isEqualTo("COMMITTED 1");
    assertThat(faults.isSpent()).isTrue();
    assertThat(takeOver(ledger, "run-1").run().commitSeq()).isEqualTo(1);
  }

  /// Without that, closing a ledger whose disk is full takes as long as a commit may.
  @Test
  @Timeout(60)
  void givesUpSoonWhatTheDatabaseRefusesWhenItIsClosed() throws Exception {
    LedgerConfig patient = withCommitDeadline(config(), Duration.ofHours(1));
    Ledger ledger =
        Ledger.open(patient, Clock.fixed(NOW, ZoneOffset.UTC), System::nanoTime, faults::around);
    opened.add(ledger);
    submit(ledger, "run-1", "spec");
    Incarnation incarnation = takeOver(ledger, "run-1").incarnation();
    faults.plan(Collections.nCopies(1_000_000, FaultyConnections.Fault.BEFORE_COMMIT));

    Heard heard = append(ledger, incarnation, List.of(), new Write.PutRun(Rows.run(1)));
    ledger.close();
    faults.heal();

    assertThat(heard.await()).isEqualTo("UNAVAILABLE");
  }

  /// Groups 1 to 1100 accepted and trained on, the later ones accepted or leased.
  @Test
  void givesPayloadsPastRetentionBackOnceNothingCanAskForThem() throws Exception {
    Ledger ledger = open(withRetention(config(), 100));
    submit(ledger, "run-1", "spec");
    Takeover takeover = takeOver(ledger, "run-1");
    RunKey run = takeover.run().key();
    Incarnation incarnation = takeover.incarnation();
    var payloads = new ArrayList<Payload>();
    var writes = new ArrayList<Write>();
    for (long id = 1; id <= 2000; id++) {
      payloads.add(Rows.payload(id));
      writes.add(require(id));
      GroupState state = id <= 1100 ? GroupState.TRAINED : GroupState.ACCEPTED;
      writes.add(new Write.PutGroup(Rows.decided(id, state, StateReason.NONE)));
    }
    var uses = List.of(Rows.use(1, 1, 0, 500, 0));
    writes.add(new Write.PutBatch(Rows.replay(1, 1, BatchState.BOUND, uses)));
    writes.add(new Write.PutUses(uses));
    append(ledger, incarnation, payloads, writes.toArray(Write[]::new)).await();

    append(ledger, incarnation, List.of(), new Write.PutRun(Rows.run(2000))).await();
    append(ledger, incarnation, List.of(), new Write.PutLease(Rows.lease(1))).await();
    assertThat(hasPayload(ledger, run, 1)).as("an open batch uses group 500").isTrue();

    Incarnation next = takeOver(ledger, "run-1").incarnation();
    append(
            ledger,
            next,
            List.of(),
            new Write.PutBatch(Rows.replay(1, 1, BatchState.SETTLED, uses)),
            new Write.PutRun(Rows.run(2000)))
        .await();
    append(ledger, next, List.of(), new Write.PutLease(Rows.lease(2))).await();

    boolean isDropped = !hasPayload(ledger, run, 1);
    assertThat(isDropped).as("a partition goes whole or not at all").isEqualTo(config().isSqlite());
    assertThat(hasPayload(ledger, run, 1030)).isTrue();
    assertThat(hasPayload(ledger, run, 2000)).isTrue();
    assertThat(append(ledger, next, List.of(), new Write.PutLease(Rows.lease(3))).await())
        .as("the run goes on")
        .startsWith("COMMITTED");
  }

  private static boolean hasPayload(Ledger ledger, RunKey run, long id) {
    return ledger.reader().digestOf(run, new GroupId(id), new LeaseId(id)).isPresent();
  }

  static LedgerConfig withRetention(LedgerConfig config, long groups) {
    return new LedgerConfig(
        config.jdbcUrl(),
        config.user(),
        config.password(),
        config.readConnections(),
        config.queueCapacity(),
        config.lockTimeout(),
        config.statementTimeout(),
        config.commitDeadline(),
        config.integrityCheckMaxBytes(),
        config.payloadCacheBytes(),
        groups);
  }

  private static LedgerConfig withCommitDeadline(LedgerConfig config, Duration deadline) {
    return new LedgerConfig(
        config.jdbcUrl(),
        config.user(),
        config.password(),
        config.readConnections(),
        config.queueCapacity(),
        config.lockTimeout(),
        config.statementTimeout(),
        deadline,
        config.integrityCheckMaxBytes(),
        config.payloadCacheBytes(),
        config.payloadRetentionGroups());
  }

  @Test
  void losesTheUncommittedSuffixAndNothingElse() throws Exception {
    Ledger ledger = open();
    submit(ledger, "run-1", "spec");
    Incarnation incarnation = takeOver(ledger, "run-1").incarnation();
    append(ledger, incarnation, List.of(), new Write.PutGroup(Rows.leased(1))).await();

    Heard failed =
        append(
            ledger,
            incarnation,
            List.of(),
            new Write.PutGroup(Rows.leased(2)),
            new Write.PutLease(Rows.lease(2)),
            new Write.PutLease(Rows.lease(2)));
    Heard suffix = append(ledger, incarnation, List.of(), new Write.PutGroup(Rows.leased(3)));

    assertThat(failed.await()).as("a lease id is never reused").isEqualTo("CONTRADICTED");
    assertThat(suffix.await()).isIn("ABANDONED", "CONTRADICTED");
    assertThat(takeOver(ledger, "run-1").image().openGroups()).containsExactly(Rows.leased(1));
  }

  @Test
  void keepsTheRunsOfOneCommitApart() throws Exception {
    Ledger ledger = open();
    submit(ledger, "run-1", "spec");
    submit(ledger, "run-2", "spec");
    Incarnation first = takeOver(ledger, "run-1").incarnation();
    Incarnation second = takeOver(ledger, "run-2").incarnation();

    Heard bad = append(ledger, first, List.of(), require(1));
    Heard good = append(ledger, second, List.of(), new Write.PutGroup(Rows.leased(1)));

    assertThat(bad.await()).isEqualTo("CONTRADICTED");
    assertThat(good.await()).isEqualTo("COMMITTED 1");
  }

  @Test
  void listsARunThatEndedAsInactive() throws Exception {
    Ledger ledger = open();
    submit(ledger, "run-1", "spec");
    Takeover takeover = takeOver(ledger, "run-1");
    var row = Rows.run(1);
    var ended =
        new io.gradus.core.ledger.RunRow(
            RunState.STOPPED,
            "stop.batches reached",
            row.transitions(),
            row.groupsCreated(),
            row.nextLease(),
            row.nextVersion(),
            row.batchesBound(),
            row.warmUpBatches(),
            row.round(),
            row.trajectoriesSampled(),
            row.tokensSampled(),
            row.unitsAccepted(),
            row.tokensTrained(),
            row.sequencesTrained(),
            row.nextRandom(),
            row.elapsed());

    append(ledger, takeover.incarnation(), List.of(), new Write.PutRun(ended)).await();

    assertThat(ledger.reader().activeRuns()).isEmpty();
    assertThat(ledger.reader().findRun("run-1").orElseThrow().isFinal()).isTrue();
    assertThat(ledger.reader().runs(10)).hasSize(1);
  }

  @Test
  void isAuditedBesideItsWriter() throws Exception {
    Ledger ledger = open();
    var heard = new ArrayList<AuditReport>();

    Plays.play(
        ledger,
        "run-1",
        Plays.STAR,
        1,
        run -> {
          run.untilApplied(9);
          heard.add(Plays.done(RunAudit.of(ledger.reader(), "run-1", _ -> true, System::nanoTime)));
          run.cancel();
          heard.add(Plays.done(RunAudit.of(ledger.reader(), "run-1", _ -> true, System::nanoTime)));
        });

    assertThat(heard).extracting(AuditReport::runState).containsExactly("RUNNING", "CANCELLED");
    assertThat(heard).allSatisfy(report -> assertThat(report.findings()).isEmpty());
    assertThat(heard.getFirst().groupsCreated()).isGreaterThan(20);
  }

  @Test
  void auditsARunThatNothingWasDecidedAbout() throws Exception {
    Ledger ledger = open();
    var _ =
        ledger
            .createRun("run-1", Plays.STAR.toByteArray())
            .toCompletableFuture()
            .get(30, TimeUnit.SECONDS);

    AuditReport report =
        Plays.done(RunAudit.of(ledger.reader(), "run-1", _ -> true, System::nanoTime));

    assertThat(report.isSound()).isTrue();
    assertThat(report.runState()).isEqualTo("NEW");
    assertThat(RunAudit.of(ledger.reader(), "run-2", _ -> true, System::nanoTime))
        .isEqualTo(new RunAudit.Result.Absent());
  }

  @Test
  void endsAnAuditThatNobodyWaitsFor() throws Exception {
    Ledger ledger = open();
    var told = new ArrayList<Long>();
    var seconds = new AtomicLong();

    Plays.play(
        ledger,
        "run-1",
        Plays.STAR,
        1,
        run -> {
          run.untilApplied(6);
          assertThat(
                  RunAudit.of(
                      ledger.reader(),
                      "run-1",
                      rows -> {
                        told.add(rows);
                        return told.size() < 3;
                      },
                      () -> seconds.getAndIncrement() * 250_000_000))
              .isEqualTo(new RunAudit.Result.Stopped());
        });

    assertThat(told).as("a row takes a quarter of a second here").containsExactly(4L, 8L, 12L);
  }

  /// Prints how fast rows go in; a machine's speed is nothing to assert.
  @Test
  void printsRowsPerSecond() throws Exception {
    Ledger ledger = open();
    submit(ledger, "run-1", "spec");
    Incarnation incarnation = takeOver(ledger, "run-1").incarnation();
    int groups = Integer.getInteger("gradus.ledger.groups", 20_000);
    String body = "x".repeat(600);
    long started = System.nanoTime();
    var last = new Heard();
    var inFlight = new java.util.concurrent.Semaphore(512);
    for (long id = 1; id <= groups; id++) {
      Payload payload = Rows.payload(id, body + id);
      var row = Rows.decided(id, GroupState.ACCEPTED, StateReason.NONE);
      var admitted = row.admitted().orElseThrow();
      var writes =
          List.<Write>of(
              new Write.PutLease(Rows.lease(id)),
              new Write.RequirePayload(row.id(), row.lease(), payload.digest()),
              new Write.PutGroup(
                  new io.gradus.core.ledger.GroupRow(
                      row.id(),
                      row.purpose(),
                      row.task(),
                      row.size(),
                      row.state(),
                      row.reason(),
                      row.attempts(),
                      row.lease(),
                      row.worker(),
                      row.pinnedVersion(),
                      java.util.Optional.of(
                          new io.gradus.core.ledger.GroupRow.Admitted(
                              admitted.lease(),
                              payload.digest(),
                              admitted.oldestVersion(),
                              admitted.outcomes())))),
              new Write.PutStratum(Rows.stratum((int) (id % 8) + 1)),
              new Write.PutRun(Rows.run(id)));
      inFlight.acquire();
      boolean isLast = id == groups;
      ledger.append(
          incarnation,
          writes,
          List.of(payload),
          new CommitListener() {
            @Override
            public void committed(long commitSeq) {
              inFlight.release();
              if (isLast) {
                last.committed(commitSeq);
              }
            }

            @Override
            public void failed(CommitFailure failure, String message) {
              inFlight.release();
              last.failed(failure, message);
            }
          });
    }
    assertThat(last.await()).startsWith("COMMITTED");
    var elapsed = Duration.ofNanos(System.nanoTime() - started);
    System.out.printf(
        Locale.ROOT,
        "%s: %,d rows (group, lease, payload of 600 bytes) in %d ms, %d commits: %,.0f rows/s%n",
        getClass().getSimpleName(),
        3 * groups,
        elapsed.toMillis(),
        ledger.commits(),
        3e9 * groups / elapsed.toNanos());
  }
}
