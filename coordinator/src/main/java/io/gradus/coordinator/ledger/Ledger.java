package io.gradus.coordinator.ledger;

import io.gradus.coordinator.ledger.LedgerException.Kind;
import io.gradus.core.group.GroupId;
import io.gradus.core.group.LeaseId;
import io.gradus.core.group.PayloadDigest;
import io.gradus.core.ledger.RunRow;
import io.gradus.core.ledger.Write;
import java.time.Clock;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.function.LongSupplier;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;
import javax.sql.DataSource;
import org.jdbi.v3.core.Handle;
import org.jdbi.v3.core.Jdbi;

/// The durable record of runs: who did what with which payload, in one SQL database.
///
/// Writes go through one thread and are durable when their future or listener says so; reads are
/// blocking calls on [#reader()] and belong on a thread that may block.
public final class Ledger implements AutoCloseable {

  private final Database database;
  private final Jdbi writer;
  private final LedgerReader reader;
  private final PayloadCache cache;
  private final CommitLoop loop;
  private final PayloadLoop payloads;

  /// Absent where the database has no partitions.
  private final Optional<PartitionLoop> partitions;

  private final Clock clock;

  private Ledger(
      Database database,
      Jdbi writer,
      LedgerReader reader,
      PayloadCache cache,
      CommitLoop loop,
      PayloadLoop payloads,
      Optional<PartitionLoop> partitions,
      Clock clock) {
    this.database = database;
    this.writer = writer;
    this.reader = reader;
    this.cache = cache;
    this.loop = loop;
    this.payloads = payloads;
    this.partitions = partitions;
    this.clock = clock;
  }

  /// Opens the ledger for writing; creates its tables where there are none.
  ///
  /// @param clock dates of rows, for people
  /// @param nanoTime monotonic time, for deadlines
  /// @throws LedgerException when it is damaged, in use, or would not keep what it acknowledges
  public static Ledger open(LedgerConfig config, Clock clock, LongSupplier nanoTime) {
    return open(config, clock, nanoTime, UnaryOperator.identity());
  }

  /// For tests: `connections` stands between the writer's threads and the database.
  static Ledger open(
      LedgerConfig config,
      Clock clock,
      LongSupplier nanoTime,
      UnaryOperator<DataSource> connections) {
    return open(config, clock, nanoTime, connections, Schema.CURRENT);
  }

  /// For tests: as a release that knows `schema`.
  static Ledger open(
      LedgerConfig config,
      Clock clock,
      LongSupplier nanoTime,
      UnaryOperator<DataSource> connections,
      Schema schema) {
    Database database = Database.open(config, schema);
    Jdbi writer = Jdbi.create(connections.apply(database.writer()));
    var cache = new PayloadCache(config.payloadCacheBytes());
    var reader = new LedgerReader(Jdbi.create(database.readers()), cache);
    Optional<PartitionLoop> partitions =
        !config.isSqlite() && schema.hasPayloadPartitions()
            ? Optional.of(new PartitionLoop(writer, nanoTime))
            : Optional.empty();
    var loop =
        new CommitLoop(
            writer,
            cache,
            clock,
            nanoTime,
            config.commitDeadline(),
            config.queueCapacity(),
            config.payloadRetentionGroups(),
            partitions);
    loop.start();
    var payloads =
        new PayloadLoop(writer, nanoTime, config.commitDeadline(), config.queueCapacity());
    payloads.start();
    return new Ledger(database, writer, reader, cache, loop, payloads, partitions, clock);
  }

  public LedgerReader reader() {
    return reader;
  }

  /// Leases among the nodes that share this ledger.
  public LeaseRows leases() {
    return new LeaseRows(writer);
  }

  /// Transactions committed since the ledger was opened.
  public long commits() {
    return loop.commits();
  }

  /// Records a new run with its effective spec; where the id is taken, answers with the run there.
  public CompletionStage<Submission> createRun(String runId, byte[] spec) {
    byte[] copy = spec.clone();
    return onWriter(() -> writer.inTransaction(handle -> insertRun(handle, runId, copy)))
        .thenCompose(submission -> {
          // Before there can be payloads; later it would find them elsewhere.
          CompletionStage<Void> room =
              submission.isNew() && partitions.isPresent()
                  ? partitions.get().provide(submission.run().key(), 0)
                  : CompletableFuture.completedFuture(null);
          return room.thenApply(_ -> submission);
        });
  }

