package io.gradus.core.curriculum;

/// What is known of a pass rate: decayed counts of right and wrong trajectories, a Beta posterior
/// together with a prior of known mean.
///
/// The mean is `(right + s·m) / (right + wrong + s)`, m the mean of the prior and s = [#STRENGTH]
/// its weight in trajectories.
///
/// @param right decayed count of right trajectories
/// @param wrong decayed count of the others
public record Posterior(double right, double wrong) {

  /// Trajectories that the prior counts for.
  public static final double STRENGTH = 2;

  /// Below it the counts say nothing yet.
  private static final double LEAST_EVIDENCE = 1;

  public Posterior {
    if (!(right >= 0 && wrong >= 0 && Double.isFinite(right + wrong))) {
      throw new IllegalArgumentException(
          "counts of a posterior are %s right and %s wrong".formatted(right, wrong));
    }
  }

  static Posterior unseen() {
    return new Posterior(0, 0);
  }

  Posterior with(int newRight, int newWrong) {
    return new Posterior(right + newRight, wrong + newWrong);
  }

  Posterior decayed(double factor) {
    return new Posterior(right * factor, wrong * factor);
  }

  boolean hasEvidence() {
    return right + wrong >= LEAST_EVIDENCE;
  }

  double mean(double prior) {
    return (right + STRENGTH * prior) / (right + wrong + STRENGTH);
  }
}
