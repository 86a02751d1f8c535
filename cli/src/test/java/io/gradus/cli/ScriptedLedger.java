package io.gradus.cli;

import io.gradus.coordinator.ledger.CommitFailure;
import io.gradus.coordinator.ledger.CommitListener;
import io.gradus.coordinator.ledger.Incarnation;
import io.gradus.coordinator.ledger.Ledger;
import io.gradus.coordinator.ledger.LedgerConfig;
import io.gradus.coordinator.ledger.Payload;
import io.gradus.coordinator.ledger.Takeover;
import io.gradus.coordinator.spec.RunPlanMapper;
import io.gradus.coordinator.spec.SpecDefaults;
import io.gradus.core.ledger.RunImage;
import io.gradus.core.ledger.Write;
import io.gradus.run.v1.RunSpec;
import io.gradus.testsupport.Journal;
import io.gradus.testsupport.SampledPayload;
import io.gradus.testsupport.ScriptedRun;
import java.nio.file.Path;
import java.time.Clock;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/// The ledger of a run that is played in one thread, as the run itself would have written it.
final class ScriptedLedger implements Journal, AutoCloseable {

  static final String RUN = "addition-1";

  private final Ledger ledger;
  private final RunSpec spec;
  private Incarnation incarnation;

  private ScriptedLedger(Ledger ledger, RunSpec spec, Incarnation incarnation) {
    this.ledger = ledger;
    this.spec = spec;
    this.incarnation = incarnation;
  }

  /// A new ledger with a run in it.
  static ScriptedLedger create(Path file, RunSpec spec) {
    RunSpec effective = SpecDefaults.fill(spec, 2);
    Ledger ledger = Ledger.open(LedgerConfig.sqlite(file), Clock.systemUTC(), System::nanoTime);
    var _ = ledger.createRun(RUN, effective.toByteArray()).toCompletableFuture().join();
    return new ScriptedLedger(
        ledger, effective, ledger.takeOver(RUN).toCompletableFuture().join().incarnation());
  }

  ScriptedRun play() {
    return new ScriptedRun(RUN, RunPlanMapper.planOf(spec), 1, this);
  }

  @Override
  public void commit(List<Write> writes, List<SampledPayload> payloads) {
    var committed = new CompletableFuture<Long>();
    List<Payload> admitted =
        payloads.stream()
            .filter(payload -> writes.stream().anyMatch(write -> admits(write, payload)))
            .map(payload ->
                Payload.of(
                    payload.group(),
                    payload.lease(),
                    payload.digest(),
                    payload.bytes().toByteArray()))
            .toList();
    ledger.append(
        incarnation,
        writes,
        admitted,
        new CommitListener() {
          @Override
          public void committed(long commitSeq) {
            committed.complete(commitSeq);
          }

          @Override
          public void failed(CommitFailure failure, String message) {
            committed.completeExceptionally(new AssertionError(failure + ": " + message));
          }
        });
    var _ = committed.orTimeout(30, TimeUnit.SECONDS).join();
  }

  private static boolean admits(Write write, SampledPayload payload) {
    return write instanceof Write.RequirePayload(var group, var lease, _)
        && group.equals(payload.group())
        && lease.equals(payload.lease());
  }

  @Override
  public RunImage recover() {
    Takeover takeover = ledger.takeOver(RUN).toCompletableFuture().join();
    incarnation = takeover.incarnation();
    return takeover.image();
  }

  @Override
  public void close() {
    ledger.close();
  }
}
