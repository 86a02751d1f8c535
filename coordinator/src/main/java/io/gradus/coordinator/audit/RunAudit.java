package io.gradus.coordinator.audit;

import com.google.protobuf.InvalidProtocolBufferException;
import io.gradus.coordinator.ledger.LedgerException;
import io.gradus.coordinator.ledger.LedgerReader;
import io.gradus.coordinator.ledger.RunScan;
import io.gradus.coordinator.ledger.Scanned;
import io.gradus.coordinator.ledger.StoredRun;
import io.gradus.coordinator.spec.RunPlanMapper;
import io.gradus.core.ledger.RunRow;
import io.gradus.core.ledger.RunState;
import io.gradus.run.v1.RunSpec;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.LongSupplier;

/// Recomputes everything that a run's row says, and every rule of [Rule], from its rows.
public final class RunAudit {

  private static final long PROGRESS_NANOS = Duration.ofSeconds(1).toNanos();

  /// Thrown through the scan when the caller wants no more.
  private static final class StoppedException extends RuntimeException {
    private static final long serialVersionUID = 1L;
  }

  private RunAudit() {}

  /// What became of an audit.
  public sealed interface Result {
    /// It was done.
    record Done(AuditReport report, long rowsRead) implements Result {}

    /// [AuditProgress] wanted no more of it.
    record Stopped() implements Result {}

    /// There is no such run.
    record Absent() implements Result {}
  }

  /// Audits a run as it is now, beside whoever writes. Blocks, and holds a connection to the end.
  ///
  /// @param nanoTime monotonic time
  public static Result of(
      LedgerReader ledger, String runId, AuditProgress progress, LongSupplier nanoTime) {
    var meter = new Meter(progress, nanoTime);
    try {
      return ledger
          .scan(runId, meter::row, scan -> report(runId, scan))
          .<Result>map(report -> new Result.Done(report, meter.rows))
          .orElseGet(Result.Absent::new);
    } catch (StoppedException stopped) {
      return new Result.Stopped();
    }
  }

  /// Counts rows, and tells of them about every second.
  private static final class Meter {
    private final AuditProgress progress;
    private final LongSupplier nanoTime;
    private long toldNanos;
    private long rows;

    private Meter(AuditProgress progress, LongSupplier nanoTime) {
      this.progress = progress;
      this.nanoTime = nanoTime;
      this.toldNanos = nanoTime.getAsLong();
    }

    private void row() {
      rows++;
      long now = nanoTime.getAsLong();
      if (now - toldNanos >= PROGRESS_NANOS) {
        toldNanos = now;
        if (!progress.rowsRead(rows)) {
          throw new StoppedException();
        }
      }
    }
  }

  private static AuditReport report(String runId, RunScan scan) {
    var findings = new Findings();
    return switch (scan.run()) {
      case Scanned.Sound<StoredRun>(var stored) -> {
        String state = stored.row().map(row -> row.state().name()).orElse("NEW");
        yield audited(runId, stored, findings)
            .map(run -> report(run, state, scan))
            .orElseGet(() -> nothing(runId, state, findings));
      }
      case Scanned.Broken<StoredRun>(var message) -> {
        findings.add(Rule.ROW_IS_READABLE, "run", "%s", message);
        yield nothing(runId, "", findings);
      }
      case Scanned.Absent<StoredRun>() -> {
        findings.add(Rule.SPEC_IS_READABLE, "run", "has no spec");
        yield nothing(runId, "", findings);
      }
    };
  }

  private static AuditReport nothing(String runId, String state, Findings findings) {
    return new AuditReport(runId, state, 0, Map.of(), 0, Map.of(), 0, 0, 0, findings.list());
  }

  private static Optional<AuditedRun> audited(String runId, StoredRun stored, Findings findings) {
    try {
      RunSpec spec = RunSpec.parseFrom(stored.spec());
      return Optional.of(
          new AuditedRun(
              runId,
              stored.row().orElseGet(RunAudit::beginning),
              RunPlanMapper.planOf(spec),
              spec.getModel().hasScratch(),
              findings));
    } catch (InvalidProtocolBufferException | IllegalArgumentException damaged) {
      findings.add(
          Rule.SPEC_IS_READABLE,
          "run",
          "its spec is no RunSpec: %s",
          String.valueOf(damaged.getMessage()));
      return Optional.empty();
    }
  }

  /// What a run that was just submitted says of itself.
  private static RunRow beginning() {
    return new RunRow(
        RunState.RUNNING, "", Map.of(), 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, Duration.ZERO);
  }

  private static AuditReport report(AuditedRun run, String state, RunScan scan) {
    var tasks = new TaskAudit(run);
    var evaluations = new EvaluationAudit(run);
    var groups = new GroupAudit(run, tasks, evaluations);
    var batches = new BatchAudit(run);
    var versions = new VersionAudit(run, scan);
    long residual = 0;
    if (isRead(run, () -> scan.strata(tasks::stratum))
        && isRead(run, () -> scan.groups(groups::check))) {
      residual = groups.finish();
    }
    if (isRead(run, () -> scan.batches(batches::check))) {
      batches.finish();
    }
    if (isRead(run, () -> scan.learners(versions::session))
        && isRead(run, () -> scan.versions(versions::check))) {
      versions.finish(batches.settled());
    }
    if (isRead(run, () -> scan.evaluations(row -> evaluations.check(row, versions::batchOf)))) {
      evaluations.finish();
    }
    List<Finding> findings = run.findings().list();
    return new AuditReport(
        run.runId(),
        state,
        groups.rows(),
        groups.labels(),
        batches.uses(),
        batches.states(),
        batches.steps(),
        versions.rows(),
        residual,
        findings);
  }

  /// Reads some rows to their end; what cannot be read is a finding, and the rest is read all the
  /// same.
  private static boolean isRead(AuditedRun run, Runnable reading) {
    try {
      reading.run();
      return true;
    } catch (LedgerException unreadable) {
      run.findings()
          .add(Rule.LEDGER_IS_READABLE, "ledger", "%s", String.valueOf(unreadable.getMessage()));
      return false;
    }
  }
}
