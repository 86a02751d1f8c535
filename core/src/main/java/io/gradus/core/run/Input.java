package io.gradus.core.run;

import io.gradus.core.batch.BatchDigest;
import io.gradus.core.batch.BatchNumber;
import io.gradus.core.group.GroupId;
import io.gradus.core.group.LeaseId;
import io.gradus.core.group.Outcome;
import io.gradus.core.group.PayloadDigest;
import io.gradus.core.group.SessionId;
import io.gradus.core.group.WorkerId;
import io.gradus.core.policy.LearnerEpoch;
import io.gradus.core.policy.LearnerId;
import io.gradus.core.policy.Manifest;
import io.gradus.core.policy.PolicyVersion;
import java.util.List;
import java.util.Map;

/// What can happen to a run.
public sealed interface Input {

  /// Time passed. Sent several times a second; all deadlines are checked here alone, after the
  /// inputs queued before it.
  record Tick() implements Input {}

  /// A worker's stream opened. Nothing is granted before its first [Heartbeat].
  record WorkerJoined(SessionId session, WorkerId worker, int slots) implements Input {}

  /// A worker's stream broke or ended: its leases return at once.
  record WorkerLeft(SessionId session, Departure departure) implements Input {}

  /// How a worker left.
  enum Departure {
    /// It opened another stream.
    MOVED,
    /// Its stream ended, and it has opened no other: it may have died of what it sampled.
    LOST
  }

  /// The pool gave the slots of a worker to other runs. It is granted nothing more, and its session
  /// ends with [Effect.EndSession] if no lease of it is left. If one is, it is asked again later: a
  /// lease that is on its way to the worker is known here alone.
  record LeaveRequested(SessionId session) implements Input {}

  /// A worker lives.
  ///
  /// @param credits groups that it takes now, beyond those it holds
  /// @param progress the leases it holds; only these are renewed
  record Heartbeat(SessionId session, int credits, Map<LeaseId, Long> progress) implements Input {}

  /// A worker uses these weights from now on.
  record VersionLoaded(SessionId session, PolicyVersion version) implements Input {}

  /// A payload is durable, or will be in the same commit as the decision.
  ///
  /// @param oldestVersion version of the oldest token
  record GroupSubmitted(
      RequestId request,
      GroupId group,
      LeaseId lease,
      PayloadDigest digest,
      PolicyVersion oldestVersion,
      List<Outcome> outcomes)
      implements Input {

    public GroupSubmitted {
      outcomes = List.copyOf(outcomes);
    }
  }

  /// A worker gives a lease back for a reason of infrastructure.
  record GroupFailed(SessionId session, GroupId group, LeaseId lease) implements Input {}

  /// A learner asks for a session.
  ///
  /// @param damaged versions whose checkpoints it could not read
  record LearnerJoined(RequestId request, LearnerId learner, List<PolicyVersion> damaged)
      implements Input {

    public LearnerJoined {
      damaged = List.copyOf(damaged);
    }
  }

  /// The learner's batch stream broke or ended.
  record LearnerLeft(LearnerEpoch epoch) implements Input {}

  /// The learner has room for further batches.
  ///
  /// @param from the first batch it lacks; repeated batches are released again
  record BatchesWanted(LearnerEpoch epoch, BatchNumber from, int credits) implements Input {}

  /// The learner applied a batch.
  record BatchApplied(
      RequestId request,
      LearnerEpoch epoch,
      BatchNumber batch,
      BatchDigest digest,
      int steps,
      int skippedSteps,
      long tokens,
      int sequences)
      implements Input {}

  /// The learner could not apply a batch.
  record BatchFailed(RequestId request, LearnerEpoch epoch, BatchNumber batch, String message)
      implements Input {}

  /// The learner wrote a checkpoint.
  record PolicyPublished(
      RequestId request, LearnerEpoch epoch, Manifest manifest, PolicyVersion parent)
      implements Input {}

  /// A person pauses the run.
  ///
  /// @param revokes whether its leases are taken back rather than waited for
  record PauseRequested(RequestId request, boolean revokes) implements Input {}

  /// A person lets it go on.
  record ResumeRequested(RequestId request) implements Input {}

  /// A person ends it.
  record CancelRequested(RequestId request, String reason) implements Input {}
}