  /// What became of a submitted run.
  ///
  /// @param isSame whether the run there has the same spec
  public record Submission(StoredRun run, boolean isNew, boolean isSame) {}

  private Submission insertRun(Handle handle, String runId, byte[] spec) {
    Optional<StoredRun> there = LedgerReader.findRun(handle, runId);
    if (there.isPresent()) {
      return new Submission(there.get(), false, there.get().hasSpec(spec));
    }
    long runKey =
        handle.createQuery("select coalesce(max(run_key), 0) + 1 from run").mapTo(Long.class).one();
    handle.execute(
        """
        insert into run (run_key, run_id, submitted_millis, epoch, commit_seq, state, reason,
          transitions, groups_created, next_lease, next_version, batches_bound, warm_up_batches,
          round, trajectories_sampled, tokens_sampled, units_accepted, tokens_trained,
          sequences_trained, next_random, elapsed_nanos)
        values (?, ?, ?, 0, 0, ?, '', '', 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)\
        """,
        runKey,
        runId,
        clock.millis(),
        RowReader.NEW);
    handle.execute("insert into run_spec (run_key, spec) values (?, ?)", runKey, spec);
    return new Submission(LedgerReader.findRun(handle, runId).orElseThrow(), true, true);
  }

  /// Makes the caller the one writer of the run: raises its epoch in a transaction of its own, and
  /// reads the state only after it. Fails with [LedgerException] where there is no such run.
  public CompletionStage<Takeover> takeOver(String runId) {
    return onWriter(() -> {
      int raised =
          writer.inTransaction(
              handle -> handle.execute("update run set epoch = epoch + 1 where run_id = ?", runId));
      if (raised != 1) {
        throw new LedgerException(
            Kind.UNAVAILABLE, "run %s is not in the ledger; submit it".formatted(runId));
      }
      return writer.inTransaction(handle -> {
        StoredRun run = LedgerReader.findRun(handle, runId).orElseThrow();
        partitions.ifPresent(loop -> {
          var _ = loop.provide(run.key(), run.row().map(RunRow::groupsCreated).orElse(0L));
        });
        return new Takeover(
            new Incarnation(run.key(), run.epoch(), run.commitSeq()),
            run,
            LedgerReader.image(handle, run));
      });
    });
  }

  /// Appends the writes of one decision to the open group commit.
  ///
  /// @param payloads those that the writes admit and that are not in the ledger yet
  public void append(
      Incarnation incarnation,
      List<Write> writes,
      List<Payload> payloads,
      CommitListener listener) {
    loop.append(incarnation, writes, payloads, listener);
  }

  /// Writes a payload before its group is decided, for an edge that is not on the node of the run.
  /// Answers whether it is there with this digest; another one under the same key stays.
  public CompletionStage<Boolean> storePayload(RunKey run, Payload payload) {
    return payloads.store(run, payload);
  }

  /// The digest of the payload that is stored for a group under a lease.
  public Optional<PayloadDigest> digestOf(RunKey run, GroupId group, LeaseId lease) {
    return cache
        .get(run.value(), group, lease)
        .map(Payload::digest)
        .or(() -> reader.digestOf(run, group, lease));
  }

  private <T> CompletionStage<T> onWriter(Supplier<T> body) {
    var result = new CompletableFuture<T>();
    try {
      boolean isQueued =
          loop.execute(() -> {
            try {
              result.complete(body.get());
            } catch (RuntimeException failure) {
              result.completeExceptionally(
                  failure instanceof LedgerException
                      ? failure
                      : new LedgerException(
                          Kind.UNAVAILABLE,
                          "the ledger cannot be written: "
                              + CommitLoop.Failures.rootMessage(failure),
                          failure));
            }
          });
      if (!isQueued) {
        result.completeExceptionally(
            new LedgerException(Kind.UNAVAILABLE, "the ledger's queue is full; try again later"));
      }
    } catch (InterruptedException interrupted) {
      Thread.currentThread().interrupt();
      result.completeExceptionally(interrupted);
    }
    return result;
  }

  /// Commits what is queued, then closes the database.
  @Override
  public void close() {
    payloads.close();
    loop.close();
    partitions.ifPresent(PartitionLoop::close);
    database.close();
  }
}
