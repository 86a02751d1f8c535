package io.gradus.coordinator.run;

/// What the learner said, averaged over its newest batches; seconds are totals of the incarnation.
public record LearnerSummary(
    double loss,
    double gradientNorm,
    double entropy,
    double clipFraction,
    double learningRate,
    double waitingShare,
    double secondsPerBatch,
    double waitedSeconds,
    double steppedSeconds,
    double publishedSeconds) {

  static LearnerSummary none() {
    return new LearnerSummary(0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
  }
}
