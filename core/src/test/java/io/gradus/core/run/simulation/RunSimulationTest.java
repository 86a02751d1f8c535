package io.gradus.core.run.simulation;

import static org.assertj.core.api.Assertions.assertThat;

import io.gradus.core.run.RunDecider;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;

/// The decider under many seeds: every law holds after every event, and the run ends once faults
/// are over.
///
/// `-Dseed=N` replays one seed and prints its trace; `-Dseeds=N` runs that many.
class RunSimulationTest {

  private static final long SEEDS = 2_400;

  /// Lines of a trace that are shown of a seed that failed.
  private static final int LAST_LINES = 60;

  @Test
  void everyLawHoldsHoweverThingsGoWrong() {
    Long replayed = Long.getLong("seed");
    if (replayed != null) {
      var run = new SimulatedRun(replayed, RunDecider::open, true);
      try {
        System.out.println(run.run());
      } finally {
        run.trace().forEach(System.out::println);
      }
      return;
    }
    long seeds = Long.getLong("seeds", SEEDS);
    var decisions = new AtomicLong();

    Optional<String> failure =
        LongStream.range(0, seeds)
            .parallel()
            .mapToObj(seed -> attempt(seed, decisions))
            .flatMap(Optional::stream)
            .findFirst();

    assertThat(failure).as("after %d decisions", decisions.get()).isEmpty();
  }

  private static Optional<String> attempt(long seed, AtomicLong decisions) {
    try {
      decisions.addAndGet(new SimulatedRun(seed, RunDecider::open, false).run().decisions());
      return Optional.empty();
    } catch (RuntimeException broken) {
      return Optional.of(
          "seed %d (replay it with -Dseed=%d): %s\n%s"
              .formatted(seed, seed, broken, String.join("\n", lastLines(seed))));
    }
  }

  private static List<String> lastLines(long seed) {
    var run = new SimulatedRun(seed, RunDecider::open, true);
    try {
      run.run();
    } catch (RuntimeException _) {
      // It is the trace that is wanted.
    }
    return run.trace().subList(Math.max(0, run.trace().size() - LAST_LINES), run.trace().size());
  }
}
