package io.gradus.learner.link;

import io.gradus.learner.batch.BatchAssembly;
import io.gradus.learner.batch.BatchReader;
import io.gradus.learner.batch.RefusedBatchException;
import io.gradus.learner.link.Inbox.Arrival;
import io.gradus.learner.v1.LearnerServiceGrpc;
import io.gradus.learner.v1.StreamBatchesRequest;
import io.gradus.learner.v1.StreamBatchesResponse;
import io.grpc.Channel;
import io.grpc.Status;
import io.grpc.stub.ClientCallStreamObserver;
import io.grpc.stub.ClientResponseObserver;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// One stream of batches. Its callbacks, which come from gRPC's threads one at a time, put batches
/// together, check them and read them into examples, so that the training thread finds rows. Memory
/// is bounded by the credits given.
final class BatchStream {

  private static final Logger log = LoggerFactory.getLogger(BatchStream.class);

  private final Inbox inbox;
  private final BatchReader reader;
  private @Nullable ClientCallStreamObserver<StreamBatchesRequest> requests;

  /// A stream that is not open yet.
  BatchStream(Inbox inbox, BatchReader reader) {
    this.inbox = inbox;
    this.reader = reader;
  }

  /// Asks for batches from the first one that the inbox lacks. The training thread opens, credits
  /// and abandons a stream.
  ///
  /// @param chunkServer where the learner serves checkpoints; empty: it does not
  /// @param credits batches that may be received ahead, those in the inbox included
  static BatchStream open(
      Channel channel,
      String runId,
      long epoch,
      String chunkServer,
      int credits,
      Inbox inbox,
      BatchReader reader) {
    var stream = new BatchStream(inbox, reader);
    Inbox.Room room = inbox.listenTo(stream, credits);
    LearnerServiceGrpc.newStub(channel).streamBatches(stream.new Responses(room.from()));
    stream.send(
        StreamBatchesRequest.newBuilder()
            .setRunId(runId)
            .setLearnerEpoch(epoch)
            .setFromBatch(room.from())
            .setCredits(room.batches())
            .setChunkServer(chunkServer)
            .build());
    return stream;
  }

  /// There is room for one more batch.
  void credit() {
    send(StreamBatchesRequest.newBuilder().setCredits(1).build());
  }

  /// Whether the stream has reached a coordinator that takes what is sent.
  boolean isReady() {
    ClientCallStreamObserver<StreamBatchesRequest> call = requests;
    return call != null && call.isReady();
  }

  /// Ends the stream; what it still brings is not listened to.
  void abandon() {
    ClientCallStreamObserver<StreamBatchesRequest> call = requests;
    if (call != null) {
      call.cancel("the learner no longer listens", null);
    }
  }

  private void send(StreamBatchesRequest request) {
    ClientCallStreamObserver<StreamBatchesRequest> call = requests;
    if (call == null) {
      throw new IllegalStateException("the stream has not been opened");
    }
    try {
      call.onNext(request);
    } catch (IllegalStateException ended) {
      // Writing to a call that just ended; the reason is on its way to the inbox.
      log.atDebug().setCause(ended).log("a request came after the stream's end");
    }
  }

  private final class Responses
      implements ClientResponseObserver<StreamBatchesRequest, StreamBatchesResponse> {

    private final BatchAssembly assembly;

    private Responses(long from) {
      assembly = new BatchAssembly(from);
    }

    @Override
    public void beforeStart(ClientCallStreamObserver<StreamBatchesRequest> call) {
      requests = call;
    }

    @Override
    public void onNext(StreamBatchesResponse message) {
      inbox.heard(BatchStream.this);
      try {
        assembly.accept(message).ifPresent(this::read);
      } catch (IllegalStateException outOfOrder) {
        log.atError()
            .addKeyValue("batch", assembly.next())
            .setCause(outOfOrder)
            .log("the stream makes no sense and will be opened again");
        inbox.streamEnded(
            BatchStream.this,
            new Arrival.Broken(
                Status.INTERNAL
                    .withDescription(outOfOrder.getMessage())
                    .withCause(outOfOrder)
                    .asRuntimeException()));
        abandon();
      }
    }

    private void read(BatchAssembly.Assembled assembled) {
      long number = assembled.header().getBatch();
      Arrival arrival;
      try {
        arrival = new Arrival.Ready(reader.read(assembled));
      } catch (RefusedBatchException | RuntimeException e) {
        arrival =
            new Arrival.Refused(
                number, assembled.header().getSha256(), String.valueOf(e.getMessage()));
      }
      inbox.received(BatchStream.this, number, arrival);
    }

    @Override
    public void onError(Throwable failure) {
      inbox.streamEnded(BatchStream.this, new Arrival.Broken(failure));
    }

    @Override
    public void onCompleted() {
      inbox.streamEnded(BatchStream.this, new Arrival.RunEnded());
    }
  }
}
