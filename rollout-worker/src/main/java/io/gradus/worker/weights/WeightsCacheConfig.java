package io.gradus.worker.weights;

import java.nio.file.Path;
import java.time.Duration;

/// Settings of the cache for checkpoints that are fetched.
///
/// @param directory of this worker alone; kept across its restarts
/// @param maxBytes the most that its files take up; room for two checkpoints at least, since one is
///   in use while the next one comes
/// @param chunkTimeout how long a chunk, or the digests of a file, may take
public record WeightsCacheConfig(Path directory, long maxBytes, Duration chunkTimeout) {

  public WeightsCacheConfig {
    if (maxBytes < 1) {
      throw new IllegalArgumentException(
          "weights_cache.max_bytes is %d but must be positive".formatted(maxBytes));
    }
    if (!chunkTimeout.isPositive() || chunkTimeout.compareTo(Duration.ofDays(1)) > 0) {
      throw new IllegalArgumentException(
          "weights_cache.chunk_timeout is %s but must be positive, and a day at most"
              .formatted(chunkTimeout));
    }
  }

  /// The defaults for a cache of so many bytes.
  public static WeightsCacheConfig of(Path directory, long maxBytes) {
    return new WeightsCacheConfig(directory, maxBytes, Duration.ofMinutes(1));
  }
}
