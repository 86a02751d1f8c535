package io.gradus.learner.chunks;

import java.util.OptionalLong;

/// Shares a number of bytes a second among all who ask, in the order in which they ask.
///
/// Instead of a bucket of tokens that a timer fills, it keeps the moment at which everything
/// granted so far will have been sent; who asks is told to begin then. What was not used is lost,
/// so there are no bursts.
final class Bandwidth {

  private static final long NANOS = 1_000_000_000;

  /// Absent: no limit.
  private final OptionalLong bytesPerSecond;

  private long free;

  /// @param now monotonic nanoseconds
  Bandwidth(OptionalLong bytesPerSecond, long now) {
    this.bytesPerSecond = bytesPerSecond;
    free = now;
  }

  /// The most that should be asked for at once: a twentieth of a second's worth, so that those who
  /// share it take turns.
  int turn(int most) {
    return bytesPerSecond.isEmpty()
        ? most
        : Math.clamp(bytesPerSecond.getAsLong() / 20, 1 << 10, most);
  }

  /// Grants `bytes`, to be sent after so many nanoseconds.
  synchronized long take(int bytes, long now) {
    if (bytesPerSecond.isEmpty()) {
      return 0;
    }
    long wait = Math.max(0, free - now);
    free = now + wait + bytes * NANOS / bytesPerSecond.getAsLong();
    return wait;
  }
}
