package io.gradus.learner.link;

import static java.util.concurrent.TimeUnit.NANOSECONDS;

import io.gradus.core.policy.Manifest;
import io.gradus.core.policy.PolicyVersion;
import io.gradus.learner.LearnerConfig;
import io.gradus.learner.publication.CheckpointWriter.Written;
import io.gradus.learner.v1.PublishPolicyRequest;
import io.gradus.learner.v1.PublishPolicyResponse;
import io.gradus.learner.v1.ReportBatchRequest;
import java.time.Duration;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// Sends the reports and publications of one session, one after another in the order in which they
/// were handed over, each repeated until it is answered.
///
/// One at a time, because a run refuses a batch that is reported before the one ahead of it, and a
/// publication before the batches in it; so training waits for no commit, only for room in the
/// queue. Reports that come after a publication wait for it: the run sees a batch applied only
/// after the publication that precedes it.
public final class ReportLoop implements AutoCloseable {

  /// A version that workers may load.
  public record Published(
      PolicyVersion version, PolicyVersion next, Manifest manifest, Duration written) {}

  private sealed interface Item {

    void fail(Exception cause);

    record Report(ReportBatchRequest request) implements Item {
      @Override
      public void fail(Exception cause) {}
    }

    record Publication(
        long epoch, CompletableFuture<Written> written, CompletableFuture<Published> done)
        implements Item {
      @Override
      public void fail(Exception cause) {
        done.completeExceptionally(cause);
      }
    }

    record Marker(CompletableFuture<Void> reached) implements Item {
      @Override
      public void fail(Exception cause) {
        reached.completeExceptionally(cause);
      }
    }
  }

  private final Calls calls;
  private final LearnerConfig config;
  private final Consumer<Exception> failed;
  private final ArrayBlockingQueue<Item> queue;
  private final Thread thread;

  /// Touched by the loop's thread alone.
  private @Nullable Exception failure;

  /// @param failed told, once, why nothing further will be sent
  public ReportLoop(Calls calls, LearnerConfig config, Consumer<Exception> failed) {
    this.calls = calls;
    this.config = config;
    this.failed = failed;
    queue = new ArrayBlockingQueue<>(config.reportsInFlight());
    thread =
        Thread.ofPlatform().daemon().name("gradus-reports-" + config.learnerId()).start(this::run);
  }

  /// Hands over a report; waits while too many wait for their acknowledgement.
  public void report(ReportBatchRequest request) throws InterruptedException {
    queue.put(new Item.Report(request));
  }

  /// Hands over a publication, to be announced once it is written.
  public CompletableFuture<Published> publish(long epoch, CompletableFuture<Written> written)
      throws InterruptedException {
    var done = new CompletableFuture<Published>();
    queue.put(new Item.Publication(epoch, written, done));
    return done;
  }

  /// Completes when everything handed over so far is acknowledged.
  public CompletableFuture<Void> flushed() throws InterruptedException {
    var reached = new CompletableFuture<Void>();
    queue.put(new Item.Marker(reached));
    return reached;
  }

  /// Ends the loop; what is not acknowledged yet is left to the next session.
  @Override
  public void close() {
    thread.interrupt();
    try {
      thread.join();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private void run() {
    try {
      while (true) {
        Item item = queue.take();
        Exception earlier = failure;
        if (earlier != null) {
          // Whoever hands over is never left waiting for room.
          item.fail(earlier);
          continue;
        }
        try {
          send(item);
        } catch (LinkException | ClosedException | TimeoutException | RuntimeException e) {
          stop(item, e);
        } catch (ExecutionException e) {
          stop(item, e.getCause() instanceof Exception cause ? cause : e);
        }
      }
    } catch (InterruptedException closed) {
      for (Item item = queue.poll(); item != null; item = queue.poll()) {
        item.fail(new ClosedException());
      }
    }
  }

  private void stop(Item item, Exception cause) {
    failure = cause;
    item.fail(cause);
    failed.accept(cause);
  }

  private void send(Item item)
      throws LinkException,
          ClosedException,
          InterruptedException,
          ExecutionException,
          TimeoutException {
    switch (item) {
      case Item.Report(ReportBatchRequest request) -> calls.report(request);
      case Item.Publication(long epoch, var written, var done) -> {
        Written checkpoint = written.get(config.writeTimeout().toNanos(), NANOSECONDS);
        PublishPolicyResponse response =
            calls.publish(
                PublishPolicyRequest.newBuilder()
                    .setRunId(config.runId())
                    .setLearnerEpoch(epoch)
                    .setManifest(ProtoMapper.toProto(checkpoint.manifest()))
                    .setParentVersion(checkpoint.parent().value())
                    .setWritten(ProtoMapper.toProto(checkpoint.took()))
                    .build());
        done.complete(
            new Published(
                new PolicyVersion(response.getPolicyVersion()),
                new PolicyVersion(response.getNextVersion()),
                checkpoint.manifest(),
                checkpoint.took()));
      }
      case Item.Marker(var reached) -> reached.complete(null);
    }
  }
}
