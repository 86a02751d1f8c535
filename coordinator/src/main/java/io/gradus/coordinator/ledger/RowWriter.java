package io.gradus.coordinator.ledger;

import io.gradus.core.batch.GoldRange;
import io.gradus.core.group.GroupId;
import io.gradus.core.ledger.BatchRow;
import io.gradus.core.ledger.EvaluationRow;
import io.gradus.core.ledger.GroupRow;
import io.gradus.core.ledger.LearnerRow;
import io.gradus.core.ledger.LeaseRow;
import io.gradus.core.ledger.RunRow;
import io.gradus.core.ledger.StratumRow;
import io.gradus.core.ledger.UseRow;
import io.gradus.core.ledger.VersionRow;
import io.gradus.core.ledger.Write;
import io.gradus.core.policy.PolicyVersion;
import java.sql.Types;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jdbi.v3.core.Handle;
import org.jspecify.annotations.Nullable;

/// The writes of one transaction of one run, gathered by table.
///
/// Only the last row of each key is written: a group that was granted and admitted in one commit
/// costs one row. That changes nothing that can be seen, since nobody reads between the writes of a
/// transaction. Payloads go first, admissions check them, sweeps go last.
final class RowWriter {

  private final List<Payload> payloads = new ArrayList<>();
  private final Map<GroupId, GroupRow> groups = new LinkedHashMap<>();
  private final Map<GroupId, Write.RequirePayload> required = new LinkedHashMap<>();
  private final List<Write.RequirePayload> requiredBefore = new ArrayList<>();
  private final List<LeaseRow> leases = new ArrayList<>();
  private final Map<List<Long>, BatchRow> batches = new LinkedHashMap<>();
  private final List<UseRow> uses = new ArrayList<>();
  private final Map<PolicyVersion, VersionRow> versions = new LinkedHashMap<>();
  private final Map<List<Integer>, StratumRow> strata = new LinkedHashMap<>();
  private final Map<List<Object>, EvaluationRow> evaluations = new LinkedHashMap<>();
  private final List<LearnerRow> learners = new ArrayList<>();
  private final List<GroupId> swept = new ArrayList<>();
  private Optional<RunRow> run = Optional.empty();

  void add(Collection<Payload> newPayloads, List<Write> writes) {
    payloads.addAll(newPayloads);
    for (Write write : writes) {
      switch (write) {
        case Write.PutRun(var row) -> run = Optional.of(row);
        case Write.PutGroup(var row) -> groups.put(row.id(), row);
        case Write.RequirePayload require -> {
          Write.RequirePayload earlier = required.put(require.group(), require);
          if (earlier != null) {
            requiredBefore.add(earlier);
          }
        }
        case Write.PutLease(var row) -> leases.add(row);
        case Write.PutBatch(var row) ->
            batches.put(List.of(row.number().value(), (long) row.binding()), row);
        case Write.PutUses(var rows) -> uses.addAll(rows);
        case Write.PutVersion(var row) -> versions.put(row.manifest().version(), row);
        case Write.PutStratum(var row) -> strata.put(List.of(row.source(), row.stratum()), row);
        case Write.PutEvaluation(var row) ->
            evaluations.put(List.of(row.version(), row.confirmation(), row.set()), row);
        case Write.PutLearner(var row) -> learners.add(row);
        case Write.SweepPayloads(var ids) -> swept.addAll(ids);
      }
    }
  }

  List<Payload> payloads() {
    return payloads;
  }

  Optional<RunRow> run() {
    return run;
  }

  /// Writes it all, inside the transaction of `handle`, after the fence.
  ///
  /// @throws ContradictionException when an admission lacks its payload
  void write(Handle handle, long runKey, long nowMillis) {
    var _ = writePayloads(handle, runKey, payloads);
    writeGroups(handle, runKey, nowMillis);
    writeLeases(handle, runKey);
    writeBatches(handle, runKey);
    writeUses(handle, runKey);
    writeVersions(handle, runKey);
    writeStrata(handle, runKey);
    writeEvaluations(handle, runKey);
    writeLearners(handle, runKey);
    sweep(handle, runKey);
    run.ifPresent(row -> writeRun(handle, runKey, row));
  }

