package io.gradus.coordinator.ledger;

import io.gradus.core.batch.BatchDigest;
import io.gradus.core.batch.BatchNumber;
import io.gradus.core.batch.BatchState;
import io.gradus.core.batch.GoldRange;
import io.gradus.core.batch.Use;
import io.gradus.core.group.GroupId;
import io.gradus.core.group.GroupPurpose;
import io.gradus.core.group.GroupState;
import io.gradus.core.group.LeaseId;
import io.gradus.core.group.PayloadDigest;
import io.gradus.core.group.StateReason;
import io.gradus.core.group.WorkerId;
import io.gradus.core.ledger.BatchRow;
import io.gradus.core.ledger.EvaluationRow;
import io.gradus.core.ledger.GroupRow;
import io.gradus.core.ledger.LearnerRow;
import io.gradus.core.ledger.LeaseRow;
import io.gradus.core.ledger.RunRow;
import io.gradus.core.ledger.RunState;
import io.gradus.core.ledger.StratumRow;
import io.gradus.core.ledger.UseRow;
import io.gradus.core.ledger.VersionRow;
import io.gradus.core.policy.LearnerEpoch;
import io.gradus.core.policy.LearnerId;
import io.gradus.core.policy.Lineage;
import io.gradus.core.policy.Manifest;
import io.gradus.core.policy.PolicyVersion;
import io.gradus.core.task.Task;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.util.Optional;

/// Rows of the database as rows of the decider.
final class RowReader {

  /// What a run has before its first decision.
  static final String NEW = "NEW";

  private RowReader() {}

  static StoredRun storedRun(ResultSet row) throws SQLException {
    return new StoredRun(
        new RunKey(row.getString("run_id"), row.getLong("run_key")),
        Instant.ofEpochMilli(row.getLong("submitted_millis")),
        row.getLong("epoch"),
        row.getLong("commit_seq"),
        row.getString("state").equals(NEW) ? Optional.empty() : Optional.of(run(row)),
        row.getBytes("spec"));
  }

  static RunRow run(ResultSet row) throws SQLException {
    return new RunRow(
        RunState.valueOf(row.getString("state")),
        row.getString("reason"),
        Columns.counts(row.getString("transitions")),
        row.getLong("groups_created"),
        row.getLong("next_lease"),
        row.getLong("next_version"),
        row.getLong("batches_bound"),
        row.getLong("warm_up_batches"),
        row.getInt("round"),
        row.getLong("trajectories_sampled"),
        row.getLong("tokens_sampled"),
        row.getLong("units_accepted"),
        row.getLong("tokens_trained"),
        row.getLong("sequences_trained"),
        row.getLong("next_random"),
        Duration.ofNanos(row.getLong("elapsed_nanos")));
  }

  static GroupRow group(ResultSet row) throws SQLException {
    return new GroupRow(
        new GroupId(row.getLong("group_id")),
        GroupPurpose.valueOf(row.getString("purpose")),
        new Task(row.getInt("source"), row.getInt("stratum"), row.getLong("task_index")),
        row.getInt("size"),
        GroupState.valueOf(row.getString("state")),
        StateReason.valueOf(row.getString("reason")),
        row.getInt("attempts"),
        new LeaseId(row.getLong("lease_id")),
        new WorkerId(row.getString("worker_id")),
        optionalLong(row, "pinned_version").map(PolicyVersion::new),
        admitted(row));
  }

  static Optional<GroupRow.Admitted> admitted(ResultSet row) throws SQLException {
    Optional<Long> lease = optionalLong(row, "admitted_lease");
    if (lease.isEmpty()) {
      return Optional.empty();
    }
    return Optional.of(
        new GroupRow.Admitted(
            new LeaseId(lease.get()),
            new PayloadDigest(Columns.hexOf(row.getBytes("digest"))),
            new PolicyVersion(row.getLong("oldest_version")),
            Columns.outcomes(row.getString("outcomes"))));
  }

