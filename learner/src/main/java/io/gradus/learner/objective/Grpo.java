package io.gradus.learner.objective;

import io.gradus.policy.training.LeafTensors;
import io.gradus.policy.training.LossValue;
import io.gradus.policy.training.StepResult;
import io.gradus.policy.training.TokenLoss;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.ScalarOptional;
import org.bytedeco.pytorch.Tensor;

/// Clipped policy gradient with group-relative advantages.
///
/// With `r = exp(logp - behaviour logp)`, the log ratio clamped to ±20, and A the advantage of the
/// trajectory, the loss of a token is `-min(r A, clip(r, 1 - low, 1 + high) A) - c H`, and the loss
/// of a step the mean over all its completion tokens. Sources: PPO (arXiv 1707.06347), GRPO
/// (2402.03300), the token mean and the wider upper clip DAPO (2503.14476). The ratio is taken to
/// the policy that sampled, so it is itself the correction for stale samples.
///
/// @param clipLow the ratio is at least 1 minus this
/// @param clipHigh and at most 1 plus this
/// @param scaleByStd whether advantages are divided by the group's standard deviation
/// @param entropyCoefficient c, what a nat of entropy is worth
public record Grpo(double clipLow, double clipHigh, boolean scaleByStd, double entropyCoefficient)
    implements Objective {

  private static final String CLIPPED = "clipped";
  private static final String KL = "kl";
  private static final double MAX_LOG_RATIO = 20;
  private static final double MAX_KL = 10;

  public Grpo {
    if (!(clipLow > 0 && clipLow <= 1) || !(clipHigh > 0)) {
      throw new IllegalArgumentException(
          "clip_low is %s but must be in (0, 1], clip_high %s but must be above 0"
              .formatted(clipLow, clipHigh));
    }
    if (!(entropyCoefficient >= 0)) {
      throw new IllegalArgumentException(
          "entropy_coefficient is %s but must not be negative".formatted(entropyCoefficient));
    }
  }

  @Override
  public List<Example> examples(
      List<RecordedTrajectory> trajectories, int member, double passRate) {
    if (member != -1) {
      throw new IllegalArgumentException(
          "member %d is used but this objective learns from whole groups".formatted(member));
    }
    var rewardsG = new float[trajectories.size()];
    for (int g = 0; g < rewardsG.length; g++) {
      rewardsG[g] = trajectories.get(g).reward();
    }
    float[] advantagesG = Advantages.of(rewardsG, scaleByStd);
    var examples = new ArrayList<Example>(rewardsG.length);
    for (int g = 0; g < rewardsG.length; g++) {
      RecordedTrajectory trajectory = trajectories.get(g);
      examples.add(new Example(trajectory.row(), advantagesG[g], trajectory.behaviorLogprobs()));
    }
    return examples;
  }

  @Override
  public TokenLoss loss(List<Example> examples) {
    var advantages = new float[examples.size()];
    var behaviorLogprobs = new ArrayList<float[]>(examples.size());
    for (int i = 0; i < advantages.length; i++) {
      advantages[i] = examples.get(i).coefficient();
      behaviorLogprobs.add(examples.get(i).behaviorLogprobs());
    }
    return new Loss(advantages, behaviorLogprobs);
  }

  @Override
  public Measures measures(StepResult step) {
    return new Measures(mean(step, CLIPPED), mean(step, KL));
  }

  private static OptionalDouble mean(StepResult step, String name) {
    Double sum = step.sums().get(name);
    return sum == null ? OptionalDouble.empty() : OptionalDouble.of(sum / step.tokens());
  }

  private static ScalarOptional bound(double value) {
    return new ScalarOptional(new Scalar(value));
  }

  private final class Loss implements TokenLoss {

    private final float[] advantages;
    private final List<float[]> behaviorLogprobs;

    private Loss(float[] advantages, List<float[]> behaviorLogprobs) {
      this.advantages = advantages;
      this.behaviorLogprobs = behaviorLogprobs;
    }

    @Override
    public boolean needsEntropy() {
      return true;
    }

    @Override
    public LossValue evaluate(LeafTensors leaves) {
      Tensor advantagesN = leaves.perRow(advantages);
      Tensor behaviorN = leaves.perToken(behaviorLogprobs);
      Tensor logRatiosN = leaves.logp().sub(behaviorN);
      Tensor clampedN = logRatiosN.clamp(bound(-MAX_LOG_RATIO), bound(MAX_LOG_RATIO));
      Tensor ratiosN = clampedN.exp();
      Tensor plainN = ratiosN.mul(advantagesN);
      Tensor clippedN = ratiosN.clamp(bound(1 - clipLow), bound(1 + clipHigh)).mul(advantagesN);
      Tensor gainsN = plainN.minimum(clippedN);
      if (entropyCoefficient > 0) {
        gainsN = gainsN.add(leaves.entropy().mul(new Scalar(entropyCoefficient)));
      }
      Tensor loss = gainsN.sum().mul(new Scalar(-1.0 / leaves.batchTokens()));
      try (var _ = new NoGradGuard()) {
        double clipped = clippedN.lt(plainN).sum().item_double();
        // k3 of Schulman's note on approximating KL: samples are of the behaviour policy, so with
        // x = log(current / behaviour) it estimates KL(behaviour || current) by exp(x) - 1 - x.
        double kl =
            clampedN.expm1().sub(clampedN).clamp(bound(-MAX_KL), bound(MAX_KL)).sum().item_double();
        return new LossValue(loss, Map.of(CLIPPED, clipped, KL, kl));
      }
    }
  }
}
