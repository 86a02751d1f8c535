package io.gradus.coordinator.ledger;

import io.gradus.core.ledger.Write;
import java.sql.SQLException;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.LongSupplier;
import org.jdbi.v3.core.Handle;
import org.jdbi.v3.core.Jdbi;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/*
 * Group commit. Everything queued while a commit was under way goes into the next one: under load
 * the cost of a sync is shared by as many decisions as arrived during the last sync, and without
 * load a decision waits for nobody. A transaction belongs to one run, so that a fenced run, or one
 * whose writes contradict the ledger, takes nobody else's writes with it.
 *
 * What became of a commit that was sent but not answered is found out by reading (epoch, commit_seq)
 * on a new connection: n + 1 says it is there, n that it is not, and another epoch that somebody
 * else has the run. Before the commit is sent nothing can have become durable, so every failure up
 * to there is retried or given up without asking.
 */

/// The one thread that writes to the ledger.
final class CommitLoop implements AutoCloseable {

  private static final Logger log = LoggerFactory.getLogger(CommitLoop.class);

  /// Work for the writer, in the order of the queue.
  private sealed interface Job {}

  private record Append(
      Incarnation incarnation, List<Write> writes, List<Payload> payloads, CommitListener listener)
      implements Job {}

  /// Something else that writes, in a transaction of its own; it reports by itself.
  private record Task(Runnable body) implements Job {}

  private record Stop() implements Job {}

  private final Jdbi writer;
  private final PayloadCache cache;
  private final Clock clock;
  private final LongSupplier nanoTime;
  private final Duration commitDeadline;
  private final long retentionGroups;
  private final Optional<PartitionLoop> partitions;
  private final ArrayBlockingQueue<Job> queue;
  private final Thread thread;
  private volatile boolean isClosing;

  /// Read by tests and by metrics, written by the thread.
  private final LongAdder commits = new LongAdder();

  CommitLoop(
      Jdbi writer,
      PayloadCache cache,
      Clock clock,
      LongSupplier nanoTime,
      Duration commitDeadline,
      int queueCapacity,
      long retentionGroups,
      Optional<PartitionLoop> partitions) {
    this.writer = writer;
    this.cache = cache;
    this.clock = clock;
    this.nanoTime = nanoTime;
    this.commitDeadline = commitDeadline;
    this.retentionGroups = retentionGroups;
    this.partitions = partitions;
    this.queue = new ArrayBlockingQueue<>(queueCapacity);
    this.thread = Thread.ofPlatform().name("gradus-ledger-writer").unstarted(this::run);
  }

  void start() {
    thread.start();
  }

  /// Queues the writes of one decision; the listener hears what becomes of them.
  void append(
      Incarnation incarnation,
      List<Write> writes,
      List<Payload> payloads,
      CommitListener listener) {
    if (!queue.offer(new Append(incarnation, writes, payloads, listener))) {
      // Later appends of this incarnation must not be committed without this one.
      incarnation.abandon();
      listener.failed(
          CommitFailure.ABANDONED,
          "the ledger's queue is full with %d commits".formatted(queue.size()));
    }
  }

  /// Runs `body` on the writer's thread, between transactions. Waits for room in the queue.
  ///
  /// @return whether there was room within the deadline
  boolean execute(Runnable body) throws InterruptedException {
    return queue.offer(new Task(body), commitDeadline.toMillis(), TimeUnit.MILLISECONDS);
  }

  long commits() {
    return commits.sum();
  }

  private void run() {
    var jobs = new ArrayList<Job>();
    boolean isStopping = false;
    while (!isStopping) {
      try {
        jobs.add(queue.take());
      } catch (InterruptedException _) {
        // Nobody interrupts this thread but a JVM that ends; what is queued was never acknowledged.
        return;
      }
      queue.drainTo(jobs);
      isStopping = jobs.stream().anyMatch(Stop.class::isInstance);
      work(jobs);
      jobs.clear();
    }
  }

  private void work(List<Job> jobs) {
    var appends = new LinkedHashMap<Incarnation, List<Append>>();
    for (Job job : jobs) {
      switch (job) {
        case Append append ->
            appends.computeIfAbsent(append.incarnation(), _ -> new ArrayList<>()).add(append);
        case Task(var body) -> {
          commitAll(appends);
          try {
            body.run();
          } catch (RuntimeException failure) {
            log.atError().setCause(failure).log("a task of the ledger's writer failed");
          }
        }
        case Stop() -> {}
      }
    }
    commitAll(appends);
  }

  private void commitAll(Map<Incarnation, List<Append>> appends) {
    appends.forEach(this::commit);
    appends.clear();
  }

  /// What a transaction came to.
  private sealed interface Outcome {
    record Committed() implements Outcome {}

    record Failed(CommitFailure failure, String message) implements Outcome {}
  }

