package io.gradus.learner.objective;

/// Group-relative advantages.
final class Advantages {

  /// Added to the standard deviation, as verl does.
  private static final double EPSILON = 1e-6;

  private Advantages() {}

  /// `r - mean`, or `(r - mean) / (std + 1e-6)` with the unbiased standard deviation, over the
  /// recorded members of a group.
  ///
  /// A group whose rewards are all equal carries no signal and yields zeros. So does a group of
  /// one, where implementations differ (verl gives it its reward): a single number says nothing
  /// about its group. Sources: DeepSeekMath (arXiv 2402.03300), section 4.1.2; without the division
  /// Dr. GRPO (arXiv 2503.20783). Accumulation is in double.
  static float[] of(float[] rewardsG, boolean scaleByStd) {
    int n = rewardsG.length;
    var advantagesG = new float[n];
    if (n < 2) {
      return advantagesG;
    }
    double mean = 0;
    for (float reward : rewardsG) {
      mean += reward;
    }
    mean /= n;
    double squares = 0;
    for (float reward : rewardsG) {
      squares += (reward - mean) * (reward - mean);
    }
    double scale = scaleByStd ? Math.sqrt(squares / (n - 1)) + EPSILON : 1;
    boolean allEqual = true;
    for (float reward : rewardsG) {
      allEqual &= reward == rewardsG[0];
    }
    for (int g = 0; g < n && !allEqual; g++) {
      advantagesG[g] = (float) ((rewardsG[g] - mean) / scale);
    }
    return advantagesG;
  }
}
