package io.gradus.learner.batch;

import io.gradus.core.batch.BatchDigest;
import io.gradus.core.batch.BatchNumber;
import io.gradus.learner.objective.Example;
import io.gradus.learner.objective.Objective;
import java.util.List;

/// A batch, ready for the optimizer.
///
/// @param digest as recomputed here from what was received or generated
/// @param isWarmUp whether it is gold text
/// @param objective what its examples are trained by
/// @param units examples of each use, in the order of the draw; a unit is never split
/// @param minibatches optimizer steps a pass
/// @param epochs passes
/// @param round from 1; 0 where there are none
/// @param restartFromBase whether weights and optimizer become those of the base first
/// @param publish whether a publication follows it
/// @param durable whether that one is durable
public record TrainingBatch(
    BatchNumber number,
    BatchDigest digest,
    boolean isWarmUp,
    Objective objective,
    List<List<Example>> units,
    int minibatches,
    int epochs,
    int round,
    int indexInRound,
    int batchesInRound,
    boolean restartFromBase,
    boolean publish,
    boolean durable) {

  public TrainingBatch {
    units = List.copyOf(units);
    if (units.isEmpty() || minibatches < 1 || epochs < 1) {
      throw new IllegalArgumentException(
          "batch %d has %d units, %d minibatches and %d epochs; at least one of each"
              .formatted(number.value(), units.size(), minibatches, epochs));
    }
  }

  /// Optimizer steps that it is worth.
  public int steps() {
    return minibatches * epochs;
  }
}