  /// Writes the payloads that are not there yet. Not by `values`: of rows that PostgreSQL's driver
  /// joins into one statement nobody says which was there.
  ///
  /// @return whether none was there
  static boolean writePayloads(Handle handle, long runKey, List<Payload> payloads) {
    if (payloads.isEmpty()) {
      return true;
    }
    try (StatementBatch batch =
        StatementBatch.of(
            handle,
            """
            insert into payload (run_key, group_id, lease_id, digest, bytes)
            select ?, ?, ?, ?, ? where true
            on conflict (run_key, group_id, lease_id) do nothing\
            """)) {
      for (Payload payload : payloads) {
        batch
            .bind(0, runKey)
            .bind(1, payload.group().value())
            .bind(2, payload.lease().value())
            .bind(3, Columns.bytesOf(payload.digest().hex()))
            .bind(4, payload.array())
            .add();
      }
      return Arrays.stream(batch.execute()).allMatch(rows -> rows == 1);
    }
  }

  private static final String GROUP_COLUMNS =
      """
      insert into rollout_group (run_key, group_id, purpose, source, stratum, task_index, size,
        state, reason, attempts, lease_id, worker_id, pinned_version, admitted_lease, digest,
        oldest_version, outcomes, created_millis, decided_millis)
      """;

  private static final String GROUP_CONFLICT =
      """

      on conflict (run_key, group_id) do update set
        state = excluded.state, reason = excluded.reason, attempts = excluded.attempts,
        lease_id = excluded.lease_id, worker_id = excluded.worker_id,
        pinned_version = excluded.pinned_version, admitted_lease = excluded.admitted_lease,
        digest = excluded.digest, oldest_version = excluded.oldest_version,
        outcomes = excluded.outcomes, decided_millis = case
          when rollout_group.state = excluded.state then rollout_group.decided_millis
          else excluded.decided_millis end\
      """;

  private static final String PUT_GROUP =
      GROUP_COLUMNS
          + "values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
          + GROUP_CONFLICT;

  /// Admits only where the payload is there, with this digest (G2).
  private static final String ADMIT_GROUP =
      GROUP_COLUMNS
          + "select ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ? where exists (select 1"
          + " from payload where run_key = ? and group_id = ? and lease_id = ? and digest = ?)"
          + GROUP_CONFLICT;

  private void writeGroups(Handle handle, long runKey, long nowMillis) {
    var admitted = new ArrayList<Write.RequirePayload>();
    var requiredAlone = new ArrayList<>(requiredBefore);
    for (Write.RequirePayload require : required.values()) {
      (groups.containsKey(require.group()) ? admitted : requiredAlone).add(require);
    }
    for (Write.RequirePayload require : requiredAlone) {
      requirePayload(handle, runKey, require);
    }
    if (groups.size() > admitted.size()) {
      try (StatementBatch batch = StatementBatch.of(handle, PUT_GROUP)) {
        for (GroupRow row : groups.values()) {
          if (!required.containsKey(row.id())) {
            bindGroup(batch, runKey, nowMillis, row);
            batch.add();
          }
        }
        batch.execute();
      }
    }
    if (!admitted.isEmpty()) {
      try (StatementBatch batch = StatementBatch.of(handle, ADMIT_GROUP)) {
        for (Write.RequirePayload require : admitted) {
          GroupRow row = groups.get(require.group());
          if (row == null) {
            throw new IllegalStateException("group %s has no row".formatted(require.group()));
          }
          bindGroup(batch, runKey, nowMillis, row);
          batch
              .bind(19, runKey)
              .bind(20, require.group().value())
              .bind(21, require.lease().value())
              .bind(22, Columns.bytesOf(require.digest().hex()))
              .add();
        }
        int[] counts = batch.execute();
        for (int index = 0; index < counts.length; index++) {
          if (counts[index] != 1) {
            throw ContradictionException.noPayload(admitted.get(index));
          }
        }
      }
    }
  }

