package io.gradus.worker.lease;

import io.gradus.core.group.GroupId;
import io.gradus.core.group.GroupPurpose;
import io.gradus.core.group.LeaseId;
import io.gradus.core.policy.PolicyVersion;
import io.gradus.core.task.Problem;
import io.gradus.core.task.Task;
import io.gradus.worker.run.RunAssignment;
import java.util.List;
import java.util.Optional;

/// A group that this worker may sample.
///
/// @param members indices of the trajectories to sample, rising
/// @param pinned the version to sample with; absent: the newest that the worker has
public record LeasedGroup(
    RunAssignment run,
    GroupId group,
    LeaseId lease,
    Task task,
    GroupPurpose purpose,
    List<Integer> members,
    Optional<PolicyVersion> pinned) {

  public LeasedGroup {
    members = List.copyOf(members);
    if (members.isEmpty()) {
      throw new IllegalArgumentException("lease %s asks for no member".formatted(lease));
    }
    if (task.source() >= run.families().size()) {
      throw new IllegalArgumentException(
          "lease %s names task source %d but run %s has %d"
              .formatted(lease, task.source(), run.runId(), run.families().size()));
    }
  }

  /// The problem that run, purpose and task name.
  public Problem problem() {
    return run.families()
        .get(task.source())
        .problem(run.seed(), purpose, task.stratum(), task.index());
  }
}
