package io.gradus.coordinator.run;

import io.gradus.coordinator.wire.OnTheWire;
import io.gradus.core.batch.BatchNumber;
import io.gradus.core.group.GroupId;
import io.gradus.core.group.LeaseId;
import io.gradus.core.ledger.VersionRow;
import io.gradus.core.policy.LearnerEpoch;
import io.gradus.core.policy.PolicyVersion;
import io.gradus.core.run.RunView;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// What a run answers; sent after the commit that it speaks of.
public sealed interface RunAnswer extends OnTheWire {

  /// What became of each group of [RunCommand.SubmitGroups], in their order.
  record Submitted(List<GroupOutcome> outcomes) implements RunAnswer {

    public Submitted {
      outcomes = List.copyOf(outcomes);
    }
  }

  /// What became of one group.
  record GroupOutcome(GroupId group, LeaseId lease, Kind kind, String message) {

    /// In short what [io.gradus.core.run.Admission] says.
    public enum Kind {
      ACCEPTED,
      FILTERED,
      STALE,
      DUPLICATE,
      EVALUATED,
      INCOMPLETE,
      REFUSED,
      /// Its payload is not where it was said to be, such as on the run's own node: nothing was
      /// decided.
      ABSENT
    }
  }

  /// A learner's session.
  record LearnerJoined(
      LearnerEpoch epoch,
      Optional<VersionRow> checkpoint,
      Optional<VersionRow> base,
      BatchNumber nextBatch,
      PolicyVersion nextVersion)
      implements RunAnswer {}

  /// A publication took place.
  record Published(PolicyVersion version, PolicyVersion nextVersion) implements RunAnswer {}

  /// A yes.
  record Acknowledged() implements RunAnswer {}

  /// A no.
  ///
  /// @param reason in UPPER_SNAKE, what clients branch on
  record Refused(String reason, String message, Map<String, String> details) implements RunAnswer {

    /// The run recovers; the same request may succeed in a moment.
    public static final String RECOVERING = "RUN_RECOVERING";

    /// Too many commands wait.
    public static final String BUSY = "RUN_BUSY";

    /// The run is over.
    public static final String ENDED = "RUN_ENDED";

    /// There is no such run.
    public static final String NOT_FOUND = "RUN_NOT_FOUND";

    public Refused {
      details = Map.copyOf(details);
    }
  }

  /// Where a run stands.
  ///
  /// @param revision the commit that it was taken at
  record Progress(
      String runId, long revision, Instant submitted, RunView view, LearnerSummary learner)
      implements RunAnswer {}
}
