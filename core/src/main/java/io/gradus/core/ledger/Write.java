package io.gradus.core.ledger;

import io.gradus.core.group.GroupId;
import io.gradus.core.group.LeaseId;
import io.gradus.core.group.PayloadDigest;
import java.util.List;

/// One change of the ledger; the writes of one decision are applied in order, in one transaction.
public sealed interface Write {

  /// Inserts or replaces the run row. At most one in a decision, the last of its kind wins.
  record PutRun(RunRow row) implements Write {}

  /// Inserts or replaces a group.
  record PutGroup(GroupRow row) implements Write {}

  /// Requires the payload row of (group, lease) with this digest; without it the transaction fails
  /// (G2). Comes before the [PutGroup] that it admits.
  record RequirePayload(GroupId group, LeaseId lease, PayloadDigest digest) implements Write {}

  /// Inserts a lease.
  record PutLease(LeaseRow row) implements Write {}

  /// Inserts or replaces a binding of a batch.
  record PutBatch(BatchRow row) implements Write {}

  /// Inserts the uses of a binding.
  record PutUses(List<UseRow> rows) implements Write {

    public PutUses {
      rows = List.copyOf(rows);
    }
  }

  /// Inserts or replaces a version.
  record PutVersion(VersionRow row) implements Write {}

  /// Inserts or replaces a stratum.
  record PutStratum(StratumRow row) implements Write {}

  /// Inserts or replaces an evaluation, by (version, confirmation, set).
  record PutEvaluation(EvaluationRow row) implements Write {}

  /// Replaces the learner session.
  record PutLearner(LearnerRow row) implements Write {}

  /// Deletes payloads: those of terminal groups that no rollback can ask for again, and those that
  /// lost against another lease.
  record SweepPayloads(List<GroupId> groups) implements Write {

    public SweepPayloads {
      groups = List.copyOf(groups);
    }
  }
}
