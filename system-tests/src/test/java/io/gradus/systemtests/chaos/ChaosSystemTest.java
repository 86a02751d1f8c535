package io.gradus.systemtests.chaos;

import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.CleanupMode;
import org.junit.jupiter.api.io.TempDir;

/// A run on a whole cluster goes on after every fault, and what was acknowledged to a witness is in
/// the books afterwards.
///
/// `-Dchaos.seed=N` gives the same faults again, `-Dchaos.minutes=M` goes on for so long,
/// `-Dchaos.faults=PART_HOST,KILL_HOST` chooses kinds. When it fails, what the processes said stays
/// in the directory that the failure names.
@Tag("system")
class ChaosSystemTest {

  private static final long SEED = Long.getLong("chaos.seed", 20_261_125L);

  /// Faults of the short version.
  private static final int FAULTS = Integer.getInteger("chaos.count", 16);

  @TempDir(cleanup = CleanupMode.ON_SUCCESS)
  private Path directory;

  @Test
  void goesOnWhateverHappens() throws Exception {
    endures(step -> step < FAULTS);
  }

  /// The long version: `./mvnw verify -Pchaos -Dchaos.minutes=20 -Dchaos.seed=7`, which runs
  /// nothing else in this module.
  @Test
  @Tag("chaos")
  void goesOnForMinutes() throws Exception {
    long end =
        System.nanoTime() + Duration.ofMinutes(Integer.getInteger("chaos.minutes", 20)).toNanos();
    endures(_ -> System.nanoTime() - end < 0);
  }

  private void endures(Trial.Goal goal) throws Exception {
    new Trial(directory, SEED, kinds(), Optional.empty()).endures(goal);
  }

  private static List<Fault> kinds() {
    String chosen = System.getProperty("chaos.faults", "");
    return chosen.isEmpty()
        ? List.of(Fault.values())
        : Arrays.stream(chosen.split(",")).map(Fault::valueOf).toList();
  }
}
