package io.gradus.core.run;

import io.gradus.core.batch.BatchNumber;
import io.gradus.core.batch.Use;
import io.gradus.core.group.GroupId;
import io.gradus.core.group.GroupPurpose;
import io.gradus.core.group.LeaseId;
import io.gradus.core.group.SessionId;
import io.gradus.core.ledger.BatchRow;
import io.gradus.core.ledger.RunState;
import io.gradus.core.ledger.VersionRow;
import io.gradus.core.policy.LearnerEpoch;
import io.gradus.core.policy.Manifest;
import io.gradus.core.policy.PolicyVersion;
import io.gradus.core.task.Task;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// What the shell does once the writes of the same decision are committed, in order.
public sealed interface Effect {

  /// Sends leases to a worker.
  record GrantLeases(SessionId session, List<Grant> grants) implements Effect {

    public GrantLeases {
      grants = List.copyOf(grants);
    }
  }

  /// One lease.
  ///
  /// @param members members to sample
  /// @param version the version to sample with; absent: the worker's newest
  record Grant(
      GroupId group,
      LeaseId lease,
      GroupPurpose purpose,
      Task task,
      List<Integer> members,
      Optional<PolicyVersion> version) {

    public Grant {
      members = List.copyOf(members);
    }
  }

  /// Tells a worker that leases are lost.
  record RevokeLeases(SessionId session, List<LeaseId> leases, String message) implements Effect {

    public RevokeLeases {
      leases = List.copyOf(leases);
    }
  }

  /// Answers [Input.LeaveRequested]: the session is over.
  record EndSession(SessionId session) implements Effect {}

  /// Tells one worker, or all of them, of weights.
  record AnnounceVersion(Optional<SessionId> session, Manifest manifest) implements Effect {}

  /// Answers [Input.GroupSubmitted].
  record AnswerSubmit(RequestId request, GroupId group, LeaseId lease, Admission admission)
      implements Effect {}

  /// Answers [Input.LearnerJoined].
  ///
  /// @param checkpoint what to load; absent: begin with first weights
  /// @param base what a round that restarts loads
  record AnswerJoin(
      RequestId request,
      LearnerEpoch epoch,
      Optional<VersionRow> checkpoint,
      Optional<VersionRow> base,
      BatchNumber nextBatch,
      PolicyVersion nextVersion)
      implements Effect {}

  /// Sends a batch to the learner's stream.
  record ReleaseBatch(LearnerEpoch epoch, BatchRow batch, List<Use> uses) implements Effect {

    public ReleaseBatch {
      uses = List.copyOf(uses);
    }
  }

  /// Answers [Input.PolicyPublished].
  record AnswerPublish(RequestId request, PolicyVersion version, PolicyVersion nextVersion)
      implements Effect {}

  /// Answers an input that needs no more than a yes.
  record Acknowledge(RequestId request) implements Effect {}

  /// Answers an input with a refusal.
  ///
  /// @param reason in UPPER_SNAKE, what clients branch on
  /// @param details ids for machines
  record Refuse(RequestId request, String reason, String message, Map<String, String> details)
      implements Effect {

    public Refuse {
      details = Map.copyOf(details);
    }
  }

  /// Directories that no row needs any more.
  record DeleteCheckpoints(List<VersionRow> versions) implements Effect {

    public DeleteCheckpoints {
      versions = List.copyOf(versions);
    }
  }

  /// The run is over; nothing follows.
  record EndRun(RunState state, String reason) implements Effect {}
}
