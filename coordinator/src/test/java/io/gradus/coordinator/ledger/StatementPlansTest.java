package io.gradus.coordinator.ledger;

import static org.assertj.core.api.Assertions.assertThat;

import io.gradus.core.batch.BatchState;
import io.gradus.core.group.GroupId;
import io.gradus.core.group.GroupState;
import io.gradus.core.group.LeaseId;
import io.gradus.core.group.StateReason;
import io.gradus.core.ledger.RunImage;
import io.gradus.core.ledger.Write;
import io.gradus.core.policy.PolicyVersion;
import io.zonky.test.db.postgres.embedded.EmbeddedPostgres;
import java.io.IOException;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Clock;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.regex.Pattern;
import org.jdbi.v3.core.Jdbi;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.postgresql.ds.PGSimpleDataSource;
import org.postgresql.jdbc.PreferQueryMode;

/*
 * The server never looks at its tables' contents here (no autovacuum, no ANALYZE), as one that has
 * just been filled, restored or failed over. Every plan must be right without that: it is then that a
 * run is recovered. Statements are recorded as the ledger sends them, not repeated here.
 */

/// How PostgreSQL goes about each statement on the tables that grow with the age of a run.
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class StatementPlansTest {

  /// -Dgradus.ledger.past=1000000 -Dgradus.ledger.open=100000 is the size that is promised for.
  private static final int PAST = Integer.getInteger("gradus.ledger.past", 100_000);

  private static final int OPEN = Integer.getInteger("gradus.ledger.open", 10_000);
  private static final int GROUPS_A_BATCH = 32;
  private static final int BATCHES = PAST / GROUPS_A_BATCH;
  private static final int OPEN_BATCHES = 8;
  private static final int KEPT_VERSIONS = 4;

  /// A statement, told by a piece of it, and the indexes that its plan must use.
  private record Meant(String piece, List<String> indexes) {}

  private static Meant meant(String piece, String... indexes) {
    return new Meant(piece, List.of(indexes));
  }

  /// The key of a partition.
  private static final String PAYLOAD_KEY = "payload_\\w+_pkey";

  /// The first that a statement contains counts.
  private static final List<Meant> MEANT =
      List.of(
          // Recovery.
          meant("from rollout_group where run_key = ? and state in", "rollout_group_open"),
          meant("from batch where run_key = ? and state in ('BOUND', 'APPLIED')", "batch_open"),
          meant("select b.number, max(b.binding) from batch b", "batch_void", "batch_pkey"),
          meant("from lease where run_key = ? and group_id between", "lease_pkey"),
          meant("from batch_use where run_key = ? and number between", "batch_use_pkey"),
          meant("from batch_use where run_key = ? and group_id between", "batch_use_group"),
          meant("state from batch where run_key = ? and number between", "batch_pkey"),
          meant("from policy_version where run_key = ? and not deleted", "policy_version_kept"),
          meant("from policy_version where run_key = ? and version between", "policy_version_pkey"),
          meant("from evaluation where run_key = ? and not finished", "evaluation_open"),
          meant("from evaluation where run_key = ? and confirmation", "evaluation_pkey"),
          // Commits.
          meant("where exists (select 1 from payload where", PAYLOAD_KEY),
          meant("insert into"),
          meant("select 1 from payload_default where", PAYLOAD_KEY),
          meant("select 1 from payload where run_key = ? and group_id = ?", PAYLOAD_KEY),
          meant("select digest from payload where", PAYLOAD_KEY),
          meant("delete from payload where run_key = ?", PAYLOAD_KEY, "rollout_group_pkey"),
          // Batches on their way to a learner.
          meant("select digest, bytes from payload where", PAYLOAD_KEY),
          // People.
          meant("from rollout_group where run_key = ? and group_id", "rollout_group_pkey"),
          meant("select distinct u.number from batch_use u", "batch_use_group", "batch_pkey"),
          meant("from policy_version where run_key = ? and version = ?", "policy_version_pkey"),
          // The audit reads a run whole. Through which index, and whether it sorts, may depend on
          // what the server knows; other runs it must not read.
          meant("where run_key = ? order by"),
          meant("from batch where run_key = ? and number > ?", "batch_pkey"),
          meant("from batch_use u left join"));

  /// Statements on tables, not on their rows.
  private static final Pattern CATALOG = Pattern.compile("^(create|alter) table|\\bpg_");

  private static final Pattern GROWS =
      Pattern.compile(
          "\\b(rollout_group|lease|payload\\w*|batch|batch_use|policy_version|evaluation)\\b");

  private EmbeddedPostgres postgres;
  private LedgerConfig config;

  @BeforeAll
  void fill() throws Exception {
    postgres =
        EmbeddedPostgres.builder()
            .setServerConfig("fsync", "on")
            .setServerConfig("full_page_writes", "on")
            .setServerConfig("synchronous_commit", "on")
            .setServerConfig("autovacuum", "off")
            .setServerConfig("max_wal_size", "8GB")
            .start();
    config = LedgerConfig.postgres(postgres.getJdbcUrl("postgres", "postgres"), "postgres", "");
    try (Ledger ledger = Ledger.open(config, Clock.systemUTC(), System::nanoTime)) {
      LedgerContract.submit(ledger, "run-0", "another run");
      LedgerContract.submit(ledger, "run-1", "spec");
      Incarnation incarnation = LedgerContract.takeOver(ledger, "run-1").incarnation();
      assertThat(
              LedgerContract.append(
                      ledger, incarnation, List.of(), new Write.PutRun(Rows.run(PAST + OPEN)))
                  .await())
          .startsWith("COMMITTED");
      long started = System.nanoTime();
      insertRows(incarnation.run().value());
      System.out.printf(
          Locale.ROOT,
          "%,d past and %,d open groups inserted in %.1f s%n",
          PAST,
          OPEN,
          secondsSince(started));
    }
  }

  @AfterAll
  void stop() throws IOException {
    postgres.close();
  }

  private static double secondsSince(long nanos) {
    return (System.nanoTime() - nanos) / 1e9;
  }

  private PGSimpleDataSource source() {
    var source = new PGSimpleDataSource();
    source.setUrl(config.jdbcUrl());
    source.setUser(config.user());
    return source;
  }

  /// Without parameters, which only a question about a generic plan may leave open.
  private PGSimpleDataSource simpleSource() {
    PGSimpleDataSource source = source();
    source.setPreferQueryMode(PreferQueryMode.SIMPLE);
    return source;
  }

  private LedgerReader reader(StatementRecorder recorder) {
    return new LedgerReader(Jdbi.create(recorder.around(source())), new PayloadCache(0));
  }

  private void insertRows(long run) throws SQLException {
    String groups = "generate_series(1, %d) id".formatted(PAST + OPEN);
    String isOpen = "id > " + PAST;
    String isAccepted = "(%s and id %% 2 = 0)".formatted(isOpen);
    String wasAdmitted = "(id <= %d or %s)".formatted(PAST, isAccepted);
    String wasUsed = "((id <= %d and id %% 3 = 0) or %s)".formatted(PAST, isAccepted);
    String version = "(id / %d / 4 + 1)".formatted(GROUPS_A_BATCH);
    try (Connection connection = source().getConnection();
        var statement = connection.createStatement()) {
      for (String sql :
          List.of(
              """
              insert into rollout_group select :run, id, 'TRAINING', 0, 1, id, 8,
                case when :accepted then 'ACCEPTED' when :open and id % 10 = 1 then 'PENDING'
                  when :open then 'LEASED' when id % 3 = 0 then 'TRAINED' else 'FILTERED' end,
                case when :open or id % 3 = 0 then 'NONE' else 'NONE_RIGHT' end,
                1, id, 'worker-' || id % 100, case when id % 50 = 0 then :version end,
                case when :admitted then id end,
                case when :admitted then sha256(int8send(id)) end,
                case when :admitted then :version end,
                case when :admitted then '0:R:1.0:12 1:W:0.0:15 2:U:0.0:0:T' end, 0, 0
              from :groups
              """,
              "insert into lease select :run, id, id, 'worker-' || id % 100 from :groups",
              """
              insert into payload select :run, id, id, sha256(int8send(id)), sha256(int8send(-id))
              from :groups where :used
              """,
              """
              insert into batch select :run, n, 1,
                case when n > :settled then 'BOUND' when n % 1000 = 0 then 'VOID'
                  else 'SETTLED' end,
                '', null, null, null, null, null, null, null, null, sha256(int8send(n)), 100, 32,
                0, 0, 0, false, n % 4 = 0, false, 0, 1, 1, 0, null
              from generate_series(1, :batches) n
              """,
              """
              insert into batch select :run, n, 2, 'SETTLED',
                '', null, null, null, null, null, null, null, null, sha256(int8send(n)), 100, 32,
                0, 0, 0, false, n % 4 = 0, false, 0, 1, 1, 0, null
              from generate_series(1000, :settled, 1000) n
              """,
              """
              insert into batch_use select :run, (id - 1) % :batches + 1, 1, (id - 1) / :batches,
                id, id, -1, 0.5, 0.5, 1, 27
              from :groups where :used
              """,
              """
              insert into policy_version select :run, n, n, n, 'file:///checkpoints/v' || n,
                '11 ' || repeat('a', 64) || ' config.json', repeat('b', 64), false, n - 1, 1, n, n,
                false, n <= :versions - :kept
              from generate_series(1, :versions) n
              """,
              """
              insert into evaluation select :run, n, n % 10 = 0, 0, n, n < :versions, 3, 5, false,
                '0:1:99:100'
              from generate_series(1, :versions) n
              """,
              "insert into stratum select :run, 0, n, 1, 1, '', 0, '' from generate_series(1, 20) n",
              """
              insert into learner_session select :run, n, 'learner-' || n
              from generate_series(1, 10) n
              """)) {
        statement.execute(
            sql.replace(":groups", groups)
                .replace(":run", Long.toString(run))
                .replace(":accepted", isAccepted)
                .replace(":open", isOpen)
                .replace(":admitted", wasAdmitted)
                .replace(":used", wasUsed)
                .replace(":versions", Integer.toString(BATCHES / 4 + 1))
                .replace(":version", version)
                .replace(":kept", Integer.toString(KEPT_VERSIONS))
                .replace(":settled", Integer.toString(BATCHES - OPEN_BATCHES))
                .replace(":batches", Integer.toString(BATCHES)));
      }
    }
  }

  @Test
  void recoversThroughIndexesWhateverTheServerKnows() throws Exception {
    var recorder = new StatementRecorder();
    try (Ledger ledger =
        Ledger.open(config, Clock.systemUTC(), System::nanoTime, recorder::around)) {
      long cold = System.nanoTime();
      RunImage image = LedgerContract.takeOver(ledger, "run-1").image();
      System.out.printf(Locale.ROOT, "first takeover of this JVM: %.3f s%n", secondsSince(cold));
      for (int time = 1; time <= 5; time++) {
        long started = System.nanoTime();
        image = LedgerContract.takeOver(ledger, "run-1").image();
        System.out.printf(
            Locale.ROOT,
            "taken over with %,d past and %,d open groups in %.3f s%n",
            PAST,
            OPEN,
            secondsSince(started));
      }
      // Another test adds a few rows of each.
      assertThat(image.openGroups().size()).isBetween(OPEN, OPEN + 2);
      assertThat(image.leases().size()).isBetween(OPEN, OPEN + 1);
      assertThat(image.openBatches().size()).isBetween(OPEN_BATCHES, OPEN_BATCHES + 1);
      assertThat(image.openUses().size()).isPositive();
      assertThat(image.useCounts().size())
          .as("all accepted ones but those in void batches")
          .isBetween(OPEN / 2 - OPEN / 100, OPEN / 2 + 1);
      assertThat(image.versions().size()).isBetween(KEPT_VERSIONS, OPEN);
      assertThat(image.evaluations().size())
          .as("the unfinished one and the newest finished of each kind")
          .isEqualTo(3);
    }
    allGoAsMeant(recorder, 11);
  }

  @Test
  void writesAndReadsThroughIndexesWhateverTheServerKnows() throws Exception {
    var recorder = new StatementRecorder();
    long next = PAST + OPEN + 1L;
    LedgerConfig sweeping = LedgerContract.withRetention(config, PAST / 2);
    try (Ledger ledger =
        Ledger.open(sweeping, Clock.systemUTC(), System::nanoTime, recorder::around)) {
      Incarnation incarnation = LedgerContract.takeOver(ledger, "run-1").incarnation();
      recorder.clear();
      RunKey run = incarnation.run();
      assertThat(store(ledger, run, next)).isTrue();
      assertThat(store(ledger, run, next)).isTrue();
      var uses = List.of(Rows.use(BATCHES + 1, 1, 0, next, 0));
      var required =
          new Write.RequirePayload(
              new GroupId(next), new LeaseId(next), Rows.payload(next).digest());
      Heard heard =
          LedgerContract.append(
              ledger,
              incarnation,
              List.of(Rows.payload(next + 1)),
              new Write.PutRun(Rows.run(next)),
              new Write.PutGroup(Rows.leased(next + 2)),
              new Write.PutLease(Rows.lease(next)),
              required,
              new Write.PutGroup(Rows.decided(next, GroupState.ACCEPTED, StateReason.NONE)),
              new Write.PutBatch(Rows.replay(BATCHES + 1, 1, BatchState.BOUND, uses)),
              new Write.PutUses(uses),
              new Write.PutVersion(Rows.version(BATCHES, true)),
              new Write.PutStratum(Rows.stratum(1)),
              new Write.PutEvaluation(Rows.evaluation(BATCHES, false, 0, true)),
              new Write.PutLearner(Rows.learner(11)),
              new Write.SweepPayloads(List.of(new GroupId(next + 1))));
      assertThat(heard.await()).startsWith("COMMITTED");
      assertThat(LedgerContract.append(ledger, incarnation, List.of(), required).await())
          .startsWith("COMMITTED");
    }
    allGoAsMeant(recorder, 13);

    recorder.clear();
    LedgerReader reader = reader(recorder);
    RunKey run = reader.findRun("run-1").orElseThrow().key();
    assertThat(reader.payload(run, new GroupId(3), new LeaseId(3))).isPresent();
    assertThat(reader.digestOf(run, new GroupId(3), new LeaseId(3))).isPresent();
    assertThat(reader.groups(run, "TRAINED", 0, 10)).hasSize(10);
    assertThat(reader.groups(run, "", PAST, 10)).hasSize(10);
    assertThat(reader.group(run, new GroupId(3)).orElseThrow().batches()).containsExactly(3L);
    assertThat(reader.checkpoints(run)).hasSize(KEPT_VERSIONS);
    allGoAsMeant(recorder, 6);
  }

  private static boolean store(Ledger ledger, RunKey run, long id) throws Exception {
    return ledger
        .storePayload(run, Rows.payload(id))
        .toCompletableFuture()
        .get(30, TimeUnit.SECONDS);
  }

  @Test
  void auditsInTheOrderOfIndexesWhateverTheServerKnows() throws Exception {
    var recorder = new StatementRecorder();
    LedgerReader reader = reader(recorder);
    long started = System.nanoTime();
    var rows = new AtomicLong();

    reader.scan(
        "run-1",
        rows::incrementAndGet,
        scan -> {
          scan.groups(_ -> {});
          scan.batches(_ -> {});
          scan.bindings(10, 20, _ -> {});
          scan.versions(_ -> {});
          scan.strata(_ -> {});
          scan.evaluations(_ -> {});
          scan.learners(_ -> {});
          return scan.version(new PolicyVersion(1));
        });

    System.out.printf(
        Locale.ROOT, "%,d rows scanned in %.1f s%n", rows.get(), secondsSince(started));
    allGoAsMeant(recorder, 10);
  }

  /// @param least a statement that is not recorded any more would be judged by nobody
  private void allGoAsMeant(StatementRecorder recorder, int least) throws SQLException {
    var judged = new ArrayList<String>();
    try (Connection connection = source().getConnection();
        Connection simple = simpleSource().getConnection()) {
      for (String sql : recorder.statements()) {
        if (!GROWS.matcher(sql).find() || CATALOG.matcher(sql).find()) {
          continue;
        }
        String words = sql.replaceAll("\\s+", " ");
        List<String> indexes =
            MEANT.stream()
                .filter(meant -> words.contains(meant.piece()))
                .findFirst()
                .orElseThrow(() -> new AssertionError("which index is meant here? " + words))
                .indexes();
        goesAsMeant(words, indexes, recorder.plan(connection, sql));
        goesAsMeant(words, indexes, recorder.genericPlan(simple, sql));
        judged.add(words);
      }
    }
    assertThat(judged).hasSizeGreaterThanOrEqualTo(least);
  }

  private static void goesAsMeant(String sql, List<String> indexes, List<String> plan) {
    String text = String.join("\n", plan);
    for (String line : plan) {
      if (line.contains("Seq Scan on")) {
        assertThat(GROWS.matcher(line).find()).as("%s%n%s", sql, text).isFalse();
      }
    }
    for (String index : indexes) {
      assertThat(text).as(sql).containsPattern("(using|on) " + index + "\\b");
    }
  }
}
