package io.gradus.systemtests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// A run that is killed more than twenty times, at moments that acknowledgements seen from outside
/// choose, goes on each time and loses nothing that was acknowledged.
@Tag("system")
class KillSystemTest {

  private static final int KILLS = 22;
  private static final Duration STARTS_WITHIN = Duration.ofSeconds(60);
  private static final Duration ENDS_WITHIN = Duration.ofMinutes(5);

  /// `-Dseed=N` kills at the same counts again.
  private static final long SEED = Long.getLong("seed", 17);

  private static final ObjectMapper JSON = new ObjectMapper();

  @TempDir private Path directory;

  @Test
  void losesNothingThatWasAcknowledged() throws Exception {
    Path spec = Specs.write("kill", directory);
    Path run = directory.resolve("run");
    var random = new Random(SEED);
    try (WitnessLog witness = WitnessLog.open(directory.resolve("witness.jsonl"))) {
      for (int kill = 0; kill < KILLS; kill++) {
        Path output = directory.resolve("output-" + kill);
        try (RunProcess process = start(output, witness.environment(), spec, run, kill == 0)) {
          int before = witness.size();
          int more = 1 + random.nextInt(kill % 4 == 0 ? 5 : 260);
          await("kill %d after %d acknowledgements, seed %d".formatted(kill, more, SEED))
              .atMost(STARTS_WITHIN)
              .pollInterval(Duration.ofMillis(1))
              .until(() -> witness.size() >= before + more || !process.isAlive());
          assertThat(process.isAlive())
              .as("the run goes on before kill %d; it said: %s", kill, process.output())
              .isTrue();
          process.kill();
        }
        try (LedgerTables ledger = LedgerTables.open(run)) {
          Acknowledged.areIn(ledger, witness);
        }
        assertThat(audit(run)).as("audit after kill %d", kill).isEqualTo(0);
      }
      Path output = directory.resolve("output-last");
      try (RunProcess process = start(output, witness.environment(), spec, run, false)) {
        assertThat(process.awaitExit(ENDS_WITHIN)).as(process.output()).isEqualTo(0);
      }
      try (LedgerTables ledger = LedgerTables.open(run)) {
        Acknowledged.areIn(ledger, witness);
        isWhole(ledger);
        assertThat(new Provenance(ledger, tokenizer(run)).check(2))
            .as("trajectories of its own that it learned from")
            .isGreaterThan(1000);
      }
      assertThat(audit(run)).as("audit of the whole run").isEqualTo(0);
      JsonNode summary = JSON.readTree(run.resolve("summary.json").toFile());
      assertThat(summary.path("state").asText()).isEqualTo("STOPPED");
      assertThat(summary.path("accounting_residual").asLong(-1)).isZero();
    }
  }

  private static RunProcess start(
      Path output, Map<String, String> environment, Path spec, Path run, boolean isNew)
      throws Exception {
    return isNew
        ? RunProcess.start(output, environment, "run", spec.toString(), "--run-dir", run.toString())
        : RunProcess.start(output, environment, "run", "--resume", run.toString());
  }

  private int audit(Path run) throws Exception {
    Path output = directory.resolve("audit");
    try (RunProcess process =
        RunProcess.start(output, Map.of(), "ledger", "audit", run.toString())) {
      int status = process.awaitExit(STARTS_WITHIN);
      if (status != 0) {
        throw new AssertionError("audit ended with %d: %s".formatted(status, process.output()));
      }
      assertThat(process.output()).contains("residual");
      return status;
    }
  }

  private static JsonNode tokenizer(Path run) throws Exception {
    try (Stream<Path> checkpoints = Files.list(run.resolve("checkpoints"))) {
      Path any = checkpoints.sorted().findFirst().orElseThrow();
      return JSON.readTree(any.resolve("tokenizer.json").toFile());
    }
  }

  private static void isWhole(LedgerTables ledger) throws Exception {
    long batches = ledger.number("select batches_bound from run");
    assertThat(batches).isEqualTo(400);
    assertThat(
            ledger.number(
                "select count(*) from batch where state = 'SETTLED' and applied_by is not null"))
        .as("every batch number has one applied batch")
        .isEqualTo(batches);
    assertThat(ledger.number("select count(distinct number) from batch where state = 'SETTLED'"))
        .isEqualTo(batches);
    Acknowledged.areUsedAtMost(16, ledger);
    assertThat(
            ledger.rows(
                "select group_id from rollout_group where state in ('PENDING','LEASED','ACCEPTED')"))
        .as("no group is open")
        .isEmpty();
  }
}
