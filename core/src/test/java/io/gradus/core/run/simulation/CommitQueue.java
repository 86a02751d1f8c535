package io.gradus.core.run.simulation;

import io.gradus.core.ledger.Write;
import java.util.ArrayList;
import java.util.List;

/// Group commit: what was decided while a commit was under way goes into the next one, all of it or
/// nothing. What became of a commit that was sent and not answered is read from the ledger, unless
/// that fails too.
final class CommitQueue {

  /// The writes of one decision and the payloads that travel with them.
  record Append(long ticket, List<Write> writes, List<Submission> payloads) {}

  private final SimulatedRun world;
  private final long epoch;
  private final Incarnation incarnation;
  private long commitSeq;
  private List<Append> queue = new ArrayList<>();
  private boolean isCommitting;

  CommitQueue(SimulatedRun world, long epoch, long commitSeq, Incarnation incarnation) {
    this.world = world;
    this.epoch = epoch;
    this.commitSeq = commitSeq;
    this.incarnation = incarnation;
  }

  void append(long ticket, List<Write> writes, List<Submission> payloads) {
    queue.add(new Append(ticket, List.copyOf(writes), payloads));
    begin();
  }

  private void begin() {
    if (isCommitting || queue.isEmpty()) {
      return;
    }
    isCommitting = true;
    world.time().after(world.faults().commitDelay(), this::commit);
  }

  private void commit() {
    if (incarnation.isDropped()) {
      // The process died, or was told that its commit failed; what it had sent may still land.
      if (world.time().chance(0.5)) {
        world.ledger().commit(epoch, commitSeq, queue);
      }
      return;
    }
    List<Append> transaction = queue;
    queue = new ArrayList<>();
    attempt(transaction);
  }

  private void attempt(List<Append> transaction) {
    Faults.Commit fate = world.faults().commit();
    boolean isFenced = fate.isApplied() && !world.ledger().commit(epoch, commitSeq, transaction);
    world.time().note(() -> "e%d commits %d: %s".formatted(epoch, commitSeq + 1, fate));
    world
        .time()
        .after(
            world.faults().commitDelay(),
            () -> {
              if (incarnation.isDropped()) {
                return;
              }
              if (isFenced) {
                incarnation.failed(true);
                return;
              }
              switch (fate) {
                case COMMITTED, UNKNOWN_COMMITTED -> {
                  commitSeq++;
                  isCommitting = false;
                  incarnation.committed(transaction.getLast().ticket());
                  if (!incarnation.isDropped()) {
                    begin();
                  }
                }
                case UNKNOWN_LOST -> attempt(transaction);
                case FAILED_COMMITTED, FAILED_LOST -> incarnation.failed(false);
              }
            });
  }
}
