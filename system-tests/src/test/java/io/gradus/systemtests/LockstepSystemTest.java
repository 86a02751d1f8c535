package io.gradus.systemtests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// In lockstep a run is a function of its spec and seed, whatever happens to its process.
@Tag("system")
class LockstepSystemTest {

  private static final Duration ENDS_WITHIN = Duration.ofMinutes(3);

  @TempDir private Path directory;

  /// What must be the same.
  private record Trace(List<String> leases, List<String> batches, String weights) {}

  @Test
  void givesTheSameRunTwice() throws Exception {
    Trace first = whole("first", "3");

    Trace second = whole("second", "3");

    assertThat(second.leases()).isEqualTo(first.leases());
    assertThat(second.batches()).isEqualTo(first.batches());
    assertThat(second.weights()).isEqualTo(first.weights());
    assertThat(whole("other", "4").weights()).isNotEqualTo(first.weights());
  }

  @Test
  void givesTheSameRunAcrossAKill() throws Exception {
    Trace undisturbed = whole("undisturbed", "5");
    Path run = directory.resolve("killed");
    try (WitnessLog witness = WitnessLog.open(directory.resolve("witness.jsonl"));
        RunProcess process = start(run, witness.environment(), "5")) {
      await()
          .atMost(ENDS_WITHIN)
          .pollInterval(Duration.ofMillis(1))
          .until(() -> witness.of("batch").size() >= 67 || !process.isAlive());
      assertThat(process.isAlive()).as(process.output()).isTrue();
      process.kill();
    }

    try (RunProcess process =
        RunProcess.start(
            directory.resolve("resumed"), Map.of(), "run", "--resume", run.toString())) {
      assertThat(process.awaitExit(ENDS_WITHIN)).as(process.output()).isEqualTo(0);
    }

    Trace killed = trace(run);
    assertThat(killed.leases()).isEqualTo(undisturbed.leases());
    assertThat(killed.batches()).isEqualTo(undisturbed.batches());
    assertThat(killed.weights()).isEqualTo(undisturbed.weights());
  }

  private RunProcess start(Path run, Map<String, String> environment, String seed)
      throws Exception {
    return RunProcess.start(
        directory.resolve("output-" + run.getFileName()),
        environment,
        "run",
        Specs.write("lockstep", directory).toString(),
        "--seed",
        seed,
        "--run-dir",
        run.toString());
  }

  private Trace whole(String name, String seed) throws Exception {
    Path run = directory.resolve(name);
    try (RunProcess process = start(run, Map.of(), seed)) {
      assertThat(process.awaitExit(ENDS_WITHIN)).as(process.output()).isEqualTo(0);
    }
    return trace(run);
  }

  private static Trace trace(Path run) throws Exception {
    try (LedgerTables ledger = LedgerTables.open(run)) {
      assertThat(ledger.number("select count(distinct batch) from policy_version"))
          .as("publications")
          .isGreaterThanOrEqualTo(5);
      return new Trace(
          ledger.rows(
              """
              select l.lease_id, l.group_id, l.worker_id, g.purpose, g.source, g.stratum,
                g.task_index, g.outcomes
              from lease l join rollout_group g on g.group_id = l.group_id order by l.lease_id\
              """),
          ledger.rows(
              """
              select u.number, u.ordinal, u.group_id, u.lease_id, u.member, u.probability
              from batch_use u join batch b
                on b.number = u.number and b.binding = u.binding and b.state <> 'VOID'
              order by u.number, u.ordinal\
              """),
          digestOfTheNewest(run.resolve("checkpoints")));
    }
  }

  private static String digestOfTheNewest(Path checkpoints) throws Exception {
    try (Stream<Path> entries = Files.list(checkpoints)) {
      Path newest = entries.sorted().toList().getLast();
      return HexFormat.of()
          .formatHex(
              MessageDigest.getInstance("SHA-256")
                  .digest(Files.readAllBytes(newest.resolve("model.safetensors"))));
    }
  }
}
