package io.gradus.coordinator.audit;

import io.gradus.coordinator.ledger.Ledger;
import io.gradus.coordinator.ledger.LedgerConfig;
import io.gradus.coordinator.ledger.LedgerJournal;
import io.gradus.coordinator.ledger.ReadOnlyLedger;
import io.gradus.coordinator.spec.RunPlanMapper;
import io.gradus.coordinator.spec.SpecDefaults;
import io.gradus.coordinator.spec.Specs;
import io.gradus.run.v1.RunSpec;
import io.gradus.testsupport.ScriptedRun;
import java.nio.file.Path;
import java.time.Clock;
import java.util.function.Consumer;

/// Ledgers of whole runs.
public final class Plays {

  static final String RUN = "run-1";

  /// Expert iteration with hints, warm-up and evaluations.
  public static final RunSpec STAR =
      effective(
          Specs.star(
              """
              tasks {
                addition { last_digits: 6 format: ARITHMETIC_FORMAT_CARRY }
                hinted_share: 0.4
              }
              warm_up { batches: 6 sequences: 16 last_stratum: 3 }
              batch { groups: 8 }
              rollout { max_staleness: 8 max_attempts: 2 lease_ttl { seconds: 3 } }
              replay { window: 24 max_uses: 3 draws_per_sample: 2 }
              publication { every: 2 durable_every: 6 }
              evaluation { last_stratum: 4 problems: 5 every: 8 confirm: 6 threshold: 0.6 }
              stop { batches: 60 digits_handled: 9 }
              seed: 5
              """));

  /// Candidates for the target now and then, of which few are confirmed.
  static final RunSpec CONFIRMATIONS =
      effective(
          Specs.star(
              """
              tasks { addition { last_digits: 4 } }
              batch { groups: 8 }
              rollout { lease_ttl { seconds: 3 } }
              replay { window: 24 }
              publication { every: 2 durable_every: 4 }
              evaluation { last_stratum: 4 problems: 5 every: 4 confirm: 12 threshold: 1 }
              stop { batches: 60 digits_handled: 4 }
              seed: 8
              """));

  /// Policy gradients in several optimizer steps a batch.
  public static final RunSpec GRPO =
      effective(
          Specs.grpo(
              """
              tasks { addition { last_digits: 4 } }
              batch { groups: 4 minibatches: 2 epochs: 2 }
              rollout { group_size: 4 max_staleness: 3 max_attempts: 2 lease_ttl { seconds: 3 } }
              publication { every: 2 durable_every: 4 }
              evaluation { last_stratum: 3 problems: 4 every: 10 confirm: 0 }
              stop { batches: 50 }
              seed: 6
              """));

  /// Rounds that restart from the weights after warm-up.
  public static final RunSpec ROUNDS =
      effective(
          Specs.star(
              """
              tasks { addition { last_digits: 5 } }
              warm_up { batches: 4 sequences: 16 last_stratum: 2 }
              batch { groups: 8 }
              rounds {
                samples_per_stratum: 12 first_batches: 6 growth: 1.5 start: ROUND_START_BASE
              }
              rollout { lease_ttl { seconds: 3 } }
              publication { every: 3 durable_every: 6 }
              stop { batches: 34 }
              seed: 7
              """));

  private Plays() {}

  private static RunSpec effective(RunSpec spec) {
    return SpecDefaults.fill(spec, 2);
  }

  /// Plays a run in a new ledger.
  static void play(Path file, RunSpec spec, long seed, Consumer<ScriptedRun> script) {
    try (Ledger ledger =
        Ledger.open(LedgerConfig.sqlite(file), Clock.systemUTC(), System::nanoTime)) {
      play(ledger, RUN, spec, seed, script);
    }
  }

  /// Plays a run in a ledger that is open.
  public static void play(
      Ledger ledger, String runId, RunSpec spec, long seed, Consumer<ScriptedRun> script) {
    script.accept(
        new ScriptedRun(
            runId,
            RunPlanMapper.planOf(spec),
            seed,
            LedgerJournal.submit(ledger, runId, spec.toByteArray())));
  }

  static AuditReport audit(Path file) {
    try (var reading = ReadOnlyLedger.open(LedgerConfig.sqlite(file))) {
      return done(RunAudit.of(reading.reader(), RUN, _ -> true, System::nanoTime));
    }
  }

  public static AuditReport done(RunAudit.Result result) {
    if (result instanceof RunAudit.Result.Done(var report, _)) {
      return report;
    }
    throw new AssertionError("the audit was not done: " + result);
  }
}
