package io.gradus.core.retry;

import java.time.Duration;
import java.util.random.RandomGenerator;

/// Waits between attempts: doubling from 50 ms to 5 s, each drawn between half and all of it, so
/// that processes that lost the same coordinator do not come back in step.
public final class Backoff {

  private static final long FIRST_NANOS = Duration.ofMillis(50).toNanos();
  private static final long LONGEST_NANOS = Duration.ofSeconds(5).toNanos();

  private final RandomGenerator random;
  private long next = FIRST_NANOS;

  /// @param random draws each wait
  public Backoff(RandomGenerator random) {
    this.random = random;
  }

  /// The next wait.
  public Duration next() {
    long nanos = next / 2 + random.nextLong(next / 2);
    next = Math.min(LONGEST_NANOS, 2 * next);
    return Duration.ofNanos(nanos);
  }

  /// An attempt succeeded.
  public void reset() {
    next = FIRST_NANOS;
  }
}
