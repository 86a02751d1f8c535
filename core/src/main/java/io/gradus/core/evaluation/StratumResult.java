package io.gradus.core.evaluation;

/// Greedy answers in one stratum.
///
/// @param answered problems answered so far
public record StratumResult(int source, int stratum, int right, int answered) {

  public StratumResult {
    if (right < 0 || answered < right) {
      throw new IllegalArgumentException("%d of %d are right".formatted(right, answered));
    }
  }
}
