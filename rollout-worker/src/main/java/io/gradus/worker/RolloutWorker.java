package io.gradus.worker;

import io.gradus.core.policy.PolicyVersion;
import io.gradus.policy.nativememory.TorchThread;
import io.gradus.rollout.v1.Admission;
import io.gradus.worker.engine.Engine;
import io.gradus.worker.group.FinishedGroup;
import io.gradus.worker.lease.LeaseBook;
import io.gradus.worker.lease.LeasedGroup;
import io.gradus.worker.link.SubmitLoop;
import io.gradus.worker.link.WorkLoop;
import io.gradus.worker.weights.WeightsFigures;
import io.gradus.worker.weights.WeightsLoop;
import io.grpc.Channel;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.LongSupplier;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// A rollout worker: leases in, verified groups out.
///
/// Four threads: the engine's, which samples and verifies; one that keeps the stream open; one that
/// submits; one that brings weights here. Between them are a book of leases and bounded queues, no
/// futures per group.
///
/// ```
///  Work stream ──leases──▶ LeaseBook ──batches──▶ EngineLoop ──finished groups──▶ SubmitLoop
///       ▲ ◀──heartbeats, credits──┘                                                   │
///       └───────────────── coordinator ◀───────────SubmitGroups───────────────────────┘
/// ```
public final class RolloutWorker implements AutoCloseable {

  private static final Logger log = LoggerFactory.getLogger(RolloutWorker.class);

  private final WorkerConfig config;
  private final WorkerMeters meters = new WorkerMeters();
  private final ConcurrentHashMap<Admission, Long> decisions = new ConcurrentHashMap<>();
  private final AtomicBoolean closing = new AtomicBoolean();
  private final CompletableFuture<WorkLoop.Ending> ending = new CompletableFuture<>();
  private final LeaseBook book;
  private final WorkLoop workLoop;
  private final WeightsLoop weightsLoop;
  private final SubmitLoop submitLoop;
  private final TorchThread engineThread;
  private final Thread workThread;
  private final Thread submitThread;
  private final Thread weightsThread;

  /// Starts a worker.
  ///
  /// @param engineName what registrations say, such as "libtorch"
  /// @param engineFactory called once, on the engine's thread, which also closes the engine
  /// @param nanoTime monotonic nanoseconds, `System::nanoTime`
  public RolloutWorker(
      Channel channel,
      WorkerConfig config,
      String engineName,
      Supplier<Engine> engineFactory,
      LongSupplier nanoTime) {
    this.config = config;
    book = new LeaseBook(config.slots(), config.queuedGroups());
    workLoop = new WorkLoop(channel, config, engineName, book, nanoTime, meters.progress::get);
    try {
      weightsLoop =
          new WeightsLoop(
              config.workerId(), config.weightsCache(), book, workLoop::creditsChanged, nanoTime);
    } catch (IOException e) {
      throw new UncheckedIOException(
          "worker %s cannot use its cache: %s".formatted(config.workerId(), e.getMessage()), e);
    }
    submitLoop =
        new SubmitLoop(
            channel,
            config,
            book,
            nanoTime,
            (_, admission) -> decisions.merge(admission, 1L, Long::sum),
            workLoop::creditsChanged,
            this::giveBack,
            meters.submitRetries);
    engineThread = new TorchThread("gradus-engine-" + config.workerId(), 1);
    engineThread
        .submit(() -> {
          try (Engine engine = engineFactory.get()) {
            new EngineLoop(engine, book, new Output(), meters, nanoTime, closing).run();
          }
          return true;
        })
        .exceptionally(failure -> {
          // Without its engine the worker only holds leases that it cannot work off.
          log.atError()
              .addKeyValue("worker", config.workerId())
              .setCause(failure)
              .log("the engine died");
          ending.completeExceptionally(failure);
          workLoop.close();
          return false;
        });
    workThread =
        Thread.ofPlatform().daemon().name("gradus-work-" + config.workerId()).start(this::work);
    submitThread =
        Thread.ofPlatform()
            .daemon()
            .name("gradus-submit-" + config.workerId())
            .start(submitLoop::run);
    weightsThread =
        Thread.ofPlatform().daemon().name("gradus-weights-" + config.workerId()).start(this::fetch);
  }

  /// What bringing weights here has cost so far.
  public WeightsFigures weightsFigures() {
    return weightsLoop.figures();
  }

  /// What the worker has done so far.
  public WorkerFigures figures() {
    return meters.figures();
  }

  /// Groups about which the coordinator decided so.
  public long decided(Admission admission) {
    return decisions.getOrDefault(admission, 0L);
  }

  /// Whether the engine samples at this moment: a hint for whoever shares its processors.
  public boolean isSampling() {
    return meters.isSampling.get();
  }

  /// Whether a coordinator holds the worker's stream.
  public boolean isConnected() {
    return workLoop.isConnected();
  }

  /// Completes when the worker has ended by itself or was closed; exceptionally if its engine died.
  public CompletableFuture<WorkLoop.Ending> ending() {
    return ending.copy();
  }

  /// Hands back what was not begun, abandons what is being sampled, waits a bounded time for
  /// submits under way, and ends. Leases that are abandoned return when the stream closes, at the
  /// end.
  @Override
  public void close() {
    closing.set(true);
    book.stop();
    giveBack(book.takeQueued(), "the worker closes");
    submitLoop.drain();
    engineThread.close();
    join(weightsThread);
    weightsLoop.close();
    submitLoop.finish();
    join(submitThread);
    workLoop.close();
    join(workThread);
  }

  private void join(Thread thread) {
    try {
      if (!thread.join(config.drainTimeout())) {
        thread.interrupt();
      }
    } catch (InterruptedException e) {
      thread.interrupt();
      Thread.currentThread().interrupt();
    }
  }

  private void work() {
    try {
      ending.complete(workLoop.run());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      ending.complete(new WorkLoop.Ending.Closed());
    } catch (RuntimeException | Error e) {
      log.atError()
          .addKeyValue("worker", config.workerId())
          .setCause(e)
          .log("the stream's loop died");
      ending.completeExceptionally(e);
    }
  }

  private void fetch() {
    try {
      weightsLoop.run();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } catch (RuntimeException | Error e) {
      // Without it the worker would sample with ever older weights.
      log.atError()
          .addKeyValue("worker", config.workerId())
          .setCause(e)
          .log("the weights' loop died");
      ending.completeExceptionally(e);
      workLoop.close();
    }
  }

  private void giveBack(List<LeasedGroup> groups, String reason) {
    meters.groupsFailed.addAndGet(groups.size());
    workLoop.giveBack(groups, reason);
  }

  private final class Output implements EngineLoop.Output {

    @Override
    public void submit(List<FinishedGroup> groups) throws InterruptedException {
      submitLoop.submit(groups);
    }

    @Override
    public void giveBack(List<LeasedGroup> groups, String reason) {
      RolloutWorker.this.giveBack(groups, reason);
    }

    @Override
    public void loaded(String runId, PolicyVersion version) {
      workLoop.loaded(runId, version);
    }

    @Override
    public void creditsChanged() {
      workLoop.creditsChanged();
    }
  }
}