  private void commit(Incarnation incarnation, List<Append> appends) {
    if (incarnation.isAbandoned()) {
      fail(appends, CommitFailure.ABANDONED, "an earlier commit of this incarnation failed");
      return;
    }
    var rows = new RowWriter();
    appends.forEach(append -> rows.add(append.payloads(), append.writes()));
    switch (transact(incarnation, rows)) {
      case Outcome.Committed() -> {
        incarnation.advance();
        commits.increment();
        rows.payloads().forEach(payload -> cache.put(incarnation.run().value(), payload));
        for (Append append : appends) {
          try {
            append.listener().committed(incarnation.commitSeq());
          } catch (RuntimeException failure) {
            log.atError().setCause(failure).log("a listener failed on a commit");
          }
        }
        rows.run().ifPresent(run -> keepHouse(incarnation, run.groupsCreated()));
      }
      case Outcome.Failed(var failure, var message) -> {
        incarnation.abandon();
        log.atWarn()
            .addKeyValue("run", incarnation.run().runId())
            .addKeyValue("epoch", incarnation.epoch())
            .addKeyValue("failure", failure)
            .addKeyValue("reason", message)
            .log("commit failed");
        fail(appends, failure, message);
      }
    }
  }

  private static void fail(List<Append> appends, CommitFailure failure, String message) {
    for (Append append : appends) {
      try {
        append.listener().failed(failure, message);
      } catch (RuntimeException exception) {
        log.atError().setCause(exception).log("a listener failed on a failed commit");
      }
    }
  }

  /// Time between looks for payloads to give back where there were none, and after a failure.
  private static final Duration SWEEP_AGAIN = Duration.ofSeconds(1);

  private static final Duration SWEEP_AFTER_FAILURE = Duration.ofSeconds(10);

  /// Has room made for the payloads to come, and gives that of payloads past retention back: one
  /// step at a time, at most a fifth of the writer's time.
  private void keepHouse(Incarnation incarnation, long groupsCreated) {
    partitions.ifPresent(loop -> {
      var _ = loop.provide(incarnation.run(), groupsCreated);
    });
    Optional<Incarnation.Swept> swept = incarnation.swept();
    long below = swept.map(Incarnation.Swept::below).orElse(-1L);
    long begun = nanoTime.getAsLong();
    if (retentionGroups == 0
        || below + PayloadSweep.STEP > groupsCreated + 1 - retentionGroups
        || swept.filter(last -> begun - last.nextNanos() < 0).isPresent()) {
      return;
    }
    Duration pause = SWEEP_AGAIN;
    try {
      Look look = writer.withHandle(handle -> look(handle, incarnation, groupsCreated));
      below = below < 0 ? look.begin() : below;
      Optional<PayloadSweep.Step> step = PayloadSweep.next(below, look.floor(), look.tables());
      if (step.isPresent() && take(incarnation, step.get())) {
        below = step.get().end();
        pause = Duration.ofNanos(4 * (nanoTime.getAsLong() - begun));
      }
    } catch (RuntimeException failure) {
      pause = SWEEP_AFTER_FAILURE;
      log.atWarn()
          .addKeyValue("run", incarnation.run().runId())
          .addKeyValue("reason", Failures.rootMessage(failure))
          .log("payloads past retention stay for now");
    }
    incarnation.sweptTo(new Incarnation.Swept(below, nanoTime.getAsLong() + pause.toNanos()));
  }

  private record Look(long begin, long floor, List<PayloadPartition> tables) {}

  private Look look(Handle handle, Incarnation incarnation, long groupsCreated) {
    long run = incarnation.run().value();
    List<PayloadPartition> tables =
        partitions.isPresent() ? PayloadPartition.of(handle, run) : List.of();
    long floor = PayloadSweep.floor(handle, run, groupsCreated, retentionGroups);
    // Later looks go on from where the last one ended: past deleted rows the first is far to find.
    long begin =
        incarnation.swept().filter(swept -> swept.below() >= 0).isPresent()
            ? 0
            : PayloadSweep.begin(handle, run, tables, floor);
    return new Look(begin, floor, tables);
  }

  /// Gives payloads back behind the fence.
  ///
  /// @return whether it took place
  private boolean take(Incarnation incarnation, PayloadSweep.Step step) {
    boolean isSent = false;
    try (Handle handle = writer.open()) {
      handle.begin();
      try {
        if (!fence(handle, incarnation)) {
          // The next commit hears of it.
          handle.rollback();
          return false;
        }
        PayloadSweep.take(handle, incarnation.run().value(), step);
        isSent = true;
        handle.commit();
      } catch (RuntimeException failure) {
        if (!isSent) {
          rollbackQuietly(handle);
        }
        throw failure;
      }
    } catch (RuntimeException failure) {
      if (!isSent) {
        throw failure;
      }
      Optional<Outcome> known =
          resolve(incarnation, new Retry(nanoTime, commitDeadline, () -> isClosing));
      if (known.isEmpty()) {
        return false;
      }
      if (known.get() instanceof Outcome.Failed(var kind, _)) {
        if (kind == CommitFailure.UNAVAILABLE) {
          // Nobody knows the number of the last commit; the next incarnation reads it.
          incarnation.abandon();
        }
        return false;
      }
    }
    incarnation.advance();
    return true;
  }

