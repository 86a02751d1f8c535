package io.gradus.cli.role;

import io.gradus.run.v1.RunProgress;
import io.gradus.run.v1.RunState;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/// Which run a learner without one of its own takes next.
final class LearnerRuns {

  private LearnerRuns() {}

  /// The oldest run that goes on and has no learner; if all have one, the oldest of those.
  ///
  /// A run that has just moved to another coordinator takes the learner that it had for joined
  /// until that has been silent for a while; the same learner takes its place back at once, and
  /// another one is refused.
  ///
  /// @param newestFirst what a coordinator lists
  /// @param passedOver runs that another learner turned out to work on
  static Optional<String> next(List<RunProgress> newestFirst, Set<String> passedOver) {
    return newestFirst.reversed().stream()
        .filter(run -> run.getState() == RunState.RUN_STATE_RUNNING)
        .filter(run -> !passedOver.contains(run.getRunId()))
        // Stable: the oldest stays first among equals.
        .sorted(Comparator.comparing(run -> run.getLearner().getJoined()))
        .map(RunProgress::getRunId)
        .findFirst();
  }
}
