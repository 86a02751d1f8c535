package io.gradus.coordinator.ledger;

import io.gradus.coordinator.ledger.Cursor.Entry;
import io.gradus.coordinator.ledger.LedgerException.Kind;
import io.gradus.core.batch.BatchState;
import io.gradus.core.group.GroupId;
import io.gradus.core.group.LeaseId;
import io.gradus.core.group.PayloadDigest;
import io.gradus.core.ledger.BatchRow;
import io.gradus.core.ledger.EvaluationRow;
import io.gradus.core.ledger.GroupRow;
import io.gradus.core.ledger.LearnerRow;
import io.gradus.core.ledger.LeaseRow;
import io.gradus.core.ledger.StratumRow;
import io.gradus.core.ledger.UseRow;
import io.gradus.core.ledger.VersionRow;
import io.gradus.core.policy.PolicyVersion;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import org.jdbi.v3.core.Handle;
import org.jdbi.v3.core.JdbiException;
import org.jdbi.v3.core.statement.Query;

/// Every row of one run, as it was at one moment, in the order of keys.
///
/// Rows come one by one: a scan needs memory for one group or one batch, however long the run has
/// been. Nothing is expected of them: a row that no decider could have written is [Scanned.Broken],
/// and one whose owner is missing is handed over all the same.
public final class RunScan {

  private static final int FETCH_ROWS = 512;

  private final Handle handle;
  private final RunKey key;
  private final Scanned<StoredRun> run;
  private final Runnable onRow;

  RunScan(Handle handle, RunKey key, Runnable onRow) {
    this.handle = handle;
    this.key = key;
    this.run = find(handle, key);
    this.onRow = onRow;
  }

  private static Scanned<StoredRun> find(Handle handle, RunKey key) {
    return handle
        .createQuery(
            "select r.*, s.spec from run r join run_spec s on s.run_key = r.run_key"
                + " where r.run_key = ?")
        .bind(0, key.value())
        .map((row, _) -> scanned(() -> RowReader.storedRun(row)))
        .findOne()
        .orElseGet(Scanned.Absent::new);
  }

  /// The run without its rows; absent where its spec is missing.
  public Scanned<StoredRun> run() {
    return run;
  }

  /// A row under the name by which a person finds it, such as `lease 17 of group 4`.
  public record Named<T>(String name, Scanned<T> row) {}

  /// All that is there of one group.
  public record GroupFile(
      long id,
      Scanned<GroupRow> group,
      List<Named<LeaseRow>> leases,
      List<Named<Payload>> payloads,
      List<Named<GroupUse>> uses) {

    public GroupFile {
      leases = List.copyOf(leases);
      payloads = List.copyOf(payloads);
      uses = List.copyOf(uses);
    }
  }

  /// A use of a group.
  ///
  /// @param state of the batch; absent: there is no such binding
  public record GroupUse(UseRow row, Optional<BatchState> state) {}

  /// One binding of a batch.
  ///
  /// @param name such as `batch 17`
  public record BatchFile(
      String name, long number, int binding, Scanned<BatchRow> batch, List<DrawnUse> uses) {

    public BatchFile {
      uses = List.copyOf(uses);
    }
  }

  /// A use in its batch.
  ///
  /// @param admitted what its group was admitted with; absent: no such group, or it never was
  public record DrawnUse(Named<UseRow> use, Scanned<GroupRow.Admitted> admitted) {}

  /// Groups by number.
  public void groups(Consumer<GroupFile> visitor) {
    reading(
        "groups",
        () -> {
          try (var groups = groupRows();
              var leases = leaseRows();
              var payloads = payloadRows();
              var uses = groupUses()) {
            List<Cursor<Long, ?>> all = List.of(groups, leases, payloads, uses);
            Optional<Long> next = Cursor.least(all);
            while (next.isPresent()) {
              Long id = next.get();
              visitor.accept(
                  new GroupFile(
                      id,
                      first(groups.take(id)),
                      leases.take(id),
                      payloads.take(id),
                      uses.take(id)));
              next = Cursor.least(all);
            }
          }
        });
  }

  private static <T> Scanned<T> first(List<Scanned<T>> rows) {
    return rows.isEmpty() ? new Scanned.Absent<>() : rows.getFirst();
  }

  private Cursor<Long, Scanned<GroupRow>> groupRows() {
    return cursor(
        "select * from rollout_group where run_key = ? order by group_id",
        row -> new Entry<>(row.getLong("group_id"), scanned(() -> RowReader.group(row))));
  }

