package io.gradus.core.run.simulation;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.PriorityQueue;
import java.util.SplittableRandom;
import java.util.function.Supplier;

/// The one thread of a simulation: events in the order of virtual time, and the one source of
/// randomness. Equal times are served in the order in which they were asked for, so a seed is a
/// run.
final class VirtualTime {

  private record Event(long nanos, long order, Runnable body) implements Comparable<Event> {

    @Override
    public int compareTo(Event other) {
      int byTime = Long.compare(nanos, other.nanos);
      return byTime != 0 ? byTime : Long.compare(order, other.order);
    }
  }

  private static final long MILLI = 1_000_000;

  private final SplittableRandom random;
  private final PriorityQueue<Event> events = new PriorityQueue<>();
  private final boolean isTraced;
  private final List<String> trace = new ArrayList<>();
  private long nanos;
  private long order;

  VirtualTime(long seed, boolean isTraced) {
    this.random = new SplittableRandom(seed);
    this.isTraced = isTraced;
  }

  /// Nanoseconds since the simulation began.
  long nanos() {
    return nanos;
  }

  void after(Duration delay, Runnable body) {
    at(nanos + delay.toNanos(), body);
  }

  void at(long whenNanos, Runnable body) {
    events.add(new Event(Math.max(nanos, whenNanos), order++, body));
  }

  /// Serves the next event; false when there is none.
  boolean step() {
    Event next = events.poll();
    if (next == null) {
      return false;
    }
    nanos = next.nanos();
    next.body().run();
    return true;
  }

  boolean chance(double probability) {
    return probability > 0 && random.nextDouble() < probability;
  }

  /// From 0, below `bound`.
  int below(int bound) {
    return random.nextInt(bound);
  }

  /// From `low` to `high`, both possible.
  int between(int low, int high) {
    return random.nextInt(low, high + 1);
  }

  double share() {
    return random.nextDouble();
  }

  long bits() {
    return random.nextLong();
  }

  /// A span between two numbers of milliseconds.
  Duration millis(int low, int high) {
    return Duration.ofNanos(random.nextLong(low * MILLI, high * MILLI + 1));
  }

  <T> T oneOf(List<T> values) {
    return values.get(random.nextInt(values.size()));
  }

  /// Notes what happened, for people who replay a seed.
  void note(Supplier<String> line) {
    if (isTraced) {
      trace.add("%10.3f ms  %s".formatted(nanos / 1e6, line.get()));
    }
  }

  List<String> trace() {
    return trace;
  }
}
