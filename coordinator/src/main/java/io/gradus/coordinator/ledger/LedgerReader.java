package io.gradus.coordinator.ledger;

import static java.util.stream.Collectors.toMap;
import static java.util.stream.Collectors.toSet;

import io.gradus.coordinator.ledger.LedgerException.Kind;
import io.gradus.core.batch.BatchNumber;
import io.gradus.core.batch.BatchState;
import io.gradus.core.group.GroupId;
import io.gradus.core.group.LeaseId;
import io.gradus.core.group.PayloadDigest;
import io.gradus.core.ledger.BatchRow;
import io.gradus.core.ledger.EvaluationRow;
import io.gradus.core.ledger.GroupRow;
import io.gradus.core.ledger.RunImage;
import io.gradus.core.ledger.UseRow;
import io.gradus.core.ledger.VersionRow;
import io.gradus.core.policy.PolicyVersion;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.jdbi.v3.core.Handle;
import org.jdbi.v3.core.Jdbi;
import org.jdbi.v3.core.JdbiException;
import org.jdbi.v3.core.mapper.RowMapper;
import org.jdbi.v3.core.transaction.TransactionIsolationLevel;

/// Reads of the ledger, on connections of their own; every call blocks.
public final class LedgerReader {

  /// Every statement of a transaction sees the same commits.
  private static final TransactionIsolationLevel SNAPSHOT =
      TransactionIsolationLevel.REPEATABLE_READ;

  private static final String OPEN_GROUP = "state in ('PENDING', 'LEASED', 'ACCEPTED')";
  private static final String RUN =
      "select r.*, s.spec from run r join run_spec s on s.run_key = r.run_key ";

  private final Jdbi readers;
  private final PayloadCache cache;

  LedgerReader(Jdbi readers, PayloadCache cache) {
    this.readers = readers;
    this.cache = cache;
  }

  public Optional<StoredRun> findRun(String runId) {
    return readers.withHandle(handle -> findRun(handle, runId));
  }

  static Optional<StoredRun> findRun(Handle handle, String runId) {
    return handle
        .createQuery(RUN + "where r.run_id = ?")
        .bind(0, runId)
        .map((row, _) -> RowReader.storedRun(row))
        .findOne();
  }

  /// Runs, newest first.
  public List<StoredRun> runs(int limit) {
    return readers.withHandle(handle ->
        handle
            .createQuery(RUN + "order by r.run_key desc limit ?")
            .bind(0, limit)
            .map((row, _) -> RowReader.storedRun(row))
            .list());
  }

  /// Ids of the runs that have not ended.
  public List<String> activeRuns() {
    return readers.withHandle(handle ->
        handle
            .createQuery(
                """
                select run_id from run where state in ('NEW', 'RUNNING', 'PAUSED')
                order by run_key\
                """)
            .mapTo(String.class)
            .list());
  }

  /// The state of a run as one snapshot, without taking it over.
  public RunImage image(StoredRun run) {
    return readers.inTransaction(SNAPSHOT, handle -> image(handle, run));
  }

  /// Hands every row of a run to `body`, as they are at one moment, beside whoever writes. Holds a
  /// connection until `body` returns; empty when there is no such run.
  ///
  /// @param onRow called after every row, on the thread of the caller
  /// @throws LedgerException when rows cannot be read
  public <T> Optional<T> scan(String runId, Runnable onRow, Function<RunScan, T> body) {
    return readable(() ->
        readers.inTransaction(
            SNAPSHOT,
            handle ->
                handle
                    .createQuery("select run_key from run where run_id = ?")
                    .bind(0, runId)
                    .map((row, _) -> new RunKey(runId, row.getLong(1)))
                    .findOne()
                    .map(key -> body.apply(new RunScan(handle, key, onRow)))));
  }

  /// Ids of all runs, oldest first.
  ///
  /// @throws LedgerException when they cannot be read
  public List<String> runIds() {
    return readable(() ->
        readers.withHandle(handle ->
            handle
                .createQuery("select run_id from run order by run_key")
                .mapTo(String.class)
                .list()));
  }

  private static <T> T readable(Supplier<T> body) {
    try {
      return body.get();
    } catch (JdbiException failure) {
      throw new LedgerException(
          Kind.DAMAGED,
          "the ledger cannot be read: " + CommitLoop.Failures.rootMessage(failure),
          failure);
    }
  }

