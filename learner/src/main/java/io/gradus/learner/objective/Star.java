package io.gradus.learner.objective;

import io.gradus.policy.training.LossValue;
import io.gradus.policy.training.TokenLoss;
import java.util.List;
import org.bytedeco.pytorch.Scalar;

/// Negative log-likelihood of verified completions, a mean over all completion tokens of the step.
///
/// Sources: STaR, arXiv 2203.14465; the weighting by what a trajectory exceeds its group by,
/// Quiet-STaR, arXiv 2403.09629, equation 6. Whether trajectories are drawn uniformly or balanced
/// over strata is decided where they are drawn, and enters here no second time.
///
/// @param weighting what the loss of a trajectory is multiplied by
public record Star(Weighting weighting) implements Objective {

  /// What the loss of a trajectory is multiplied by.
  public enum Weighting {
    /// 1.
    ONE,
    /// `max(0, r - p)`, r its reward and p the pass rate of its group.
    REWARD_ABOVE_PASS_RATE
  }

  /// The likelihood of text that is right by construction.
  public static Star likelihood() {
    return new Star(Weighting.ONE);
  }

  @Override
  public List<Example> examples(
      List<RecordedTrajectory> trajectories, int member, double passRate) {
    RecordedTrajectory trajectory =
        trajectories.stream()
            .filter(candidate -> candidate.member() == member)
            .findFirst()
            .orElseThrow(() ->
                new IllegalArgumentException(
                    "member %d is used but the group has no such trajectory".formatted(member)));
    if (!trajectory.isRight()) {
      // A wrong one would teach the very mistakes that verification is there to keep out.
      throw new IllegalArgumentException(
          "member %d is used but its verdict is not right".formatted(member));
    }
    float weight =
        switch (weighting) {
          case ONE -> 1;
          case REWARD_ABOVE_PASS_RATE -> (float) Math.max(0, trajectory.reward() - passRate);
        };
    return List.of(new Example(trajectory.row(), weight, trajectory.behaviorLogprobs()));
  }

  @Override
  public TokenLoss loss(List<Example> examples) {
    var weights = new float[examples.size()];
    boolean isUnweighted = true;
    for (int i = 0; i < weights.length; i++) {
      weights[i] = examples.get(i).coefficient();
      isUnweighted &= weights[i] == 1;
    }
    if (isUnweighted) {
      return leaves ->
          LossValue.of(leaves.logp().sum().mul(new Scalar(-1.0 / leaves.batchTokens())));
    }
    return leaves ->
        LossValue.of(
            leaves
                .logp()
                .mul(leaves.perRow(weights))
                .sum()
                .mul(new Scalar(-1.0 / leaves.batchTokens())));
  }
}
