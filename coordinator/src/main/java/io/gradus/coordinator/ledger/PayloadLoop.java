package io.gradus.coordinator.ledger;

import io.gradus.coordinator.ledger.CommitLoop.Failures;
import io.gradus.coordinator.ledger.LedgerException.Kind;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import org.jdbi.v3.core.Handle;
import org.jdbi.v3.core.Jdbi;

/*
 * Payloads are immutable and written under their key once, so an attempt whose outcome is unknown is
 * simply made again. They have a thread and a connection of their own: their sync does not hold up
 * the decisions of the runs on this node, and as many as arrived during one sync share the next.
 */

/// Writes payloads of runs that are decided on another node, ahead of their decision.
final class PayloadLoop implements AutoCloseable {

  /// Most bytes of one transaction; a larger payload goes alone.
  private static final long BATCH_BYTES = 8L << 20;

  private record Store(RunKey run, Payload payload, CompletableFuture<Boolean> stored) {}

  private final Jdbi writer;
  private final LongSupplier nanoTime;
  private final Duration deadline;
  private final ArrayBlockingQueue<Store> queue;
  private final Thread thread;
  private volatile boolean isClosing;

  /// @param deadline longest time that a payload is tried
  /// @param queueCapacity most payloads that wait
  PayloadLoop(Jdbi writer, LongSupplier nanoTime, Duration deadline, int queueCapacity) {
    this.writer = writer;
    this.nanoTime = nanoTime;
    this.deadline = deadline;
    this.queue = new ArrayBlockingQueue<>(queueCapacity);
    this.thread = Thread.ofPlatform().name("gradus-payload-writer").unstarted(this::run);
  }

  void start() {
    thread.start();
  }

  /// Stores a payload; answers whether it is there with this digest. Fails with [LedgerException]
  /// when the database cannot be written, or too much waits.
  CompletionStage<Boolean> store(RunKey run, Payload payload) {
    var stored = new CompletableFuture<Boolean>();
    if (isClosing || !queue.offer(new Store(run, payload, stored))) {
      stored.completeExceptionally(
          new LedgerException(
              Kind.UNAVAILABLE,
              "%d payloads wait to be written; come again".formatted(queue.size())));
    }
    return stored;
  }

  private void run() {
    var batch = new ArrayList<Store>();
    while (!isClosing || !queue.isEmpty()) {
      try {
        Store first = queue.poll(100, TimeUnit.MILLISECONDS);
        if (first == null) {
          continue;
        }
        long bytes = first.payload().size();
        batch.add(first);
        for (Store next = queue.peek();
            next != null && bytes + next.payload().size() <= BATCH_BYTES;
            next = queue.peek()) {
          bytes += next.payload().size();
          batch.add(queue.remove());
        }
        write(batch);
      } catch (InterruptedException _) {
        // Nobody interrupts this thread but a JVM that ends; nothing of this was acknowledged.
        return;
      }
      batch.clear();
    }
  }

  private void write(List<Store> batch) {
    var retry = new Retry(nanoTime, deadline, () -> isClosing);
    while (true) {
      try {
        List<Boolean> sames = writer.inTransaction(handle -> insert(handle, batch));
        for (int index = 0; index < batch.size(); index++) {
          batch.get(index).stored().complete(sames.get(index));
        }
        return;
      } catch (RuntimeException failure) {
        if (!Failures.isTransient(failure) || !retry.pause()) {
          var told =
              new LedgerException(
                  Kind.UNAVAILABLE,
                  "the ledger cannot be written: " + Failures.rootMessage(failure),
                  failure);
          batch.forEach(store -> store.stored().completeExceptionally(told));
          return;
        }
      }
    }
  }

  /// @return for each whether it is there with its digest
  private static List<Boolean> insert(Handle handle, List<Store> batch) {
    Map<Long, List<Payload>> byRun = new LinkedHashMap<>();
    for (Store store : batch) {
      byRun.computeIfAbsent(store.run().value(), _ -> new ArrayList<>()).add(store.payload());
    }
    boolean areNew = true;
    for (var entry : byRun.entrySet()) {
      areNew &= RowWriter.writePayloads(handle, entry.getKey(), entry.getValue());
    }
    boolean isEachNew = areNew;
    return batch.stream()
        .map(store ->
            isEachNew
                || LedgerReader.digestOf(
                        handle, store.run(), store.payload().group(), store.payload().lease())
                    .filter(store.payload().digest()::equals)
                    .isPresent())
        .toList();
  }

  /// Writes what is queued, then ends the thread.
  @Override
  public void close() {
    isClosing = true;
    try {
      if (!thread.join(deadline)) {
        thread.interrupt();
      }
    } catch (InterruptedException _) {
      thread.interrupt();
      Thread.currentThread().interrupt();
    }
  }
}