  static RunImage image(Handle handle, StoredRun run) {
    long key = run.key().value();
    List<GroupRow> openGroups =
        handle
            .createQuery(
                "select * from rollout_group where run_key = ? and "
                    + OPEN_GROUP
                    + " order by group_id")
            .bind(0, key)
            .map((row, _) -> RowReader.group(row))
            .list();
    List<Long> groups = openGroups.stream().map(group -> group.id().value()).toList();
    List<BatchRow> openBatches =
        handle
            .createQuery(
                """
                select * from batch where run_key = ? and state in ('BOUND', 'APPLIED')
                order by number, binding\
                """)
            .bind(0, key)
            .map((row, _) -> RowReader.batch(row))
            .list();
    var uses = UsesOfGroups.read(handle, key, groups);
    return new RunImage(
        run.row(),
        openGroups,
        among(handle, key, groups, "*", "lease", "group_id", (row, _) -> RowReader.lease(row))
            .stream()
            .sorted(Comparator.comparingLong(lease -> lease.id().value()))
            .toList(),
        openBatches,
        usesOf(handle, key, openBatches),
        voidBindings(handle, key),
        uses.counts(),
        uses.settled(),
        versions(handle, key, openGroups),
        handle
            .createQuery("select * from stratum where run_key = ? order by source, stratum")
            .bind(0, key)
            .map((row, _) -> RowReader.stratum(row))
            .list(),
        evaluations(handle, key),
        handle
            .createQuery(
                """
                select * from learner_session where run_key = ? order by epoch desc limit 1\
                """)
            .bind(0, key)
            .map((row, _) -> RowReader.learner(row))
            .findOne());
  }

  /// Widest range of one question: its rows are in memory together.
  private static final long IDS_A_QUESTION = 4096;

  /// A wider gap between two ids ends a range: reading past so many rows costs what a question
  /// does.
  private static final long WIDEST_GAP = 64;

  /*
   * Recovery joins nothing and has no lists of ids. A database that has just begun, or was just
   * restored, knows nothing of its tables' contents. It takes a run for one of many, and rather
   * reads the whole of it for each list, or for each open group, than goes down an index a thousand
   * times: half a minute for a run of a million groups. Of a range it always believes that there is
   * little in it, so there is one way to go, through the index that begins with run and id.
   */

  /// Rows about some ids, asked for in ranges of them.
  ///
  /// @param columns of the table, `column` among them
  private static <T> List<T> among(
      Handle handle,
      long runKey,
      List<Long> ids,
      String columns,
      String table,
      String column,
      RowMapper<T> mapper) {
    long[] sorted = ids.stream().mapToLong(Long::longValue).sorted().toArray();
    var rows = new ArrayList<T>();
    int from = 0;
    while (from < sorted.length) {
      int to = from + 1;
      while (to < sorted.length
          && sorted[to] - sorted[to - 1] <= WIDEST_GAP
          && sorted[to] - sorted[from] < IDS_A_QUESTION) {
        to++;
      }
      int begin = from;
      int end = to;
      handle
          .createQuery(
              "select %s from %s where run_key = ? and %s between ? and ?"
                  .formatted(columns, table, column))
          .bind(0, runKey)
          .bind(1, sorted[from])
          .bind(2, sorted[to - 1])
          .map((row, context) ->
              Arrays.binarySearch(sorted, begin, end, row.getLong(column)) < 0
                  ? Optional.<T>empty()
                  : Optional.of(mapper.map(row, context)))
          .forEach(row -> row.ifPresent(rows::add));
      from = to;
    }
    return rows;
  }

  /// A number as it was bound once.
  private record Binding(long number, int binding) {}

  /// The uses of open batches, batch by batch in their order.
  private static List<UseRow> usesOf(Handle handle, long key, List<BatchRow> batches) {
    Set<Binding> open =
        batches.stream()
            .map(batch -> new Binding(batch.number().value(), batch.binding()))
            .collect(toSet());
    return among(
            handle,
            key,
            batches.stream().map(batch -> batch.number().value()).distinct().toList(),
            "*",
            "batch_use",
            "number",
            (row, _) -> RowReader.use(row))
        .stream()
        .filter(use -> open.contains(new Binding(use.batch().value(), use.binding())))
        .sorted(
            Comparator.comparingLong((UseRow use) -> use.batch().value())
                .thenComparingInt(UseRow::ordinal))
        .toList();
  }

