package io.gradus.core.retry;

import java.time.Duration;
import java.util.Optional;

/// Decides when an outage of something that is tried again and again is worth a line in a log: when
/// it begins, then at growing intervals, and when it is over if its beginning was told.
///
/// Intervals double from [#FIRST] to [#LONGEST]. They go on growing over outages that follow each
/// other closely, so that a thing that comes and goes does not fill the log either. Safe for use by
/// several threads.
public final class Outage {

  static final Duration FIRST = Duration.ofSeconds(2);
  static final Duration LONGEST = Duration.ofSeconds(30);

  private boolean isAway;
  private boolean wasTold;
  private long awaySince;
  private long backSince;
  private long dueAt;

  /// Zero until something was told.
  private long pauseNanos;

  /// An attempt failed at `now`, in monotonic nanoseconds.
  ///
  /// @return how long the outage has lasted, if that is to be told now
  public synchronized Optional<Duration> failed(long now) {
    if (!isAway) {
      isAway = true;
      awaySince = now;
      if (pauseNanos != 0 && now - backSince > LONGEST.toNanos()) {
        pauseNanos = 0;
      }
    }
    if (pauseNanos != 0 && now - dueAt < 0) {
      return Optional.empty();
    }
    pauseNanos = pauseNanos == 0 ? FIRST.toNanos() : Math.min(LONGEST.toNanos(), 2 * pauseNanos);
    dueAt = now + pauseNanos;
    wasTold = true;
    return Optional.of(Duration.ofNanos(now - awaySince));
  }

  /// An attempt succeeded at `now`, in monotonic nanoseconds.
  ///
  /// @return how long the outage had lasted, if that is to be told now
  public synchronized Optional<Duration> succeeded(long now) {
    if (!isAway) {
      return Optional.empty();
    }
    isAway = false;
    backSince = now;
    if (!wasTold) {
      return Optional.empty();
    }
    wasTold = false;
    return Optional.of(Duration.ofNanos(now - awaySince));
  }

  /// Whether the newest attempt failed.
  public synchronized boolean isAway() {
    return isAway;
  }
}
