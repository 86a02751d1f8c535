package io.gradus.policy.training;

import java.util.Map;
import org.bytedeco.pytorch.Tensor;

/// What an objective says about a micro-batch.
///
/// @param loss a scalar, already divided by constants of the whole batch
/// @param sums named numbers to report, such as a sum of divergences; added up over micro-batches
public record LossValue(Tensor loss, Map<String, Double> sums) {

  public static LossValue of(Tensor loss) {
    return new LossValue(loss, Map.of());
  }
}
