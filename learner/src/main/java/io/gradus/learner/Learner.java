package io.gradus.learner;

import io.gradus.learner.chunks.ChunkServer;
import io.gradus.learner.chunks.ChunkServerConfig;
import io.gradus.learner.link.Calls;
import io.gradus.learner.link.Inbox;
import io.gradus.learner.link.LinkException;
import io.gradus.learner.publication.CheckpointWriter;
import io.gradus.policy.nativememory.TorchThread;
import io.grpc.Channel;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.BooleanSupplier;
import java.util.function.LongSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// A learner: batches in, checkpoints out.
///
/// One thread owns the policy and trains. gRPC's threads bring batches and read them, a thread of
/// its own writes checkpoints, and one sends reports and announcements in order.
///
/// ```
///  StreamBatches ──▶ read, checked ──▶ Inbox ──batches──▶ training ──copies──▶ CheckpointWriter
///       ▲ ◀──credits──────────────────────────────────────┘  │                      │
///       └──────────── coordinator ◀─ReportBatch, PublishPolicy── ReportLoop ◀───────┘
/// ```
public final class Learner implements AutoCloseable {

  private static final Logger log = LoggerFactory.getLogger(Learner.class);

  /// How a learner ended.
  public enum Ending {
    /// The run is over.
    RUN_ENDED,
    /// It was asked to drain, and has.
    DRAINED,
    /// It was closed.
    CLOSED
  }

  private final LearnerConfig config;
  private final LearnerMeters meters = new LearnerMeters();
  private final Inbox inbox = new Inbox();
  private final Calls calls;
  private final Optional<ChunkServer> chunkServer;
  private final TorchThread thread;
  private final CompletableFuture<Ending> ending;

  /// Starts a learner.
  ///
  /// @param rolloutsSampling whether rollouts are being sampled in this process now: a hint, by
  ///   which it takes fewer processors
  /// @param nanoTime monotonic nanoseconds, `System::nanoTime`
  public Learner(
      Channel channel,
      LearnerConfig config,
      BooleanSupplier rolloutsSampling,
      LongSupplier nanoTime) {
    this.config = config;
    calls = new Calls(channel, config, nanoTime);
    chunkServer = config.chunkServer().map(server -> started(server, nanoTime));
    thread = new TorchThread("gradus-learner-" + config.learnerId(), 1);
    ending = thread.submit(() -> learn(channel, rolloutsSampling, nanoTime));
  }

  private static ChunkServer started(ChunkServerConfig server, LongSupplier nanoTime) {
    try {
      return new ChunkServer(server, nanoTime);
    } catch (IOException e) {
      throw new UncheckedIOException(e.getMessage(), e);
    }
  }

  private Ending learn(Channel channel, BooleanSupplier rolloutsSampling, LongSupplier nanoTime)
      throws Exception {
    try (var policy = new TrainedPolicy(config.replicas());
        var writer =
            new CheckpointWriter(
                "gradus-checkpoints-" + config.learnerId(), config.canaryNats(), nanoTime)) {
      return new LearnerLoop(
              new LearnerParts(
                  channel,
                  config,
                  calls,
                  inbox,
                  writer,
                  policy,
                  meters,
                  chunkServer,
                  rolloutsSampling,
                  nanoTime))
          .run();
    } catch (LinkException refused) {
      if (refused.isBusy()) {
        // Whoever started it may try another run, or this one again.
        log.atDebug().addKeyValue("run", config.runId()).log("another learner works on the run");
      } else {
        logDeath(refused);
      }
      throw refused;
    } catch (Exception | Error e) {
      logDeath(e);
      throw e;
    }
  }

  private void logDeath(Throwable cause) {
    if (cause instanceof ExecutionException && cause.getCause() instanceof IOException store) {
      // A full disk, or one that is gone: where in the code it was noticed helps nobody.
      log.atError()
          .addKeyValue("run", config.runId())
          .addKeyValue("learner", config.learnerId())
          .addKeyValue("why", String.valueOf(store.getMessage()))
          .log("the learner cannot go on");
      return;
    }
    log.atError()
        .addKeyValue("run", config.runId())
        .addKeyValue("learner", config.learnerId())
        .setCause(cause)
        .log("the learner cannot go on");
  }

  /// What the learner has done so far.
  public LearnerFigures figures() {
    return meters.figures();
  }

  /// Whether it has joined the run, and a coordinator answers it.
  public boolean isJoined() {
    return meters.sessions.get() > 0 && calls.isAnswered();
  }

  /// Completes when the run has ended or the learner was drained or closed; exceptionally when it
  /// cannot go on.
  public CompletableFuture<Ending> ending() {
    return ending.copy();
  }

  /// Finishes the batch at hand and makes what was learned durable: publishes a durable checkpoint,
  /// unless the newest publication is one. Waits for it, but not longer than the drain may take.
  ///
  /// @return whether it was done in time; otherwise the ledger's last durable checkpoint has to do
  public boolean drain() {
    inbox.drain();
    try {
      ending.get(config.drainTimeout().toNanos(), TimeUnit.NANOSECONDS);
      return true;
    } catch (TimeoutException e) {
      log.atWarn()
          .addKeyValue("run", config.runId())
          .addKeyValue("timeout", config.drainTimeout())
          .log("the learner could not be drained in time");
      return false;
    } catch (ExecutionException e) {
      return false;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return false;
    }
  }

  /// Ends after the optimizer steps at hand; what was not published is learned again.
  @Override
  public void close() {
    inbox.close();
    calls.close();
    thread.close();
    chunkServer.ifPresent(ChunkServer::close);
  }
}
