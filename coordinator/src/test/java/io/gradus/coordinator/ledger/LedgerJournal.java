package io.gradus.coordinator.ledger;

import io.gradus.core.ledger.RunImage;
import io.gradus.core.ledger.Write;
import io.gradus.testsupport.Journal;
import io.gradus.testsupport.SampledPayload;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/// A ledger as the journal of a scripted run: each decision is a commit.
public final class LedgerJournal implements Journal {

  private final Ledger ledger;
  private final String runId;
  private Incarnation incarnation;

  private LedgerJournal(Ledger ledger, String runId, Incarnation incarnation) {
    this.ledger = ledger;
    this.runId = runId;
    this.incarnation = incarnation;
  }

  /// Submits the run, if it is not there, and takes it over.
  public static LedgerJournal submit(Ledger ledger, String runId, byte[] spec) {
    var _ = ledger.createRun(runId, spec).toCompletableFuture().join();
    return new LedgerJournal(
        ledger, runId, ledger.takeOver(runId).toCompletableFuture().join().incarnation());
  }

  @Override
  public void commit(List<Write> writes, List<SampledPayload> payloads) {
    var committed = new CompletableFuture<Long>();
    List<Payload> admitted =
        payloads.stream()
            .filter(payload ->
                writes.stream()
                    .anyMatch(write ->
                        write instanceof Write.RequirePayload(var group, var lease, _)
                            && group.equals(payload.group())
                            && lease.equals(payload.lease())))
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

  @Override
  public RunImage recover() {
    Takeover takeover = ledger.takeOver(runId).toCompletableFuture().join();
    incarnation = takeover.incarnation();
    return takeover.image();
  }
}