  private static void requirePayload(Handle handle, long runKey, Write.RequirePayload require) {
    boolean isThere =
        handle
            .createQuery(
                """
                select 1 from payload
                where run_key = ? and group_id = ? and lease_id = ? and digest = ?\
                """)
            .bind(0, runKey)
            .bind(1, require.group().value())
            .bind(2, require.lease().value())
            .bind(3, Columns.bytesOf(require.digest().hex()))
            .mapTo(Integer.class)
            .findOne()
            .isPresent();
    if (!isThere) {
      throw ContradictionException.noPayload(require);
    }
  }

  private static void bindGroup(StatementBatch batch, long runKey, long nowMillis, GroupRow row) {
    batch
        .bind(0, runKey)
        .bind(1, row.id().value())
        .bind(2, row.purpose().name())
        .bind(3, row.task().source())
        .bind(4, row.task().stratum())
        .bind(5, row.task().index())
        .bind(6, row.size())
        .bind(7, row.state().name())
        .bind(8, row.reason().name())
        .bind(9, row.attempts())
        .bind(10, row.lease().value())
        .bind(11, row.worker().value());
    bindLong(batch, 12, row.pinnedVersion().map(PolicyVersion::value));
    if (row.admitted().isPresent()) {
      GroupRow.Admitted admitted = row.admitted().get();
      batch
          .bind(13, admitted.lease().value())
          .bind(14, Columns.bytesOf(admitted.digest().hex()))
          .bind(15, admitted.oldestVersion().value())
          .bind(16, Columns.outcomes(admitted.outcomes()));
    } else {
      batch
          .bindNull(13, Types.BIGINT)
          .bindNull(14, Types.BINARY)
          .bindNull(15, Types.BIGINT)
          .bindNull(16, Types.VARCHAR);
    }
    batch.bind(17, nowMillis).bind(18, nowMillis);
  }

  private void writeLeases(Handle handle, long runKey) {
    if (leases.isEmpty()) {
      return;
    }
    try (StatementBatch batch =
        StatementBatch.of(
            handle,
            "insert into lease (run_key, group_id, lease_id, worker_id) values (?, ?, ?, ?)")) {
      for (LeaseRow row : leases) {
        batch
            .bind(0, runKey)
            .bind(1, row.group().value())
            .bind(2, row.id().value())
            .bind(3, row.worker().value())
            .add();
      }
      batch.execute();
    }
  }

  private void writeBatches(Handle handle, long runKey) {
    if (batches.isEmpty()) {
      return;
    }
    try (StatementBatch batch =
        StatementBatch.of(
            handle,
            """
            insert into batch (run_key, number, binding, state, reason, generator,
              generator_version, gold_source, gold_seed, gold_first_index, gold_count,
              gold_first_stratum, gold_last_stratum, digest, completion_tokens, groups_drawn, round,
              index_in_round, batches_in_round, restart_from_base, publish, durable, failures,
              applied_by, steps, skipped_steps, failed_by)
            values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,
              ?)
            on conflict (run_key, number, binding) do update set
              state = excluded.state, reason = excluded.reason,
              completion_tokens = excluded.completion_tokens, failures = excluded.failures,
              applied_by = excluded.applied_by, steps = excluded.steps,
              skipped_steps = excluded.skipped_steps, failed_by = excluded.failed_by\
            """)) {
      for (BatchRow row : batches.values()) {
        batch
            .bind(0, runKey)
            .bind(1, row.number().value())
            .bind(2, row.binding())
            .bind(3, row.state().name())
            .bind(4, row.reason());
        @Nullable GoldRange gold = row.gold().orElse(null);
        if (gold != null) {
          batch
              .bind(5, gold.generator())
              .bind(6, gold.generatorVersion())
              .bind(7, gold.source())
              .bind(8, gold.seed())
              .bind(9, gold.firstIndex())
              .bind(10, gold.count())
              .bind(11, gold.firstStratum())
              .bind(12, gold.lastStratum());
        } else {
          batch
              .bindNull(5, Types.VARCHAR)
              .bindNull(6, Types.INTEGER)
              .bindNull(7, Types.INTEGER)
              .bindNull(8, Types.BIGINT)
              .bindNull(9, Types.BIGINT)
              .bindNull(10, Types.INTEGER)
              .bindNull(11, Types.INTEGER)
              .bindNull(12, Types.INTEGER);
        }
        batch
            .bind(13, Columns.bytesOf(row.digest().hex()))
            .bind(14, row.completionTokens())
            .bind(15, row.groups())
            .bind(16, row.round())
            .bind(17, row.indexInRound())
            .bind(18, row.batchesInRound())
            .bind(19, row.restartFromBase())
            .bind(20, row.publish())
            .bind(21, row.durable())
            .bind(22, row.failures());
        bindLong(batch, 23, row.appliedBy().map(epoch -> epoch.value()));
        batch.bind(24, row.steps()).bind(25, row.skippedSteps());
        bindLong(batch, 26, row.failedBy().map(epoch -> epoch.value()));
        batch.add();
      }
      batch.execute();
    }
  }

