package io.gradus.systemtests.chaos;

import io.gradus.learner.v1.JoinRunRequest;
import io.gradus.learner.v1.JoinRunResponse;
import io.gradus.learner.v1.LearnerServiceGrpc;
import io.gradus.learner.v1.StreamBatchesRequest;
import io.gradus.learner.v1.StreamBatchesResponse;
import io.grpc.Channel;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.StreamObserver;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/// A simulated learner that speaks the real protocol, under the name of the real one, and dies of
/// each batch that it gets.
final class SickLearner {

  private static final Duration ANSWERS_WITHIN = Duration.ofSeconds(30);

  /// A batch may be bound only when there are samples.
  private static final Duration BATCH_WITHIN = Duration.ofSeconds(60);

  private SickLearner() {}

  /// Joins, gets the batch that is next, and dies, three times; then joins once more, so that the
  /// coordinator learns of the last death.
  ///
  /// @return the number of the batch
  static long dieThreeTimes(Channel channel) throws Exception {
    long batch = 0;
    for (int session = 0; session < 3; session++) {
      batch = die(channel, join(channel));
    }
    var _ = join(channel);
    return batch;
  }

  private static JoinRunResponse join(Channel channel) throws InterruptedException {
    long deadline = System.nanoTime() + ANSWERS_WITHIN.toNanos();
    while (true) {
      try {
        return LearnerServiceGrpc.newBlockingStub(channel)
            .withDeadlineAfter(ANSWERS_WITHIN.toSeconds(), TimeUnit.SECONDS)
            .joinRun(
                JoinRunRequest.newBuilder()
                    .setRunId(Site.RUN)
                    .setLearnerId(Site.LEARNER)
                    .setWorld(1)
                    .build());
      } catch (StatusRuntimeException failure) {
        if (failure.getStatus().getCode() != Status.Code.UNAVAILABLE
            || System.nanoTime() - deadline > 0) {
          throw failure;
        }
        TimeUnit.MILLISECONDS.sleep(200);
      }
    }
  }

  private static long die(Channel channel, JoinRunResponse joined) throws Exception {
    var first = new CompletableFuture<Long>();
    StreamObserver<StreamBatchesRequest> stream =
        LearnerServiceGrpc.newStub(channel)
            .streamBatches(
                new StreamObserver<>() {
                  @Override
                  public void onNext(StreamBatchesResponse response) {
                    if (response.hasHeader()) {
                      first.complete(response.getHeader().getBatch());
                    }
                  }

                  @Override
                  public void onError(Throwable failure) {
                    first.completeExceptionally(failure);
                  }

                  @Override
                  public void onCompleted() {
                    first.completeExceptionally(new AssertionError("the run ended"));
                  }
                });
    stream.onNext(
        StreamBatchesRequest.newBuilder()
            .setRunId(Site.RUN)
            .setLearnerEpoch(joined.getLearnerEpoch())
            .setFromBatch(joined.getNextBatch())
            .setCredits(1)
            .build());
    long batch = first.get(BATCH_WITHIN.toSeconds(), TimeUnit.SECONDS);
    stream.onError(Status.CANCELLED.withDescription("it died of it").asRuntimeException());
    return batch;
  }
}
