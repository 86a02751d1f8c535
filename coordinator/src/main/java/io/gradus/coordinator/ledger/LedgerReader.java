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
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Function;
import java.util.function.Supplier;
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
        among(
                handle,
                key,
                groups,
                "select * from lease where run_key = :run and group_id in (<ids>)",
                (row, _) -> RowReader.lease(row))
            .stream()
            .sorted(Comparator.comparingLong(lease -> lease.id().value()))
            .toList(),
        openBatches,
        usesOf(handle, key, openBatches),
        voidBindings(handle, key),
        uses.counts(),
        uses.settled(),
        handle
            .createQuery(
                """
                select * from policy_version v where v.run_key = ? and (not v.deleted
                  or v.version in (
                    select g.pinned_version from rollout_group g
                    where g.run_key = ? and g.pinned_version is not null and g.\
                """
                    + OPEN_GROUP
                    + """
                      )
                    or v.version in (
                      select g.oldest_version from rollout_group g
                      where g.run_key = ? and g.oldest_version is not null and g.\
                    """
                    + OPEN_GROUP
                    + ")) order by v.version")
            .bind(0, key)
            .bind(1, key)
            .bind(2, key)
            .map((row, _) -> RowReader.version(row))
            .list(),
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

  /// Most ids of one question: few enough for every driver, many enough to ask seldom.
  private static final int IDS_A_QUESTION = 1000;

  /*
   * Recovery joins nothing. A database that has just begun, or was just restarted, knows nothing of
   * its tables' sizes and may read a whole run for each open group: seconds for a run of a minute.
   * By lists of ids there is one way to go, through the index that begins with them.
   */

  /// Rows about some ids, asked for in pieces.
  ///
  /// @param question names the run as `:run` and the ids as `<ids>`
  static <T> List<T> among(
      Handle handle, long runKey, List<Long> ids, String question, RowMapper<T> mapper) {
    var rows = new ArrayList<T>();
    for (int from = 0; from < ids.size(); from += IDS_A_QUESTION) {
      rows.addAll(
          handle
              .createQuery(question)
              .bind("run", runKey)
              .bindList("ids", ids.subList(from, Math.min(ids.size(), from + IDS_A_QUESTION)))
              .map(mapper)
              .list());
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
            "select * from batch_use where run_key = :run and number in (<ids>)",
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
              """
              select group_id, member, number, binding from batch_use
              where run_key = :run and group_id in (<ids>)\
              """,
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
                  """
                  select number, binding, state from batch
                  where run_key = :run and number in (<ids>)\
                  """,
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

  /// The unfinished ones and, of each kind, the newest finished.
  private static List<EvaluationRow> evaluations(Handle handle, long key) {
    return handle
        .createQuery(
            """
            select e.* from evaluation e where e.run_key = ? and not e.abandoned and (not e.finished
              or not exists (
                select 1 from evaluation n
                where n.run_key = e.run_key and n.confirmation = e.confirmation and n.finished
                  and (n.version > e.version
                    or (n.version = e.version and n.set_number > e.set_number))))
            order by e.version, e.confirmation, e.set_number\
            """)
        .bind(0, key)
        .map((row, _) -> RowReader.evaluation(row))
        .list();
  }

  /// Versions whose directories are kept.
  public List<VersionRow> checkpoints(RunKey run) {
    return readers.withHandle(handle ->
        handle
            .createQuery(
                """
                select * from policy_version where run_key = ? and not deleted
                order by version\
                """)
            .bind(0, run.value())
            .map((row, _) -> RowReader.version(row))
            .list());
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
