package io.gradus.coordinator.run;

import java.util.OptionalDouble;

/// What a learner measured in one batch.
///
/// @param tokens completion tokens trained
/// @param sequences sequences trained
/// @param waitedSeconds time without a batch
/// @param steppedSeconds time in forward, backward and optimizer
public record LearnerFigures(
    OptionalDouble loss,
    OptionalDouble gradientNorm,
    OptionalDouble entropy,
    OptionalDouble clipFraction,
    double learningRate,
    long tokens,
    int sequences,
    double waitedSeconds,
    double steppedSeconds) {

  public static LearnerFigures none() {
    return new LearnerFigures(
        OptionalDouble.empty(),
        OptionalDouble.empty(),
        OptionalDouble.empty(),
        OptionalDouble.empty(),
        0,
        0,
        0,
        0,
        0);
  }
}
