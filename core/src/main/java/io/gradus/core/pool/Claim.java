package io.gradus.core.pool;

/// What a run asks of its pool.
///
/// @param share weight against other runs
/// @param wanted groups that it would have sampled at once
public record Claim(String runId, double share, int wanted) {

  public Claim {
    if (!(share > 0) || Double.isInfinite(share)) {
      throw new IllegalArgumentException(
          "run %s has a share of %s but it must be above 0".formatted(runId, share));
    }
    if (wanted < 0) {
      throw new IllegalArgumentException("run %s wants %d groups".formatted(runId, wanted));
    }
  }
}