  private void writeUses(Handle handle, long runKey) {
    if (uses.isEmpty()) {
      return;
    }
    try (StatementBatch batch =
        StatementBatch.of(
            handle,
            """
            insert into batch_use (run_key, number, binding, ordinal, group_id, lease_id, member,
              probability, pass_rate, staleness, tokens)
            values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)\
            """)) {
      for (UseRow row : uses) {
        batch
            .bind(0, runKey)
            .bind(1, row.batch().value())
            .bind(2, row.binding())
            .bind(3, row.ordinal())
            .bind(4, row.use().group().value())
            .bind(5, row.use().lease().value())
            .bind(6, row.use().member())
            .bind(7, row.use().probability())
            .bind(8, row.use().passRate())
            .bind(9, row.use().staleness())
            .bind(10, row.use().tokens())
            .add();
      }
      batch.execute();
    }
  }

  private void writeVersions(Handle handle, long runKey) {
    if (versions.isEmpty()) {
      return;
    }
    try (StatementBatch batch =
        StatementBatch.of(
            handle,
            """
            insert into policy_version (run_key, version, step, batch, uri, files, lineage, durable,
              parent, learner_epoch, batches_bound, ancestor, base, deleted)
            values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            on conflict (run_key, version) do update set
              ancestor = excluded.ancestor, base = excluded.base, deleted = excluded.deleted\
            """)) {
      for (VersionRow row : versions.values()) {
        batch
            .bind(0, runKey)
            .bind(1, row.manifest().version().value())
            .bind(2, row.manifest().step());
        bindLong(batch, 3, row.manifest().batch().map(number -> number.value()));
        batch
            .bind(4, row.manifest().uri())
            .bind(5, Columns.files(row.manifest().files()))
            .bind(6, row.manifest().lineage().hex())
            .bind(7, row.manifest().durable())
            .bind(8, row.parent().value())
            .bind(9, row.learnerEpoch().value())
            .bind(10, row.batchesBound())
            .bind(11, row.ancestor())
            .bind(12, row.base())
            .bind(13, row.deleted())
            .add();
      }
      batch.execute();
    }
  }

  private void writeStrata(Handle handle, long runKey) {
    if (strata.isEmpty()) {
      return;
    }
    try (StatementBatch batch =
        StatementBatch.of(
            handle,
            """
            insert into stratum (run_key, source, stratum, right_count, wrong_count, next_index,
              round_groups, failed)
            values (?, ?, ?, ?, ?, ?, ?, ?)
            on conflict (run_key, source, stratum) do update set
              right_count = excluded.right_count, wrong_count = excluded.wrong_count,
              next_index = excluded.next_index, round_groups = excluded.round_groups,
              failed = excluded.failed\
            """)) {
      for (StratumRow row : strata.values()) {
        batch
            .bind(0, runKey)
            .bind(1, row.source())
            .bind(2, row.stratum())
            .bind(3, row.right())
            .bind(4, row.wrong())
            .bind(5, Columns.nextIndex(row.nextIndex()))
            .bind(6, row.roundGroups())
            .bind(7, Columns.numbers(row.failed()))
            .add();
      }
      batch.execute();
    }
  }