  /// How often the members of open groups were used, and which groups were used in settled batches.
  private record UsesOfGroups(Map<GroupId, Map<Integer, Integer>> counts, List<GroupId> settled) {

    private record Row(GroupId group, int member, Binding binding) {}

    private record State(Binding binding, String state) {}

    static UsesOfGroups read(Handle handle, long key, List<Long> groups) {
      List<Row> rows =
          among(
              handle,
              key,
              groups,
              "group_id, member, number, binding",
              "batch_use",
              "group_id",
              (row, _) ->
                  new Row(
                      new GroupId(row.getLong(1)),
                      row.getInt(2),
                      new Binding(row.getLong(3), row.getInt(4))));
      Map<Binding, String> states =
          among(
                  handle,
                  key,
                  rows.stream().map(row -> row.binding.number).distinct().toList(),
                  "number, binding, state",
                  "batch",
                  "number",
                  (row, _) ->
                      new State(new Binding(row.getLong(1), row.getInt(2)), row.getString(3)))
              .stream()
              .collect(toMap(State::binding, State::state));
      var counts = new TreeMap<GroupId, Map<Integer, Integer>>();
      var settled = new TreeSet<GroupId>();
      for (Row row : rows) {
        String state = states.getOrDefault(row.binding, BatchState.VOID.name());
        if (!state.equals(BatchState.VOID.name())) {
          counts
              .computeIfAbsent(row.group, _ -> new TreeMap<>())
              .merge(row.member, 1, Integer::sum);
        }
        if (state.equals(BatchState.SETTLED.name())) {
          settled.add(row.group);
        }
      }
      return new UsesOfGroups(counts, List.copyOf(settled));
    }
  }

  private static Map<BatchNumber, Integer> voidBindings(Handle handle, long key) {
    return handle
        .createQuery(
            """
            select b.number, max(b.binding) from batch b
            where b.run_key = ? and b.state = 'VOID' and not exists (
              select 1 from batch n
              where n.run_key = b.run_key and n.number = b.number and n.state <> 'VOID')
            group by b.number\
            """)
        .bind(0, key)
        .map((row, _) -> Map.entry(new BatchNumber(row.getLong(1)), row.getInt(2)))
        .list()
        .stream()
        .collect(toMap(Map.Entry::getKey, Map.Entry::getValue, (a, _) -> a, TreeMap::new));
  }

  /// Those that are kept, and those that open groups are pinned to or were sampled with.
  private static List<VersionRow> versions(Handle handle, long key, List<GroupRow> openGroups) {
    var versions = new TreeMap<PolicyVersion, VersionRow>();
    for (VersionRow row : kept(handle, key)) {
      versions.put(row.manifest().version(), row);
    }
    List<Long> named =
        openGroups.stream()
            .flatMap(group ->
                Stream.concat(
                    group.pinnedVersion().stream(),
                    group.admitted().stream().map(GroupRow.Admitted::oldestVersion)))
            .distinct()
            .filter(version -> !versions.containsKey(version))
            .map(PolicyVersion::value)
            .toList();
    for (VersionRow row :
        among(
            handle,
            key,
            named,
            "*",
            "policy_version",
            "version",
            (row, _) -> RowReader.version(row))) {
      versions.put(row.manifest().version(), row);
    }
    return List.copyOf(versions.values());
  }

  private static List<VersionRow> kept(Handle handle, long key) {
    return handle
        .createQuery(
            "select * from policy_version where run_key = ? and not deleted order by version")
        .bind(0, key)
        .map((row, _) -> RowReader.version(row))
        .list();
  }

  private static final Comparator<EvaluationRow> BY_VERSION =
      Comparator.comparing(EvaluationRow::version)
          .thenComparing(EvaluationRow::confirmation)
          .thenComparingInt(EvaluationRow::set);

