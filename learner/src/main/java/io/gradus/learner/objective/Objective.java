package io.gradus.learner.objective;

import io.gradus.policy.training.StepResult;
import io.gradus.policy.training.TokenLoss;
import java.util.List;
import java.util.OptionalDouble;

/// What is optimised.
public sealed interface Objective permits Star, Grpo {

  /// The examples of one use of a group.
  ///
  /// @param trajectories all recorded members of the group
  /// @param member the member that is used, or -1 for the whole group
  /// @param passRate share of the group's members that are right
  /// @throws IllegalArgumentException if the objective does not learn from such a use
  List<Example> examples(List<RecordedTrajectory> trajectories, int member, double passRate);

  /// The loss of an optimizer step on `examples`, whose rows are the caller's rows in that order.
  TokenLoss loss(List<Example> examples);

  /// What the objective measured in a step.
  default Measures measures(StepResult step) {
    return Measures.NONE;
  }

  /// What an objective measures beside its loss.
  ///
  /// @param clipFraction share of the tokens whose ratio was clipped
  /// @param kl estimate of the divergence from the behaviour policy, nats a token
  record Measures(OptionalDouble clipFraction, OptionalDouble kl) {

    static final Measures NONE = new Measures(OptionalDouble.empty(), OptionalDouble.empty());
  }
}
