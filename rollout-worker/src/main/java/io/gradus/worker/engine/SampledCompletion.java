package io.gradus.worker.engine;

import io.gradus.core.task.Ending;

/// What was sampled for an order. Arrays are handed over, not copied.
///
/// @param ids completion, EOS included where it was sampled; at least one
/// @param logprobs natural-log probability of each id at the sampling temperature over the
///   untruncated distribution, recorded when it was sampled
@SuppressWarnings("ArrayRecordComponent")
public record SampledCompletion(int[] ids, float[] logprobs, Ending ending) {

  public SampledCompletion {
    if (ids.length == 0 || ids.length != logprobs.length) {
      throw new IllegalArgumentException(
          "completion of %d ids with %d logprobs".formatted(ids.length, logprobs.length));
    }
  }
}