  static LeaseRow lease(ResultSet row) throws SQLException {
    return new LeaseRow(
        new LeaseId(row.getLong("lease_id")),
        new GroupId(row.getLong("group_id")),
        new WorkerId(row.getString("worker_id")));
  }

  static BatchRow batch(ResultSet row) throws SQLException {
    String generator = row.getString("generator");
    Optional<GoldRange> gold =
        generator == null
            ? Optional.empty()
            : Optional.of(
                new GoldRange(
                    generator,
                    row.getInt("generator_version"),
                    row.getInt("gold_source"),
                    row.getLong("gold_seed"),
                    row.getLong("gold_first_index"),
                    row.getInt("gold_count"),
                    row.getInt("gold_first_stratum"),
                    row.getInt("gold_last_stratum")));
    return new BatchRow(
        new BatchNumber(row.getLong("number")),
        row.getInt("binding"),
        BatchState.valueOf(row.getString("state")),
        row.getString("reason"),
        gold,
        new BatchDigest(Columns.hexOf(row.getBytes("digest"))),
        row.getLong("completion_tokens"),
        row.getInt("groups_drawn"),
        row.getInt("round"),
        row.getInt("index_in_round"),
        row.getInt("batches_in_round"),
        row.getBoolean("restart_from_base"),
        row.getBoolean("publish"),
        row.getBoolean("durable"),
        row.getInt("failures"),
        optionalLong(row, "applied_by").map(LearnerEpoch::new),
        row.getInt("steps"),
        row.getInt("skipped_steps"),
        optionalLong(row, "failed_by").map(LearnerEpoch::new));
  }

  static UseRow use(ResultSet row) throws SQLException {
    return new UseRow(
        new BatchNumber(row.getLong("number")),
        row.getInt("binding"),
        row.getInt("ordinal"),
        new Use(
            new GroupId(row.getLong("group_id")),
            new LeaseId(row.getLong("lease_id")),
            row.getInt("member"),
            row.getDouble("probability"),
            row.getDouble("pass_rate"),
            row.getInt("staleness"),
            row.getInt("tokens")));
  }

  static VersionRow version(ResultSet row) throws SQLException {
    return new VersionRow(
        new Manifest(
            new PolicyVersion(row.getLong("version")),
            row.getLong("step"),
            optionalLong(row, "batch").map(BatchNumber::new),
            row.getString("uri"),
            Columns.files(row.getString("files")),
            new Lineage(row.getString("lineage")),
            row.getBoolean("durable")),
        new PolicyVersion(row.getLong("parent")),
        new LearnerEpoch(row.getLong("learner_epoch")),
        row.getLong("batches_bound"),
        row.getLong("ancestor"),
        row.getBoolean("base"),
        row.getBoolean("deleted"));
  }

  static StratumRow stratum(ResultSet row) throws SQLException {
    return new StratumRow(
        row.getInt("source"),
        row.getInt("stratum"),
        row.getDouble("right_count"),
        row.getDouble("wrong_count"),
        Columns.nextIndex(row.getString("next_index")),
        row.getInt("round_groups"),
        Columns.numbers(row.getString("failed")));
  }

  static EvaluationRow evaluation(ResultSet row) throws SQLException {
    return new EvaluationRow(
        new PolicyVersion(row.getLong("version")),
        row.getBoolean("confirmation"),
        row.getInt("set_number"),
        row.getLong("batch"),
        row.getBoolean("finished"),
        row.getInt("handled"),
        Duration.ofNanos(row.getLong("elapsed_nanos")),
        row.getBoolean("abandoned"),
        Columns.results(row.getString("results")));
  }

  static LearnerRow learner(ResultSet row) throws SQLException {
    return new LearnerRow(
        new LearnerEpoch(row.getLong("epoch")), new LearnerId(row.getString("learner_id")));
  }

  private static Optional<Long> optionalLong(ResultSet row, String column) throws SQLException {
    long value = row.getLong(column);
    return row.wasNull() ? Optional.empty() : Optional.of(value);
  }
}
