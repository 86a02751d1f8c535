package io.gradus.coordinator.ledger;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;
import static org.awaitility.Awaitility.await;

import io.gradus.coordinator.ledger.LedgerException.Kind;
import io.gradus.core.group.GroupId;
import io.gradus.core.group.GroupState;
import io.gradus.core.group.LeaseId;
import io.gradus.core.group.StateReason;
import io.gradus.core.ledger.Write;
import io.zonky.test.db.postgres.embedded.EmbeddedPostgres;
import java.io.IOException;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;

@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class PostgresLedgerTest extends LedgerContract {

  /// Names of databases, one a test.
  private final AtomicInteger databases = new AtomicInteger();

  private EmbeddedPostgres postgres;

  @BeforeAll
  void start() throws IOException {
    // The library's own default is a server that syncs nothing.
    postgres =
        EmbeddedPostgres.builder()
            .setServerConfig("fsync", "on")
            .setServerConfig("full_page_writes", "on")
            .setServerConfig("synchronous_commit", "on")
            .start();
  }

  @AfterAll
  void stop() throws IOException {
    postgres.close();
  }

  @BeforeEach
  void createDatabase() throws SQLException {
    try (Connection connection = postgres.getPostgresDatabase().getConnection();
        var statement = connection.createStatement()) {
      statement.execute("create database gradus_" + databases.incrementAndGet());
    }
  }

  @Override
  LedgerConfig config() {
    return LedgerConfig.postgres(
        postgres.getJdbcUrl("postgres", "gradus_" + databases.get()), "postgres", "");
  }

  @Test
  void fencesTheWriterOfAnotherProcess() throws Exception {
    Ledger here = open();
    submit(here, "run-1", "spec");
    Incarnation older = takeOver(here, "run-1").incarnation();
    Ledger there = open();
    Incarnation newer = takeOver(there, "run-1").incarnation();

    Heard late = append(here, older, List.of(), new Write.PutGroup(Rows.leased(1)));

    assertThat(late.await()).isEqualTo("FENCED");
    assertThat(newer.epoch()).isGreaterThan(older.epoch());
  }

  @Test
  void takesALostAnswerForFencedWhenAnotherTookOverMeanwhile() throws Exception {
    Ledger here = open();
    submit(here, "run-1", "spec");
    Incarnation older = takeOver(here, "run-1").incarnation();
    Ledger there = open();
    faults.plan(FaultyConnections.Fault.AFTER_COMMIT);
    faults.onFault(() -> {
      try (Connection connection =
              postgres.getDatabase("postgres", "gradus_" + databases.get()).getConnection();
          var statement = connection.createStatement()) {
        statement.execute("update run set epoch = epoch + 1");
      } catch (SQLException failure) {
        throw new IllegalStateException(failure);
      }
    });

    Heard lost = append(here, older, List.of(), new Write.PutGroup(Rows.leased(1)));

    assertThat(lost.await()).isEqualTo("FENCED");
    assertThat(takeOver(there, "run-1").image().openGroups())
        .as("the new incarnation sees what was committed")
        .containsExactly(Rows.leased(1));
  }

  /// A process that stops in the middle of a transaction holds the row of its run.
  @Test
  void takesARunOverFromAWriterThatStandsStillInItsTransaction() throws Exception {
    Ledger here = open();
    submit(here, "run-1", "spec");
    Incarnation older = takeOver(here, "run-1").incarnation();
    FaultyConnections.Gate gate = faults.holdNextCommit();
    Heard stopped =
        append(
            here,
            older,
            java.util.List.of(),
            new io.gradus.core.ledger.Write.PutGroup(Rows.leased(1)));
    gate.awaitArrival();

    // Its own commit must not stand before a gate.
    Takeover taken;
    try (Ledger another = Ledger.open(config(), Clock.systemUTC(), System::nanoTime)) {
      taken = takeOver(another, "run-1");
    }
    gate.open();

    assertThat(taken.image().openGroups()).isEmpty();
    assertThat(stopped.await()).isEqualTo("FENCED");
    assertThat(takeOver(here, "run-1").image().openGroups()).isEmpty();
  }

  /// A writer that stood still for too long and was not replaced sends its statements again.
  @Test
  void goesOnAfterStandingStillInATransaction() throws Exception {
    Ledger ledger = open();
    submit(ledger, "run-1", "spec");
    Incarnation incarnation = takeOver(ledger, "run-1").incarnation();
    FaultyConnections.Gate gate = faults.holdNextCommit();
    Heard heard =
        append(
            ledger,
            incarnation,
            java.util.List.of(),
            new io.gradus.core.ledger.Write.PutGroup(Rows.leased(1)));
    gate.awaitArrival();
    try (Connection connection =
            postgres.getDatabase("postgres", "gradus_" + databases.get()).getConnection();
        var statement =
            connection.prepareStatement(
                "select count(*) from pg_stat_activity where state = 'idle in transaction'")) {
      await("the server ends the transaction")
          .atMost(Duration.ofSeconds(30))
          .until(() -> {
            try (var row = statement.executeQuery()) {
              return row.next() && row.getInt(1) == 0;
            }
          });
    }

    gate.open();

    assertThat(heard.await()).isEqualTo("COMMITTED 1");
  }

  @Test
  void goesOnWhileAnotherNodeBringsANewerSchema() throws Exception {
    Ledger here = openAs(new Schema(PREVIOUS_RELEASE));
    submit(here, "run-1", "spec");
    Incarnation incarnation = takeOver(here, "run-1").incarnation();
    assertThat(accept(here, incarnation, 1)).isEqualTo("COMMITTED 1");

    Ledger there = open();
    submit(there, "run-2", "spec");
    Incarnation other = takeOver(there, "run-2").incarnation();

    assertThat(accept(here, incarnation, 2)).isEqualTo("COMMITTED 2");
    assertThat(accept(there, other, 1)).isEqualTo("COMMITTED 1");
    assertThat(here.reader().payload(incarnation.run(), new GroupId(1), new LeaseId(1)))
        .isPresent();
  }

  @Test
  void attachesAPartitionAheadAndDropsItWhole() throws Exception {
    Ledger ledger = openWithRetention(100);
    long span = PayloadPartition.SPAN;
    submit(ledger, "run-1", "spec");
    Takeover takeover = takeOver(ledger, "run-1");
    Incarnation incarnation = takeover.incarnation();
    assertThat(tables()).containsExactly("payload_1_0_" + span);
    assertThat(accept(ledger, incarnation, 1)).isEqualTo("COMMITTED 1");
    assertThat(rows("payload_1_0_" + span)).isEqualTo(1);

    append(ledger, incarnation, List.of(), new Write.PutRun(Rows.run(span / 2))).await();
    await().untilAsserted(() -> assertThat(tables()).contains(table(span)));
    append(
            ledger,
            incarnation,
            List.of(),
            new Write.PutGroup(Rows.decided(1, GroupState.TRAINED, StateReason.NONE)))
        .await();

    // A run commits all the time; it looks for payloads to give back once a second.
    await()
        .untilAsserted(() -> {
          append(ledger, incarnation, List.of(), new Write.PutRun(Rows.run(span + 100))).await();
          assertThat(tables()).containsExactly(table(span));
        });
    assertThat(accept(ledger, incarnation, span + 1)).startsWith("COMMITTED");
    assertThat(rows(table(span))).isEqualTo(1);
    assertThat(rows("payload_default")).isZero();
  }

  @Test
  void dropsNothingForAnIncarnationThatWasTakenOver() throws Exception {
    Ledger ledger = openWithRetention(100);
    long span = PayloadPartition.SPAN;
    submit(ledger, "run-1", "spec");
    Incarnation older = takeOver(ledger, "run-1").incarnation();
    append(
            ledger,
            older,
            List.of(Rows.payload(1)),
            new Write.PutGroup(Rows.decided(1, GroupState.TRAINED, StateReason.NONE)))
        .await();
    var last = new Heard();
    ledger.append(
        older,
        List.of(new Write.PutRun(Rows.run(span + 100))),
        List.of(),
        new CommitListener() {
          @Override
          public void committed(long commitSeq) {
            // Between the commit and the sweep that follows it.
            try {
              execute("update run set epoch = epoch + 1");
            } catch (Exception failure) {
              throw new IllegalStateException(failure);
            }
            last.committed(commitSeq);
          }

          @Override
          public void failed(CommitFailure failure, String message) {
            last.failed(failure, message);
          }
        });

    assertThat(last.await()).startsWith("COMMITTED");
    assertThat(append(ledger, older, List.of(), new Write.PutLease(Rows.lease(2))).await())
        .isEqualTo("FENCED");
    assertThat(tables()).contains("payload_1_0_" + span);
  }

  @Test
  void refusesNoPayloadForWantOfAPartition() throws Exception {
    Ledger ledger = openWithRetention(10);
    submit(ledger, "run-1", "spec");
    Incarnation incarnation = takeOver(ledger, "run-1").incarnation();
    execute("drop table " + table(0));

    assertThat(accept(ledger, incarnation, 1)).isEqualTo("COMMITTED 1");
    assertThat(rows("payload_default")).isEqualTo(1);
    append(
            ledger,
            incarnation,
            List.of(),
            new Write.PutGroup(Rows.decided(1, GroupState.TRAINED, StateReason.NONE)),
            new Write.PutRun(Rows.run(2000)))
        .await();

    await().untilAsserted(() -> assertThat(rows("payload_default")).isZero());
  }

  @Test
  void keepsThePayloadsOfRunsThatWereThereBeforeThereWerePartitions() throws Exception {
    Ledger older = openAs(new Schema(PREVIOUS_RELEASE));
    submit(older, "run-1", "spec");
    assertThat(accept(older, takeOver(older, "run-1").incarnation(), 1)).startsWith("COMMITTED");

    Ledger newer = open();
    Incarnation incarnation = takeOver(newer, "run-1").incarnation();
    assertThat(accept(newer, incarnation, 2)).startsWith("COMMITTED");
    submit(newer, "run-2", "spec");

    assertThat(rows("payload_before")).isEqualTo(2);
    assertThat(tables()).containsExactly("payload_2_0_" + PayloadPartition.SPAN);
    assertThat(newer.reader().digestOf(incarnation.run(), new GroupId(1), new LeaseId(1)))
        .isPresent();
  }

  @Test
  void storesPayloadsAsTheyCome() throws Exception {
    submit(open(), "run-1", "spec");

    assertThat(
            answers(
                """
                select distinct attstorage::text from pg_attribute
                where attname = 'bytes' and attrelid in (
                  select inhrelid from pg_inherits where inhparent = 'payload'::regclass)\
                """))
        .as("external, not compressed")
        .containsExactly("e");
  }

  private static String table(long from) {
    return "payload_1_%d_%d".formatted(from, from + PayloadPartition.SPAN);
  }

  private Ledger openWithRetention(long groups) throws Exception {
    return open(withRetention(config(), groups));
  }

  private List<String> tables() throws Exception {
    return answers(
        "select tablename from pg_tables where tablename ~ '^payload_[0-9]' order by tablename");
  }

  private long rows(String table) throws Exception {
    return Long.parseLong(answers("select count(*) from " + table).getFirst());
  }

  private List<String> answers(String question) throws Exception {
    var answers = new ArrayList<String>();
    try (Connection connection =
            postgres.getDatabase("postgres", "gradus_" + databases.get()).getConnection();
        var statement = connection.createStatement();
        var rows = statement.executeQuery(question)) {
      while (rows.next()) {
        answers.add(rows.getString(1));
      }
    }
    return answers;
  }

  private static String accept(Ledger ledger, Incarnation incarnation, long id) throws Exception {
    return append(
            ledger,
            incarnation,
            List.of(Rows.payload(id)),
            new Write.RequirePayload(new GroupId(id), new LeaseId(id), Rows.payload(id).digest()),
            new Write.PutGroup(Rows.decided(id, GroupState.ACCEPTED, StateReason.NONE)))
        .await();
  }

  @Test
  void leasesToOneNodeUntilItGivesTheLeaseBackOrIsSilent() throws Exception {
    LeaseRows leases = open().leases();
    var longTime = Duration.ofMinutes(5);
    var noTime = Duration.ofMillis(1);

    assertThat(leases.acquire("partition", "a", longTime)).isTrue();
    assertThat(leases.acquire("partition", "b", longTime)).isFalse();
    assertThat(leases.acquire("partition", "a", longTime)).as("renewed").isTrue();
    assertThat(leases.acquire("another", "b", longTime)).isTrue();
    leases.release("partition", "b");
    assertThat(leases.acquire("partition", "b", longTime)).as("b had nothing").isFalse();
    leases.release("partition", "a");
    assertThat(leases.acquire("partition", "b", noTime)).isTrue();
    await().until(() -> leases.acquire("partition", "a", longTime));
  }

  @Test
  void handsALeaseOverWithinOneSide() throws Exception {
    LeaseRows leases = open().leases();
    var longTime = Duration.ofMinutes(5);
    assertThat(leases.acquire("partition", "a", longTime)).isTrue();

    assertThat(leases.acquire("partition", "c", Set.of("c", "d"), longTime)).isFalse();
    assertThat(leases.acquire("partition", "b", Set.of("a", "b"), longTime)).isTrue();
    assertThat(leases.acquire("partition", "a", longTime)).as("it has the lease no more").isFalse();
    assertThat(leases.acquire("partition", "c", Set.of("a"), longTime)).isFalse();
  }

  @Test
  void keepsWhichNodesWerePutOut() throws Exception {
    LeaseRows leases = open().leases();
    leases.putOut("a#1", Duration.ofDays(1));
    leases.putOut("a#1", Duration.ofMillis(1));
    leases.putOut("b#1", Duration.ofMillis(1));

    assertThat(leases.isOut("a#1")).isTrue();
    assertThat(leases.isOut("a#2")).as("its next life").isFalse();
    await()
        .untilAsserted(() -> {
          leases.putOut("c#1", Duration.ofDays(1));
          assertThat(leases.isOut("b#1")).as("an old note").isFalse();
        });
    assertThat(leases.isOut("a#1")).isTrue();
  }

  @Test
  void leasesToOneOfManyThatAskAtOnce() throws Exception {
    LeaseRows leases = open().leases();
    var winners = new AtomicInteger();
    var threads = new ArrayList<Thread>();
    for (int node = 0; node < 8; node++) {
      String name = "node-" + node;
      threads.add(
          Thread.startVirtualThread(() -> {
            if (leases.acquire("partition", name, Duration.ofMinutes(5))) {
              winners.incrementAndGet();
            }
          }));
    }
    for (Thread thread : threads) {
      thread.join();
    }

    assertThat(winners).hasValue(1);
  }

  @Test
  void refusesAServerThatDoesNotSync() throws Exception {
    try (EmbeddedPostgres careless =
        EmbeddedPostgres.builder().setServerConfig("fsync", "off").start()) {
      var config =
          LedgerConfig.postgres(careless.getJdbcUrl("postgres", "postgres"), "postgres", "");

      LedgerException refusal =
          catchThrowableOfType(
              LedgerException.class,
              () -> Ledger.open(config, Clock.systemUTC(), System::nanoTime));

      assertThat(refusal.kind()).isEqualTo(Kind.UNSAFE);
      assertThat(refusal).hasMessageContaining("fsync is off but must be one of [on]");
    }
  }
}
