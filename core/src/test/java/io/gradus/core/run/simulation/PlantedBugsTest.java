package io.gradus.core.run.simulation;

import static org.assertj.core.api.Assertions.assertThat;

import io.gradus.core.run.Decider;
import java.util.List;
import org.junit.jupiter.api.Test;

/// The laws are worth something: whatever sentence of the design is broken, the simulation says so.
class PlantedBugsTest {

  /// Seeds after which a bug counts as not caught.
  private static final long MOST_SEEDS = 1_500;

  @Test
  void theSimulationCatchesEveryBug() {
    List<String> survivors =
        PlantedBugs.all().parallelStream()
            .filter(bug -> !isCaught(bug))
            .map(PlantedBug::name)
            .toList();

    assertThat(survivors).isEmpty();
  }

  private static boolean isCaught(PlantedBug bug) {
    Decider.Factory mutant = new MutantLoader(MutantCompiler.compile(bug)).factory();
    for (long seed = 0; seed < MOST_SEEDS; seed++) {
      try {
        var _ = new SimulatedRun(seed, mutant, false).run();
      } catch (RuntimeException _) {
        return true;
      }
    }
    return false;
  }

  @Test
  void bugsAreManyAndNamed() {
    List<PlantedBug> bugs = PlantedBugs.all();

    assertThat(bugs).hasSizeGreaterThanOrEqualTo(100);
    assertThat(bugs.stream().map(PlantedBug::name)).doesNotHaveDuplicates();
  }
}
