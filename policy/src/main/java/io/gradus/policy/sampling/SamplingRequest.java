package io.gradus.policy.sampling;

/// One completion to be sampled.
///
/// @param promptIds the prompt, at least one id; not copied, so not to be changed
/// @param key names the random numbers
/// @param maxTokens bound of the completion, EOS included
@SuppressWarnings("ArrayRecordComponent") // Compared by nobody; copying every prompt would cost.
public record SamplingRequest(int[] promptIds, SampleKey key, int maxTokens) {

  public SamplingRequest {
    if (promptIds.length == 0) {
      throw new IllegalArgumentException("the prompt of " + key + " is empty");
    }
    if (maxTokens < 1) {
      throw new IllegalArgumentException(
          "max_tokens of %s is %d but must be at least 1".formatted(key, maxTokens));
    }
  }
}
