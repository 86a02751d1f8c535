package io.gradus.core.ledger;

import io.gradus.core.group.GroupId;
import io.gradus.core.group.GroupPurpose;
import io.gradus.core.group.GroupState;
import io.gradus.core.group.LeaseId;
import io.gradus.core.group.Outcome;
import io.gradus.core.group.PayloadDigest;
import io.gradus.core.group.StateReason;
import io.gradus.core.group.WorkerId;
import io.gradus.core.policy.PolicyVersion;
import io.gradus.core.task.Task;
import java.util.List;
import java.util.Optional;

/// One group.
///
/// @param size members that it should have
/// @param attempts leases granted so far
/// @param lease newest lease
/// @param worker holder of the newest lease, or of the one that was admitted
/// @param pinnedVersion the version it must be sampled with; absent: the worker's newest
/// @param admitted lease, digest and outcomes of the payload that decided it
public record GroupRow(
    GroupId id,
    GroupPurpose purpose,
    Task task,
    int size,
    GroupState state,
    StateReason reason,
    int attempts,
    LeaseId lease,
    WorkerId worker,
    Optional<PolicyVersion> pinnedVersion,
    Optional<Admitted> admitted) {

  /// The same group in a state.
  public GroupRow in(GroupState state, StateReason reason) {
    return new GroupRow(
        id, purpose, task, size, state, reason, attempts, lease, worker, pinnedVersion, admitted);
  }

  /// The same group with one more lease.
  public GroupRow leasedAgain(LeaseId lease, WorkerId worker) {
    return new GroupRow(
        id,
        purpose,
        task,
        size,
        state,
        reason,
        attempts + 1,
        lease,
        worker,
        pinnedVersion,
        admitted);
  }

  /// The same group, decided by a payload that `worker` sampled.
  public GroupRow withAdmitted(Admitted admitted, WorkerId worker) {
    return new GroupRow(
        id,
        purpose,
        task,
        size,
        state,
        reason,
        attempts,
        lease,
        worker,
        pinnedVersion,
        Optional.of(admitted));
  }

  /// What was admitted.
  ///
  /// @param oldestVersion version of the oldest token
  /// @param outcomes one a trajectory, in the order of members
  public record Admitted(
      LeaseId lease, PayloadDigest digest, PolicyVersion oldestVersion, List<Outcome> outcomes) {

    public Admitted {
      outcomes = List.copyOf(outcomes);
    }
  }
}
