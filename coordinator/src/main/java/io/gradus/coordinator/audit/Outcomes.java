package io.gradus.coordinator.audit;

import io.gradus.core.batch.Use;
import io.gradus.core.group.Outcome;
import io.gradus.core.group.StateReason;
import io.gradus.core.group.Verdict;
import io.gradus.core.run.RunPlan;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;

/// What follows from the outcomes of a group.
final class Outcomes {

  private Outcomes() {}

  /// Members that can be used alone: [Use#WHOLE_GROUP] for policy gradients, each right trajectory
  /// that carries loss for likelihood objectives.
  static List<Integer> units(RunPlan plan, List<Outcome> outcomes) {
    return switch (plan.unit()) {
      case GROUP -> List.of(Use.WHOLE_GROUP);
      case TRAJECTORY ->
          outcomes.stream()
              .filter(outcome -> outcome.verdict() == Verdict.RIGHT && outcome.tokens() > 0)
              .map(Outcome::member)
              .toList();
    };
  }

  /// Why a group carries no signal; empty when it does.
  static Optional<StateReason> filter(RunPlan plan, List<Outcome> outcomes) {
    return switch (plan.unit()) {
      case TRAJECTORY ->
          units(plan, outcomes).isEmpty() ? Optional.of(StateReason.NONE_RIGHT) : Optional.empty();
      case GROUP ->
          outcomes.stream().filter(o -> o.tokens() > 0).map(Outcome::reward).distinct().count() < 2
              ? Optional.of(StateReason.NO_VARIANCE)
              : Optional.empty();
    };
  }

  /// Completion tokens that carry loss.
  static long tokens(List<Outcome> outcomes) {
    return outcomes.stream().mapToLong(Outcome::tokens).sum();
  }

  static int right(List<Outcome> outcomes) {
    return (int) outcomes.stream().filter(o -> o.verdict() == Verdict.RIGHT).count();
  }

  static double passRate(List<Outcome> outcomes) {
    return (double) right(outcomes) / outcomes.size();
  }

  /// What a use of a unit must say it has.
  static long tokensOf(int member, List<Outcome> outcomes) {
    return member == Use.WHOLE_GROUP
        ? tokens(outcomes)
        : outcomes.stream().filter(o -> o.member() == member).mapToLong(Outcome::tokens).sum();
  }

  /// Whether members are distinct and in rising order.
  static boolean areOrdered(List<Outcome> outcomes) {
    return IntStream.range(1, outcomes.size())
        .allMatch(i -> outcomes.get(i - 1).member() < outcomes.get(i).member());
  }
}
