package io.gradus.policy.training;

/// Settings of AdamW (Loshchilov and Hutter, arXiv 1711.05101), with decay on every parameter as in
/// torch.optim.AdamW.
///
/// @param beta1 decay of the mean of gradients
/// @param beta2 decay of the mean of squared gradients
/// @param epsilon added to the root
/// @param weightDecay fraction of a weight, times the learning rate, taken off each step
/// @param gradientClip bound of the gradient's L2 norm; infinity does not clip
public record OptimizerConfig(
    double beta1, double beta2, double epsilon, double weightDecay, double gradientClip) {

  public OptimizerConfig {
    if (!(beta1 >= 0 && beta1 < 1 && beta2 >= 0 && beta2 < 1)) {
      throw new IllegalArgumentException(
          "beta1 is %s and beta2 %s but both must be in [0, 1); the usual values are 0.9 and 0.999"
              .formatted(beta1, beta2));
    }
    if (!(epsilon > 0 && epsilon < 1)) {
      throw new IllegalArgumentException(
          "epsilon is %s but must be in (0, 1); the usual value is 1e-8".formatted(epsilon));
    }
    if (!(weightDecay >= 0 && weightDecay < 10)) {
      throw new IllegalArgumentException(
          "weight_decay is %s but must be in [0, 10); the usual value is 0.01"
              .formatted(weightDecay));
    }
    if (!(gradientClip > 0)) {
      throw new IllegalArgumentException(
          "gradient_clip is %s but must be above 0; the usual value is 1".formatted(gradientClip));
    }
  }

  /// The defaults of torch.optim.AdamW, and a clip at 1.
  public static OptimizerConfig defaults() {
    return new OptimizerConfig(0.9, 0.999, 1e-8, 0.01, 1);
  }
}
