package io.gradus.coordinator.audit;

import static org.assertj.core.api.Assertions.assertThat;

import io.gradus.run.v1.RunSpec;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/// What the real decider writes, whatever happens to its worker and its learner, is sound.
@Timeout(300)
class SoundLedgerTest {

  @TempDir private Path directory;

  /// `-Dseed=N` plays others.
  static Stream<Arguments> plays() {
    long seed = Long.getLong("seed", 1);
    return Stream.of(Plays.STAR, Plays.CONFIRMATIONS, Plays.GRPO, Plays.ROUNDS)
        .map(spec -> Arguments.of(spec, seed));
  }

  @ParameterizedTest(name = "seed {1}")
  @MethodSource("plays")
  void isSoundInTheMiddleAndAtTheEnd(RunSpec spec, long seed) {
    Path file = directory.resolve("ledger.db");

    Plays.play(
        file,
        spec,
        seed,
        run -> {
          run.poison(spec.getWarmUp().getBatches() + 9);
          for (long batches : List.of(1L, 9L, 16L, 23L)) {
            run.untilApplied(batches);
            AuditReport report = Plays.audit(file);
            assertThat(report.findings()).as("at batch " + batches).isEmpty();
            assertThat(report.residual()).isZero();
          }
          run.toTheEnd();
        });

    AuditReport report = Plays.audit(file);
    assertThat(report.findings()).isEmpty();
    assertThat(report.residual()).isZero();
  }
}
