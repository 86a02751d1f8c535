package io.gradus.learner.schedule;

/// The learning rate of each batch.
///
/// Warm-up rises linearly over its first steps and stays at its peak. After it the rate is
/// constant, or falls linearly from nearly the peak to `finalShare` of it, again and again: with n
/// batches in a cycle that of batch i = 1..n is `peak · (1 - (1 - finalShare) · i / n)`. A cycle is
/// a round where there are rounds, so that it begins anew with each.
///
/// @param warmUpBatches batches of gold text, numbers 1 to this
/// @param rampSteps warm-up batches over which the rate rises
/// @param warmUpPeak rate of warm-up after the ramp
/// @param peak rate after warm-up
/// @param cycleBatches batches of a cycle where there are no rounds; 0: the rate is constant
/// @param finalShare last rate of a cycle as a share of the peak
public record LearningRates(
    int warmUpBatches,
    int rampSteps,
    double warmUpPeak,
    double peak,
    int cycleBatches,
    double finalShare) {

  public LearningRates {
    if (warmUpBatches < 0 || rampSteps < 0 || cycleBatches < 0) {
      throw new IllegalArgumentException(
          "warm-up of %d batches with a ramp of %d, cycles of %d batches; none may be negative"
              .formatted(warmUpBatches, rampSteps, cycleBatches));
    }
    if (!(peak > 0) || !(warmUpPeak > 0) || !(finalShare >= 0 && finalShare <= 1)) {
      throw new IllegalArgumentException(
          "learning rates %s in warm-up and %s after it must be above 0, final share %s in [0, 1]"
              .formatted(warmUpPeak, peak, finalShare));
    }
  }

  /// The rate of a batch of gold text.
  ///
  /// @param batch its number, from 1
  public double ofWarmUp(long batch) {
    return rampSteps == 0 ? warmUpPeak : warmUpPeak * Math.min(1, (double) batch / rampSteps);
  }

  /// The rate of a batch of workers' samples.
  ///
  /// @param batch its number
  /// @param indexInRound from 0
  /// @param batchesInRound 0 where there are no rounds
  public double ofReplay(long batch, int indexInRound, int batchesInRound) {
    if (cycleBatches == 0) {
      return peak;
    }
    long length = batchesInRound > 0 ? batchesInRound : cycleBatches;
    long index =
        batchesInRound > 0 ? indexInRound : Math.floorMod(batch - warmUpBatches - 1, length);
    return peak * (1 - (1 - finalShare) * (index + 1) / length);
  }
}
