package io.gradus.coordinator.ledger;

import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.function.LongSupplier;

/// Pauses that grow between attempts to write, until a deadline, or until soon after the writing
/// loop is closed.
final class Retry {

  private static final Duration FIRST_PAUSE = Duration.ofMillis(20);
  private static final Duration LONGEST_PAUSE = Duration.ofSeconds(1);

  /// How long a closing loop still tries what fails: whoever closes it has given the work up.
  private static final Duration CLOSES_WITHIN = Duration.ofSeconds(2);

  private final LongSupplier nanoTime;
  private final BooleanSupplier isClosing;
  private final long begunNanos;
  private Duration limit;
  private boolean isLimited;
  private long pauseMillis = FIRST_PAUSE.toMillis();

  Retry(LongSupplier nanoTime, Duration limit, BooleanSupplier isClosing) {
    this.nanoTime = nanoTime;
    this.isClosing = isClosing;
    this.begunNanos = nanoTime.getAsLong();
    this.limit = limit;
  }

  /// Waits before another attempt.
  ///
  /// @return whether there is time for one
  boolean pause() {
    var spent = Duration.ofNanos(nanoTime.getAsLong() - begunNanos);
    if (isClosing.getAsBoolean() && !isLimited) {
      isLimited = true;
      Duration soon = spent.plus(CLOSES_WITHIN);
      limit = soon.compareTo(limit) < 0 ? soon : limit;
    }
    if (spent.plusMillis(pauseMillis).compareTo(limit) > 0) {
      return false;
    }
    try {
      TimeUnit.MILLISECONDS.sleep(pauseMillis);
    } catch (InterruptedException _) {
      Thread.currentThread().interrupt();
      return false;
    }
    pauseMillis = Math.min(2 * pauseMillis, LONGEST_PAUSE.toMillis());
    return true;
  }
}
