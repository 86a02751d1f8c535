package io.gradus.coordinator.run;

import akka.actor.typed.ActorRef;
import io.gradus.coordinator.wire.OnTheWire;
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
import java.util.Optional;

/// What a run is told. Ids and numbers only.
public interface RunCommand {

  /// What comes from outside the entity.
  sealed interface FromEdge extends RunCommand, OnTheWire {}

  /// Starts the run if it is not running here; sent every few seconds.
  record Wake() implements FromEdge {}

  /// A worker's stream opened. Answered with [ToWorker.Admitted]; repeated until it is.
  record JoinWorker(WorkerId worker, int slots, ActorRef<ToWorker> stream) implements FromEdge {}

  /// A worker that names no lease of the run has no slots for it any more. Answered with
  /// [ToWorker.UnknownSession] once none is on its way to it either; repeated until it is.
  record LeaveWorker(long epoch, SessionId session, ActorRef<ToWorker> stream)
      implements FromEdge {}

  /// A worker lives; `epoch` names the incarnation that allotted the session.
  record Heartbeat(
      long epoch,
      SessionId session,
      int credits,
      List<LeaseProgress> leases,
      ActorRef<ToWorker> stream)
      implements FromEdge {

    public Heartbeat {
      leases = List.copyOf(leases);
    }
  }

  /// How far a lease has come.
  record LeaseProgress(LeaseId lease, long progress) {}

  /// Asks whether the session is still known; answered only when it is not.
  record CheckSession(long epoch, SessionId session, ActorRef<ToWorker> stream)
      implements FromEdge {}

  /// A worker uses these weights from now on.
  record LoadVersion(long epoch, SessionId session, PolicyVersion version) implements FromEdge {}

  /// A worker gives a lease back for a reason of infrastructure.
  record FailGroup(long epoch, SessionId session, GroupId group, LeaseId lease)
      implements FromEdge {}

  /// Where the payloads of submitted groups are.
  enum Place {
    /// In the staging of the run's own node: they go into the transaction that admits them.
    STAGED,
    /// In the ledger.
    STORED
  }

  /// Groups whose payloads are there. Answered with [RunAnswer.Submitted].
  record SubmitGroups(List<SubmittedGroup> groups, Place place, ActorRef<RunAnswer> replyTo)
      implements FromEdge {

    public SubmitGroups {
      groups = List.copyOf(groups);
    }
  }

  /// What the decider must know of a payload.
  ///
  /// @param oldestVersion version of the oldest token
  record SubmittedGroup(
      GroupId group,
      LeaseId lease,
      PayloadDigest digest,
      PolicyVersion oldestVersion,
      List<Outcome> outcomes) {

    public SubmittedGroup {
      outcomes = List.copyOf(outcomes);
    }
  }

  /// A learner asks for a session. Answered with [RunAnswer.LearnerJoined].
  ///
  /// @param chunkServer where it serves checkpoints over HTTP, if it does
  record JoinLearner(
      LearnerId learner,
      List<PolicyVersion> damaged,
      Optional<String> chunkServer,
      ActorRef<RunAnswer> replyTo)
      implements FromEdge {

    public JoinLearner {
      damaged = List.copyOf(damaged);
    }
  }

  /// A learner's stream has room for further batches.
  ///
  /// @param chunkServer as when it joined: an incarnation that began later knows it by this alone
  record WantBatches(
      LearnerEpoch epoch,
      BatchNumber from,
      int credits,
      Optional<String> chunkServer,
      ActorRef<ToLearner> stream)
      implements FromEdge {}

  /// A batch was applied.
  record ReportBatch(
      LearnerEpoch epoch,
      BatchNumber batch,
      BatchDigest digest,
      int steps,
      int skippedSteps,
      LearnerFigures figures,
      ActorRef<RunAnswer> replyTo)
      implements FromEdge {}

  /// A batch could not be applied.
  record FailBatch(
      LearnerEpoch epoch, BatchNumber batch, String message, ActorRef<RunAnswer> replyTo)
      implements FromEdge {}

  /// A checkpoint was written. Answered with [RunAnswer.Published].
  record PublishPolicy(
      LearnerEpoch epoch,
      Manifest manifest,
      PolicyVersion parent,
      double writtenSeconds,
      ActorRef<RunAnswer> replyTo)
      implements FromEdge {}

  /// A person pauses the run. Answered with [RunAnswer.Progress], like the next three.
  ///
  /// @param revokes whether its leases are taken back rather than waited for
  record Pause(boolean revokes, ActorRef<RunAnswer> replyTo) implements FromEdge {}

  /// A person lets it go on.
  record Resume(ActorRef<RunAnswer> replyTo) implements FromEdge {}

  /// A person ends it.
  record Cancel(String reason, ActorRef<RunAnswer> replyTo) implements FromEdge {}

  /// Asks where the run stands.
  record GetProgress(ActorRef<RunAnswer> replyTo) implements FromEdge {}
}