  private Cursor<Long, Named<LeaseRow>> leaseRows() {
    return cursor(
        "select * from lease where run_key = ? order by group_id, lease_id",
        row ->
            new Entry<>(
                row.getLong("group_id"),
                new Named<>(
                    "lease %d of group %d"
                        .formatted(row.getLong("lease_id"), row.getLong("group_id")),
                    scanned(() -> RowReader.lease(row)))));
  }

  private Cursor<Long, Named<Payload>> payloadRows() {
    return cursor(
        "select * from payload where run_key = ? order by group_id, lease_id",
        row ->
            new Entry<>(
                row.getLong("group_id"),
                new Named<>(
                    "payload of group %d under lease %d"
                        .formatted(row.getLong("group_id"), row.getLong("lease_id")),
                    scanned(() -> payload(row)))));
  }

  private static Payload payload(ResultSet row) throws SQLException {
    return Payload.of(
        new GroupId(row.getLong("group_id")),
        new LeaseId(row.getLong("lease_id")),
        new PayloadDigest(Columns.hexOf(row.getBytes("digest"))),
        row.getBytes("bytes"));
  }

  private Cursor<Long, Named<GroupUse>> groupUses() {
    return cursor(
        """
        select u.*, b.state as batch_state from batch_use u left join batch b
          on b.run_key = u.run_key and b.number = u.number and b.binding = u.binding
        where u.run_key = ? order by u.group_id\
        """,
        row ->
            new Entry<>(
                row.getLong("group_id"),
                new Named<>(
                    useName(row),
                    scanned(() -> new GroupUse(RowReader.use(row), batchState(row))))));
  }

  private static Optional<BatchState> batchState(ResultSet row) throws SQLException {
    return Optional.ofNullable(row.getString("batch_state")).map(BatchState::valueOf);
  }

  private record Binding(long number, int binding) implements Comparable<Binding> {

    static Binding of(ResultSet row) throws SQLException {
      return new Binding(row.getLong("number"), row.getInt("binding"));
    }

    String inWords() {
      return binding == 1
          ? "batch %d".formatted(number)
          : "batch %d, binding %d".formatted(number, binding);
    }

    @Override
    public int compareTo(Binding other) {
      return number == other.number
          ? Integer.compare(binding, other.binding)
          : Long.compare(number, other.number);
    }
  }

  private static String useName(ResultSet row) throws SQLException {
    return "use %d of %s".formatted(row.getInt("ordinal"), Binding.of(row).inWords());
  }

  /// Bindings of batches by number, then by binding.
  public void batches(Consumer<BatchFile> visitor) {
    reading(
        "batches",
        () -> {
          try (Cursor<Binding, Scanned<BatchRow>> batches =
                  cursor(
                      "select * from batch where run_key = ? order by number, binding",
                      row -> new Entry<>(Binding.of(row), scanned(() -> RowReader.batch(row))));
              Cursor<Binding, DrawnUse> uses = drawnUses()) {
            List<Cursor<Binding, ?>> all = List.of(batches, uses);
            Optional<Binding> next = Cursor.least(all);
            while (next.isPresent()) {
              Binding key = next.get();
              visitor.accept(
                  new BatchFile(
                      key.inWords(),
                      key.number(),
                      key.binding(),
                      first(batches.take(key)),
                      uses.take(key)));
              next = Cursor.least(all);
            }
          }
        });
  }

  private Cursor<Binding, DrawnUse> drawnUses() {
    return cursor(
        """
        select u.*, g.admitted_lease, g.digest, g.oldest_version, g.outcomes from batch_use u
          left join rollout_group g on g.run_key = u.run_key and g.group_id = u.group_id
        where u.run_key = ? order by u.number, u.binding, u.ordinal\
        """,
        row ->
            new Entry<>(
                Binding.of(row),
                new DrawnUse(
                    new Named<>(useName(row), scanned(() -> RowReader.use(row))), admitted(row))));
  }

  private static Scanned<GroupRow.Admitted> admitted(ResultSet row) throws SQLException {
    return switch (scanned(() -> RowReader.admitted(row))) {
      case Scanned.Sound<Optional<GroupRow.Admitted>>(var admitted) ->
          admitted.isPresent() ? new Scanned.Sound<>(admitted.get()) : new Scanned.Absent<>();
      case Scanned.Broken<Optional<GroupRow.Admitted>>(var message) ->
          new Scanned.Broken<>(message);
      case Scanned.Absent<Optional<GroupRow.Admitted>>() -> new Scanned.Absent<>();
    };
  }

