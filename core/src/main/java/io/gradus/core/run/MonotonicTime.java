package io.gradus.core.run;

import java.time.Duration;

/// Monotonic time of one incarnation; means nothing to another one and is never stored.
public record MonotonicTime(long nanos) implements Comparable<MonotonicTime> {

  public MonotonicTime plus(Duration duration) {
    return new MonotonicTime(Math.addExact(nanos, duration.toNanos()));
  }

  /// Time from `earlier` to this; negative when this is before it.
  public Duration since(MonotonicTime earlier) {
    return Duration.ofNanos(Math.subtractExact(nanos, earlier.nanos));
  }

  @Override
  public int compareTo(MonotonicTime other) {
    return Long.compare(nanos, other.nanos);
  }
}
