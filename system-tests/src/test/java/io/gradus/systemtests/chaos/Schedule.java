package io.gradus.systemtests.chaos;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

/// Which faults come when: a function of the seed.
///
/// Every kind of fault comes once before one comes again, in an order that the seed gives.
final class Schedule {

  /// Most acknowledgements between the end of a fault and the next one.
  private static final int MOST_BETWEEN = 300;

  private final SplittableRandom random;
  private final List<Fault> kinds;
  private final List<Fault> left = new ArrayList<>();

  /// One fault.
  ///
  /// @param fault its kind
  /// @param choice decides which of several processes it meets, taken modulo their number
  /// @param after acknowledgements that the witness hears before it: it meets commits, publications
  ///   and hand-overs under way
  /// @param lasts how long, where it lasts
  record Step(Fault fault, int choice, int after, Duration lasts) {}

  /// @param kinds the faults to choose from
  Schedule(long seed, List<Fault> kinds) {
    this.random = new SplittableRandom(seed);
    this.kinds = List.copyOf(kinds);
  }

  Step next() {
    if (left.isEmpty()) {
      left.addAll(kinds);
    }
    Fault fault = left.remove(random.nextInt(left.size()));
    long shortest = fault.shortest().toMillis();
    long longest = fault.longest().toMillis();
    return new Step(
        fault,
        random.nextInt(1 << 20),
        random.nextInt(MOST_BETWEEN),
        Duration.ofMillis(shortest + random.nextLong(longest - shortest + 1)));
  }
}
