package io.gradus.core.run.simulation;

import static org.assertj.core.api.Assertions.assertThat;

import io.gradus.core.ledger.BatchRow;
import io.gradus.core.run.RunDecider;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.LongStream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// In lockstep the same seed and plan give the same run, whatever the timing and however often
/// everything is killed and goes on from its ledger.
class LockstepSimulationTest {

  @ParameterizedTest(name = "seed {0}")
  @MethodSource("seeds")
  void givesTheSameLeasesAndBatchesWhateverTheTiming(long seed) {
    List<String> first = story(seed, 1, Scenario.Weather.CALM);

    assertThat(story(seed, 2, Scenario.Weather.CALM)).isEqualTo(first);
  }

  @ParameterizedTest(name = "seed {0}")
  @MethodSource("seeds")
  void givesTheSameLeasesAndBatchesAfterKills(long seed) {
    List<String> undisturbed = story(seed, 1, Scenario.Weather.CALM);

    assertThat(story(seed, 2, Scenario.Weather.KILLS)).isEqualTo(undisturbed);
  }

  static LongStream seeds() {
    Long replayed = Long.getLong("seed");
    return replayed != null ? LongStream.of(replayed) : LongStream.range(0, 100);
  }

  /// Leases, batches and the end of a run.
  static List<String> story(long seed, long timing, Scenario.Weather weather) {
    var run =
        new SimulatedRun(
            31 * seed + timing, Scenario.lockstep(seed, weather), RunDecider::open, false);
    SimulatedRun.Result result = run.run();
    ModelLedger rows = run.ledger().rows();
    var story = new ArrayList<String>();
    rows.leases()
        .values()
        .forEach(lease ->
            story.add(
                "%s of %s: %s"
                    .formatted(
                        lease.id(),
                        lease.group(),
                        rows.group(lease.group()).map(group -> group.task()))));
    for (BatchRow batch : rows.batches().values()) {
      story.add(
          "%s, binding %d, %s: %s"
              .formatted(batch.number(), batch.binding(), batch.state(), batch.digest()));
    }
    story.add(result.run().state() + ", " + result.run().reason());
    return story;
  }
}