  /// Bindings that can be read of the batches after `after` and up to `last`, in the order of
  /// [#batches]; without their uses.
  public void bindings(long after, long last, Consumer<BatchRow> visitor) {
    each(
        "batches",
        "select * from batch where run_key = ? and number > ? and number <= ?"
            + " order by number, binding",
        row -> Binding.of(row).inWords(),
        RowReader::batch,
        batch -> batch.row().sound().ifPresent(visitor),
        after,
        last);
  }

  /// Versions by number.
  public void versions(Consumer<Named<VersionRow>> visitor) {
    each(
        "versions",
        "select * from policy_version where run_key = ? order by version",
        row -> "version %d".formatted(row.getLong("version")),
        RowReader::version,
        visitor);
  }

  /// One version, where it is there and can be read.
  public Optional<VersionRow> version(PolicyVersion version) {
    var found = new ArrayList<VersionRow>(1);
    each(
        "versions",
        "select * from policy_version where run_key = ? and version = ?",
        _ -> "",
        RowReader::version,
        row -> row.row().sound().ifPresent(found::add),
        version.value());
    return found.stream().findFirst();
  }

  /// Strata by source, then by difficulty.
  public void strata(Consumer<Named<StratumRow>> visitor) {
    each(
        "strata",
        "select * from stratum where run_key = ? order by source, stratum",
        row -> "stratum %d of source %d".formatted(row.getInt("stratum"), row.getInt("source")),
        RowReader::stratum,
        visitor);
  }

  /// Evaluations by version, then by set.
  public void evaluations(Consumer<Named<EvaluationRow>> visitor) {
    each(
        "evaluations",
        "select * from evaluation where run_key = ? order by version, confirmation, set_number",
        row ->
            "%s of version %d, set %d"
                .formatted(
                    row.getBoolean("confirmation") ? "confirmation" : "evaluation",
                    row.getLong("version"),
                    row.getInt("set_number")),
        RowReader::evaluation,
        visitor);
  }

  /// Learner sessions by epoch.
  public void learners(Consumer<Named<LearnerRow>> visitor) {
    each(
        "learner sessions",
        "select * from learner_session where run_key = ? order by epoch",
        row -> "learner session %d".formatted(row.getLong("epoch")),
        RowReader::learner,
        visitor);
  }

  /// Reads one column or row of a result.
  private interface Read<T> {
    T of(ResultSet row) throws SQLException;
  }

  private <T> void each(
      String what,
      String query,
      Read<String> name,
      Read<T> reader,
      Consumer<Named<T>> visitor,
      Object... arguments) {
    reading(
        what,
        () -> {
          try (Cursor<Long, Named<T>> rows =
              cursor(
                  query,
                  row -> new Entry<>(0L, new Named<>(name.of(row), scanned(() -> reader.of(row)))),
                  arguments)) {
            while (rows.key().isPresent()) {
              visitor.accept(rows.next());
            }
          }
        });
  }

  private <K extends Comparable<K>, T> Cursor<K, T> cursor(
      String query, Read<Entry<K, T>> reader, Object... arguments) {
    Query statement = handle.createQuery(query).setFetchSize(FETCH_ROWS);
    statement.bind(0, key.value());
    for (int index = 0; index < arguments.length; index++) {
      statement.bind(index + 1, arguments[index]);
    }
    return new Cursor<>(statement.map((row, _) -> reader.of(row)).iterator(), onRow);
  }

  private interface RowBody<T> {
    T read() throws SQLException;
  }

  /// What the columns of a row make, or what is wrong with them.
  private static <T> Scanned<T> scanned(RowBody<T> body) throws SQLException {
    try {
      return new Scanned.Sound<>(body.read());
    } catch (IllegalArgumentException
        | IndexOutOfBoundsException
        | ArithmeticException
        | NullPointerException unreadable) {
      // What the checks of our own records and the JDK's parsers throw.
      return new Scanned.Broken<>(String.valueOf(unreadable.getMessage()));
    }
  }

  private void reading(String what, Runnable body) {
    try {
      body.run();
    } catch (JdbiException failure) {
      throw new LedgerException(
          Kind.DAMAGED,
          "the %s of run %s cannot be read to the end: %s"
              .formatted(what, key.runId(), CommitLoop.Failures.rootMessage(failure)),
          failure);
    }
  }
}