  /// The unfinished ones and, of each kind, the newest finished.
  private static List<EvaluationRow> evaluations(Handle handle, long key) {
    var evaluations =
        new ArrayList<>(
            handle
                .createQuery(
                    """
                    select * from evaluation
                    where run_key = ? and not finished and not abandoned\
                    """)
                .bind(0, key)
                .map((row, _) -> RowReader.evaluation(row))
                .list());
    for (boolean confirmation : new boolean[] {false, true}) {
      handle
          .createQuery(
              """
              select * from evaluation where run_key = ? and confirmation = ? and finished
              order by version desc, set_number desc limit 1\
              """)
          .bind(0, key)
          .bind(1, confirmation)
          .map((row, _) -> RowReader.evaluation(row))
          .findOne()
          .filter(newest -> !newest.abandoned())
          .ifPresent(evaluations::add);
    }
    evaluations.sort(BY_VERSION);
    return evaluations;
  }

  /// Versions whose directories are kept.
  public List<VersionRow> checkpoints(RunKey run) {
    return readers.withHandle(handle -> kept(handle, run.value()));
  }

  /// A payload, from memory where it was lately written or read.
  public Optional<Payload> payload(RunKey run, GroupId group, LeaseId lease) {
    Optional<Payload> known = cache.get(run.value(), group, lease);
    if (known.isPresent()) {
      return known;
    }
    Optional<Payload> read =
        readers.withHandle(handle ->
            handle
                .createQuery(
                    """
                    select digest, bytes from payload
                    where run_key = ? and group_id = ? and lease_id = ?\
                    """)
                .bind(0, run.value())
                .bind(1, group.value())
                .bind(2, lease.value())
                .map((row, _) ->
                    Payload.of(
                        group,
                        lease,
                        new PayloadDigest(Columns.hexOf(row.getBytes(1))),
                        row.getBytes(2)))
                .findOne());
    read.ifPresent(payload -> cache.put(run.value(), payload));
    return read;
  }

  Optional<PayloadDigest> digestOf(RunKey run, GroupId group, LeaseId lease) {
    return readers.withHandle(handle -> digestOf(handle, run, group, lease));
  }

  static Optional<PayloadDigest> digestOf(Handle handle, RunKey run, GroupId group, LeaseId lease) {
    return handle
        .createQuery(
            "select digest from payload where run_key = ? and group_id = ? and lease_id = ?")
        .bind(0, run.value())
        .bind(1, group.value())
        .bind(2, lease.value())
        .map((row, _) -> new PayloadDigest(Columns.hexOf(row.getBytes(1))))
        .findOne();
  }

  /// Groups in the order of their numbers.
  ///
  /// @param state only groups in this state; empty: all
  public List<GroupRecord> groups(RunKey run, String state, long afterGroup, int limit) {
    return readers.inTransaction(handle -> {
      var query =
          handle
              .createQuery(
                  "select * from rollout_group where run_key = :run and group_id > :after"
                      + (state.isEmpty() ? "" : " and state = :state")
                      + " order by group_id limit :limit")
              .bind("run", run.value())
              .bind("after", afterGroup)
              .bind("limit", limit);
      if (!state.isEmpty()) {
        query.bind("state", state);
      }
      return query.map((row, _) -> record(handle, run, row)).list();
    });
  }

  public Optional<GroupRecord> group(RunKey run, GroupId group) {
    return readers.inTransaction(handle ->
        handle
            .createQuery("select * from rollout_group where run_key = ? and group_id = ?")
            .bind(0, run.value())
            .bind(1, group.value())
            .map((row, _) -> record(handle, run, row))
            .findOne());
  }

  private static GroupRecord record(Handle handle, RunKey run, ResultSet row) throws SQLException {
    GroupRow group = RowReader.group(row);
    List<Long> batches =
        handle
            .createQuery(
                """
                select distinct u.number from batch_use u join batch b
                  on b.run_key = u.run_key and b.number = u.number and b.binding = u.binding
                where u.run_key = ? and u.group_id = ? and b.state <> 'VOID' order by u.number\
                """)
            .bind(0, run.value())
            .bind(1, group.id().value())
            .mapTo(Long.class)
            .list();
    return new GroupRecord(
        group,
        Instant.ofEpochMilli(row.getLong("created_millis")),
        Instant.ofEpochMilli(row.getLong("decided_millis")),
        batches);
  }
}