  private void writeEvaluations(Handle handle, long runKey) {
    if (evaluations.isEmpty()) {
      return;
    }
    try (StatementBatch batch =
        StatementBatch.of(
            handle,
            """
            insert into evaluation (run_key, version, confirmation, set_number, batch, finished,
              handled, elapsed_nanos, abandoned, results)
            values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            on conflict (run_key, version, confirmation, set_number) do update set
              finished = excluded.finished, handled = excluded.handled,
              elapsed_nanos = excluded.elapsed_nanos, abandoned = excluded.abandoned,
              results = excluded.results\
            """)) {
      for (EvaluationRow row : evaluations.values()) {
        batch
            .bind(0, runKey)
            .bind(1, row.version().value())
            .bind(2, row.confirmation())
            .bind(3, row.set())
            .bind(4, row.batch())
            .bind(5, row.finished())
            .bind(6, row.handled())
            .bind(7, row.elapsed().toNanos())
            .bind(8, row.abandoned())
            .bind(9, Columns.results(row.results()))
            .add();
      }
      batch.execute();
    }
  }

  private void writeLearners(Handle handle, long runKey) {
    for (LearnerRow row : learners) {
      handle.execute(
          """
          insert into learner_session (run_key, epoch, learner_id) values (?, ?, ?)
          on conflict (run_key, epoch) do update set learner_id = excluded.learner_id\
          """,
          runKey,
          row.epoch().value(),
          row.learner().value());
    }
  }

  /// Of a group that is, or was, trained on, only what lost against the admitted lease goes: what a
  /// policy learned from stays on record.
  private void sweep(Handle handle, long runKey) {
    if (swept.isEmpty()) {
      return;
    }
    try (StatementBatch batch =
        StatementBatch.of(
            handle,
            """
            delete from payload where run_key = ? and group_id = ? and not exists (
              select 1 from rollout_group g
              where g.run_key = payload.run_key and g.group_id = payload.group_id
                and g.state in ('ACCEPTED', 'TRAINED') and g.admitted_lease = payload.lease_id)\
            """)) {
      for (GroupId group : swept) {
        batch.bind(0, runKey).bind(1, group.value()).add();
      }
      batch.execute();
    }
  }

  private static void writeRun(Handle handle, long runKey, RunRow row) {
    try (StatementBatch batch =
        StatementBatch.of(
            handle,
            """
            update run set state = ?, reason = ?, transitions = ?, groups_created = ?,
              next_lease = ?, next_version = ?, batches_bound = ?, warm_up_batches = ?, round = ?,
              trajectories_sampled = ?, tokens_sampled = ?, units_accepted = ?, tokens_trained = ?,
              sequences_trained = ?, next_random = ?, elapsed_nanos = ?
            where run_key = ?\
            """)) {
      batch
          .bind(0, row.state().name())
          .bind(1, row.reason())
          .bind(2, Columns.counts(row.transitions()))
          .bind(3, row.groupsCreated())
          .bind(4, row.nextLease())
          .bind(5, row.nextVersion())
          .bind(6, row.batchesBound())
          .bind(7, row.warmUpBatches())
          .bind(8, row.round())
          .bind(9, row.trajectoriesSampled())
          .bind(10, row.tokensSampled())
          .bind(11, row.unitsAccepted())
          .bind(12, row.tokensTrained())
          .bind(13, row.sequencesTrained())
          .bind(14, row.nextRandom())
          .bind(15, row.elapsed().toNanos())
          .bind(16, runKey)
          .add();
      batch.execute();
    }
  }

  private static void bindLong(StatementBatch batch, int position, Optional<Long> value) {
    if (value.isPresent()) {
      batch.bind(position, value.get().longValue());
    } else {
      batch.bindNull(position, Types.BIGINT);
    }
  }
}
