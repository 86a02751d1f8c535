package io.gradus.policy.sampling;

/// One sampled answer.
///
/// @param tokenIds sampled ids, with the EOS if there was one
/// @param logprobs natural logarithm of each token's probability when it was sampled, at the
///   sampling temperature (1 if greedy) over the whole vocabulary; as long as `tokenIds`. Recorded
///   here and never recomputed: it is the denominator of the importance ratio
/// @param filteredLogprobs the same over the tokens that the filters left; empty without filters
/// @param finish why it ended
@SuppressWarnings("ArrayRecordComponent") // A carrier between two stages, compared by nobody.
public record Completion(
    int[] tokenIds, float[] logprobs, float[] filteredLogprobs, FinishReason finish) {

  public Completion {
    if (tokenIds.length == 0 || tokenIds.length != logprobs.length) {
      throw new IllegalArgumentException(
          "%d token ids and %d logprobs; there must be as many of each, and at least one"
              .formatted(tokenIds.length, logprobs.length));
    }
    if (filteredLogprobs.length != 0 && filteredLogprobs.length != tokenIds.length) {
      throw new IllegalArgumentException(
          "%d token ids and %d filtered logprobs; there must be as many of each, or none"
              .formatted(tokenIds.length, filteredLogprobs.length));
    }
  }
}
