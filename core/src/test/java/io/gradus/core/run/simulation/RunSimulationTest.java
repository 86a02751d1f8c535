package io.gradus.core.run.simulation;

import static org.assertj.core.api.Assertions.assertThat;

import io.gradus.core.ledger.RunState;
import io.gradus.core.run.RunDecider;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.TreeSet;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// The decider under many seeds: every law of the design holds after every event, and the run ends
/// once faults are over.
///
/// `-Dseed=N` replays one seed and prints its trace; `-Dseeds=N` runs that many.
class RunSimulationTest {

  private static final long SEEDS = 2_400;

  /// Lines of a trace that are shown of a seed that failed.
  private static final int LAST_LINES = 60;

  @Test
  void everyLawHoldsHoweverThingsGoWrong() {
    Optional<Long> replayed = Optional.ofNullable(Long.getLong("seed"));
    replayed.ifPresent(seed -> traceOf(seed).forEach(System.out::println));

    Optional<String> failure =
        replayed
            .map(LongStream::of)
            .orElse(LongStream.range(0, Long.getLong("seeds", SEEDS)))
            .parallel()
            .mapToObj(RunSimulationTest::failureOf)
            .flatMap(Optional::stream)
            .findFirst();

    assertThat(failure).isEmpty();
  }

  private static Optional<String> failureOf(long seed) {
    try {
      var _ = new SimulatedRun(seed, RunDecider::open, false).run();
      return Optional.empty();
    } catch (RuntimeException broken) {
      List<String> trace = traceOf(seed);
      List<String> last = trace.subList(Math.max(0, trace.size() - LAST_LINES), trace.size());
      return Optional.of(
          "seed %d, replay it with -Dseed=%d: %s\n%s"
              .formatted(seed, seed, broken, String.join("\n", last)));
    }
  }

  private static List<String> traceOf(long seed) {
    var run = new SimulatedRun(seed, RunDecider::open, true);
    try {
      var _ = run.run();
    } catch (RuntimeException broken) {
      run.time().note(broken::toString);
    }
    return run.trace();
  }

  @ParameterizedTest(name = "seed {0}")
  @ValueSource(longs = {0, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144})
  void theSameSeedIsTheSameRun(long seed) {
    assertThat(traceOf(seed)).isEqualTo(traceOf(seed));
  }

  @Test
  void everyTransitionAndEveryEndIsReached() {
    var transitions = new TreeSet<String>();
    var ends = EnumSet.noneOf(RunState.class);
    var incarnations = new ArrayList<Integer>();

    for (long seed = 0; seed < 500; seed++) {
      SimulatedRun.Result result = new SimulatedRun(seed, RunDecider::open, false).run();
      transitions.addAll(result.run().transitions().keySet());
      ends.add(result.run().state());
      incarnations.add(result.incarnations());
    }

    assertThat(ends)
        .containsExactlyInAnyOrder(
            RunState.COMPLETED, RunState.STOPPED, RunState.FAILED, RunState.CANCELLED);
    assertThat(incarnations).anyMatch(count -> count > 3);
    assertThat(transitions)
        .containsExactlyInAnyOrder(
            "NONE>LEASED",
            "LEASED>PENDING(WORKER_LOST)",
            "LEASED>PENDING(WORKER_DIED)",
            "LEASED>PENDING(SUSPECT)",
            "LEASED>PENDING(NO_PROGRESS)",
            "LEASED>PENDING(WORKER_FAILED)",
            "LEASED>PENDING(PAUSED)",
            "LEASED>PENDING(TOO_FEW_MEMBERS)",
            "LEASED>ACCEPTED",
            "LEASED>FILTERED(NO_VARIANCE)",
            "LEASED>FILTERED(NONE_RIGHT)",
            "LEASED>STALE(TOO_OLD)",
            "LEASED>FAILED(WORKER_LOST)",
            "LEASED>FAILED(POISON_TASK)",
            "LEASED>FAILED(NO_PROGRESS)",
            "LEASED>FAILED(WORKER_FAILED)",
            "LEASED>FAILED(TOO_FEW_MEMBERS)",
            "LEASED>EVALUATED",
            "LEASED>CANCELLED",
            "PENDING>LEASED",
            "PENDING>LEASED(WORKER_DIED)",
            "PENDING>LEASED(SUSPECT)",
            "PENDING>CANCELLED",
            "ACCEPTED>TRAINED",
            "ACCEPTED>STALE(TOO_OLD)",
            "ACCEPTED>STALE(DISPLACED)",
            "ACCEPTED>FAILED(POISON_BATCH)",
            "ACCEPTED>CANCELLED");
  }
}
