package io.gradus.learner.link;

import java.time.Duration;
import java.util.random.RandomGenerator;

/// Waits between attempts: doubling from 50 ms to 5 s, each drawn between half and all of it, so
/// that processes that lost the same coordinator do not come back in step.
final class Backoff {

  private static final long FIRST_NANOS = Duration.ofMillis(50).toNanos();
  private static final long LONGEST_NANOS = Duration.ofSeconds(5).toNanos();

  private final RandomGenerator random;
  private long next = FIRST_NANOS;

  Backoff(RandomGenerator random) {
    this.random = random;
  }

  Duration next() {
    long nanos = next / 2 + random.nextLong(next / 2);
    next = Math.min(LONGEST_NANOS, 2 * next);
    return Duration.ofNanos(nanos);
  }

  /// An attempt succeeded.
  void reset() {
    next = FIRST_NANOS;
  }
}
