package io.gradus.policy.sampling;

/// How tokens are drawn.
///
/// Filters apply in the order top-k, top-p, min-p to the distribution at the temperature, as in
/// transformers, each to what the one before left.
///
/// @param temperature divisor of the logits; 0 takes the most probable token
/// @param topK keep the k most probable tokens; 0 keeps all
/// @param topP keep the most probable tokens that together reach this mass; 1 keeps all
/// @param minP keep tokens at least this fraction as probable as the most probable; 0 keeps all
public record SamplingParameters(double temperature, int topK, double topP, double minP) {

  public SamplingParameters {
    if (!(temperature >= 0 && temperature <= 100)) {
      throw new IllegalArgumentException(
          "temperature is %s but must be in [0, 100]; 0 is greedy, the usual value is 1"
              .formatted(temperature));
    }
    if (topK < 0) {
      throw new IllegalArgumentException(
          "top_k is %d but must be at least 0; 0 keeps all tokens".formatted(topK));
    }
    if (!(topP > 0 && topP <= 1)) {
      throw new IllegalArgumentException(
          "top_p is %s but must be in (0, 1]; 1 keeps all tokens".formatted(topP));
    }
    if (!(minP >= 0 && minP <= 1)) {
      throw new IllegalArgumentException(
          "min_p is %s but must be in [0, 1]; 0 keeps all tokens".formatted(minP));
    }
  }

  /// Draws from the whole distribution at `temperature`.
  public static SamplingParameters unfiltered(double temperature) {
    return new SamplingParameters(temperature, 0, 1, 0);
  }

  /// Takes the most probable token each time.
  public static SamplingParameters greedy() {
    return unfiltered(0);
  }

  public boolean isGreedy() {
    return temperature == 0;
  }

  /// Whether some tokens may be left out.
  public boolean isFiltered() {
    return topK > 0 || topP < 1 || minP > 0;
  }
}