  private Outcome transact(Incarnation incarnation, RowWriter rows) {
    var retry = new Retry(nanoTime, commitDeadline, () -> isClosing);
    while (true) {
      boolean isSent = false;
      try (Handle handle = writer.open()) {
        handle.begin();
        try {
          if (!fence(handle, incarnation)) {
            handle.rollback();
            return fenced(incarnation);
          }
          rows.write(handle, incarnation.run().value(), clock.millis());
          isSent = true;
          handle.commit();
          return new Outcome.Committed();
        } catch (RuntimeException failure) {
          if (!isSent) {
            rollbackQuietly(handle);
          }
          throw failure;
        }
      } catch (ContradictionException contradiction) {
        return new Outcome.Failed(
            CommitFailure.CONTRADICTED, String.valueOf(contradiction.getMessage()));
      } catch (RuntimeException failure) {
        if (isSent) {
          Optional<Outcome> known = resolve(incarnation, retry);
          if (known.isPresent()) {
            return known.get();
          }
          // It is not there: the same statements are sent again.
        } else if (!Failures.isTransient(failure)) {
          return new Outcome.Failed(CommitFailure.CONTRADICTED, Failures.rootMessage(failure));
        }
        if (!retry.pause()) {
          return new Outcome.Failed(CommitFailure.UNAVAILABLE, Failures.rootMessage(failure));
        }
      }
    }
  }

  private static boolean fence(Handle handle, Incarnation incarnation) {
    try (StatementBatch fence =
        StatementBatch.of(
            handle,
            """
            update run set commit_seq = ? where run_key = ? and epoch = ? and commit_seq = ?\
            """)) {
      fence
          .bind(0, incarnation.commitSeq() + 1)
          .bind(1, incarnation.run().value())
          .bind(2, incarnation.epoch())
          .bind(3, incarnation.commitSeq())
          .add();
      return fence.execute()[0] == 1;
    }
  }

  private record Position(long epoch, long commitSeq) {}

  /// Finds out what became of a commit that was sent; empty when it is not in the ledger.
  private Optional<Outcome> resolve(Incarnation incarnation, Retry retry) {
    while (true) {
      try {
        Position found =
            writer.withHandle(handle ->
                handle
                    .createQuery("select epoch, commit_seq from run where run_key = ?")
                    .bind(0, incarnation.run().value())
                    .map((row, _) -> new Position(row.getLong(1), row.getLong(2)))
                    .one());
        if (found.epoch() != incarnation.epoch()) {
          // Whoever took over may have found it or not; only a new incarnation can say.
          return Optional.of(fenced(incarnation));
        }
        if (found.commitSeq() == incarnation.commitSeq() + 1) {
          return Optional.of(new Outcome.Committed());
        }
        if (found.commitSeq() == incarnation.commitSeq()) {
          return Optional.empty();
        }
        return Optional.of(fenced(incarnation));
      } catch (RuntimeException failure) {
        if (!retry.pause()) {
          return Optional.of(
              new Outcome.Failed(CommitFailure.UNAVAILABLE, Failures.rootMessage(failure)));
        }
      }
    }
  }

  private static Outcome fenced(Incarnation incarnation) {
    return new Outcome.Failed(
        CommitFailure.FENCED,
        "another incarnation has taken run %s over from epoch %d"
            .formatted(incarnation.run().runId(), incarnation.epoch()));
  }

  private static void rollbackQuietly(Handle handle) {
    try {
      handle.rollback();
    } catch (RuntimeException failure) {
      log.atDebug().setCause(failure).log("rollback failed; closing the connection does the same");
    }
  }

  /// What the exceptions of JDBI and the drivers mean.
  static final class Failures {

    private Failures() {}

    /// Whether the same statements may succeed later, on this or a new connection.
    static boolean isTransient(Throwable failure) {
      for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
        if (cause instanceof SQLException sql) {
          String state = String.valueOf(sql.getSQLState());
          String text = String.valueOf(sql.getMessage());
          return sql instanceof java.sql.SQLTransientException
              || sql instanceof java.sql.SQLRecoverableException
              || state.startsWith("08")
              || state.startsWith("57")
              || state.startsWith("53")
              || state.equals("40001")
              || state.equals("40P01")
              || state.equals("55P03")
              || state.equals("25P03")
              || text.contains("SQLITE_BUSY")
              || text.contains("SQLITE_LOCKED")
              || text.contains("SQLITE_IOERR")
              || text.contains("SQLITE_FULL");
        }
      }
      return false;
    }

    static String rootMessage(Throwable failure) {
      Throwable root = failure;
      while (root.getCause() != null) {
        root = root.getCause();
      }
      return String.valueOf(root.getMessage()).lines().findFirst().orElse("");
    }
  }

  /// Commits what is queued, then ends the thread. What the database refuses is tried for a moment
  /// only; its listeners hear that it is not available.
  @Override
  public void close() {
    isClosing = true;
    try {
      if (queue.offer(new Stop(), commitDeadline.toMillis(), TimeUnit.MILLISECONDS)) {
        thread.join(commitDeadline.plus(commitDeadline));
      }
      if (thread.isAlive()) {
        thread.interrupt();
      }
    } catch (InterruptedException _) {
      thread.interrupt();
      Thread.currentThread().interrupt();
    }
  }
}
