package io.gradus.worker.engine;

/// How the orders of one call are sampled.
///
/// @param seed of the run; with group, member and token it gives every random number
/// @param temperature 0 is greedy
/// @param topK 0 is off
/// @param topP 1 is off
public record SamplingRule(long seed, float temperature, int topK, float topP) {

  /// The most likely token at every position.
  public static SamplingRule greedy(long seed) {
    return new SamplingRule(seed, 0, 0, 1);
  }
}
