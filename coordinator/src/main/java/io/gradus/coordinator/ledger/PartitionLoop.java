package io.gradus.coordinator.ledger;

import io.gradus.coordinator.ledger.CommitLoop.Failures;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import org.jdbi.v3.core.Handle;
import org.jdbi.v3.core.Jdbi;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/*
 * A table is made apart and then attached: that locks the parent against other changes of tables,
 * not against rows, and the default partition, which is empty but for leftovers, for a look at it.
 * CREATE TABLE ... PARTITION OF would hold up every payload. No write depends on it: what has no
 * partition goes to the default one, and is deleted by ranges later. Once rows of a range are there
 * PostgreSQL refuses a partition for it; then the next one is made when its time comes.
 */

/// Attaches partitions of payloads on PostgreSQL, half a partition before they are needed, on a
/// thread and a connection of its own.
final class PartitionLoop implements AutoCloseable {

  private static final Logger log = LoggerFactory.getLogger(PartitionLoop.class);

  /// Longest wait for a lock: while somebody who waits for one stands in the line, so do others.
  private static final Duration LOCK_TIMEOUT = Duration.ofMillis(500);

  private static final Duration RETRY_AFTER = Duration.ofSeconds(10);
  private static final int MOST_RUNS_WAITING = 256;

  private final Jdbi writer;
  private final LongSupplier nanoTime;
  private final ThreadPoolExecutor thread;

  /// By run: the first group that no partition was made ready for, and when to try again.
  private final Map<Long, Ready> ready = new ConcurrentHashMap<>();

  private record Ready(long before, boolean isUnderWay, long notBeforeNanos) {}

  PartitionLoop(Jdbi writer, LongSupplier nanoTime) {
    this.writer = writer;
    this.nanoTime = nanoTime;
    this.thread =
        new ThreadPoolExecutor(
            1,
            1,
            1,
            TimeUnit.MINUTES,
            new ArrayBlockingQueue<>(MOST_RUNS_WAITING),
            Thread.ofPlatform().daemon().name("gradus-payload-partitions").factory());
    this.thread.allowCoreThreadTimeOut(true);
  }

  /// Makes room for the groups of a run that has created so many. Never fails: completes when there
  /// is nothing left to wait for.
  CompletionStage<Void> provide(RunKey run, long groupsCreated) {
    long last = groupsCreated + PayloadPartition.SPAN / 2;
    long now = nanoTime.getAsLong();
    Ready known = ready.get(run.value());
    if (known != null
        && (last < known.before || known.isUnderWay || now - known.notBeforeNanos < 0)) {
      return CompletableFuture.completedFuture(null);
    }
    long before = known == null ? 0 : known.before;
    ready.put(run.value(), new Ready(before, true, now));
    try {
      return CompletableFuture.runAsync(() -> attach(run, groupsCreated, last), thread);
    } catch (RejectedExecutionException _) {
      ready.put(run.value(), new Ready(before, false, now + RETRY_AFTER.toNanos()));
      return CompletableFuture.completedFuture(null);
    }
  }

  private void attach(RunKey run, long first, long last) {
    long before = 0;
    long notBefore = nanoTime.getAsLong();
    try {
      for (long group = first; ; group += PayloadPartition.SPAN) {
        var partition = PayloadPartition.of(run.value(), Math.min(group, last));
        writer.useTransaction(handle -> attach(handle, partition));
        before = partition.to();
        if (last < before) {
          break;
        }
      }
    } catch (RuntimeException failure) {
      notBefore = nanoTime.getAsLong() + RETRY_AFTER.toNanos();
      log.atWarn()
          .addKeyValue("run", run.runId())
          .addKeyValue("reason", Failures.rootMessage(failure))
          .log("no partition for payloads yet; they go to the default one");
    }
    ready.put(run.value(), new Ready(before, false, notBefore));
  }

  private static void attach(Handle handle, PayloadPartition partition) {
    String table = partition.table();
    handle.execute("set local lock_timeout = " + LOCK_TIMEOUT.toMillis());
    // Two nodes may have the same run for a moment.
    handle.execute("select pg_advisory_xact_lock(hashtext('gradus payload partitions'))");
    if (PayloadPartition.of(handle, partition.run()).contains(partition)
        || hasStrays(handle, partition)) {
      return;
    }
    handle.execute("create table %s (like payload including storage)".formatted(table));
    handle.execute(
        "alter table payload attach partition %s for values from (%d, %d) to (%d, %d)"
            .formatted(table, partition.run(), partition.from(), partition.run(), partition.to()));
  }

  /// Whether payloads of the range are elsewhere already, or belong into the partition that was
  /// there before there were others.
  private static boolean hasStrays(Handle handle, PayloadPartition partition) {
    boolean isOfBefore =
        handle
            .createQuery(
                """
                select pg_get_expr(relpartbound, oid) from pg_class
                where oid = to_regclass('payload_before')\
                """)
            .mapTo(String.class)
            .findOne()
            .filter(bound -> partition.run() < endOf(bound))
            .isPresent();
    return isOfBefore
        || handle
            .createQuery(
                """
                select 1 from payload_default
                where run_key = ? and group_id between ? and ? limit 1\
                """)
            .bind(0, partition.run())
            .bind(1, partition.from())
            .bind(2, partition.to() - 1)
            .mapTo(Integer.class)
            .findOne()
            .isPresent();
  }

  /// The run in `FOR VALUES FROM (MINVALUE, MINVALUE) TO ('7', MINVALUE)`.
  private static long endOf(String bound) {
    String end = bound.substring(bound.indexOf(" TO (") + 5).split(",", 2)[0];
    return Long.parseLong(end.replace("'", "").strip());
  }

  @Override
  public void close() {
    thread.shutdownNow();
  }
}
