package io.gradus.policy.training;

import io.gradus.policy.nativememory.Scoped;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/// AdamW over one flat buffer; operation for operation what torch.optim.AdamW does to each
/// parameter.
final class AdamW implements AutoCloseable {

  private final OptimizerConfig config;
  private final Tensor mean;
  private final Tensor meanSquare;
  private long steps;

  AdamW(OptimizerConfig config, long size) {
    this.config = config;
    mean = Scoped.keepingResult(() -> torch.zeros(size));
    meanSquare = Scoped.keepingResult(() -> torch.zeros(size));
  }

  /// One step on `weights` along `gradient`.
  void step(Tensor weights, Tensor gradient, double learningRate) {
    steps++;
    double correction1 = 1 - Math.pow(config.beta1(), (double) steps);
    double correction2 = 1 - Math.pow(config.beta2(), (double) steps);
    try (var _ = new PointerScope();
        var _ = new NoGradGuard()) {
      weights.mul_(new Scalar(1 - learningRate * config.weightDecay()));
      mean.lerp_(gradient, new Scalar(1 - config.beta1()));
      meanSquare
          .mul_(new Scalar(config.beta2()))
          .addcmul_(gradient, gradient, new Scalar(1 - config.beta2()));
      Tensor root =
          meanSquare
              .sqrt()
              .div_(new Scalar(Math.sqrt(correction2)))
              .add_(new Scalar(config.epsilon()));
      weights.addcdiv_(mean, root, new Scalar(-learningRate / correction1));
    }
  }

  /// The state as it is; it belongs to this optimizer.
  OptimizerState state() {
    return new OptimizerState(mean, meanSquare, steps);
  }

  /// Back to the state before the first step.
  void reset() {
    steps = 0;
    try (var _ = new PointerScope()) {
      mean.zero_();
      meanSquare.zero_();
    }
  }

  long steps() {
    return steps;
  }

  void setSteps(long count) {
    steps = count;
  }

  @Override
  public void close() {
    mean.close();
    meanSquare.close();
  }
}
