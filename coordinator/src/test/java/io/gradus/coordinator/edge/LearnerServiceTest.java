package io.gradus.coordinator.edge;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.protobuf.ByteString;
import io.gradus.coordinator.Node;
import io.gradus.learner.v1.BatchHeader;
import io.gradus.learner.v1.JoinRunRequest;
import io.gradus.learner.v1.JoinRunResponse;
import io.gradus.learner.v1.LearnerFigures;
import io.gradus.learner.v1.LearnerServiceGrpc;
import io.gradus.learner.v1.PublishPolicyRequest;
import io.gradus.learner.v1.ReportBatchRequest;
import io.gradus.learner.v1.StreamBatchesRequest;
import io.gradus.learner.v1.StreamBatchesResponse;
import io.gradus.rollout.v1.CheckpointFile;
import io.gradus.rollout.v1.GroupPart;
import io.gradus.rollout.v1.Lease;
import io.gradus.rollout.v1.PolicyManifest;
import io.grpc.stub.StreamObserver;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// What a learner may say, and what it is answered.
@Timeout(120)
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class LearnerServiceTest {

  private Path directory;
  private Node node;
  private String run;

  @BeforeAll
  void start(@TempDir Path parent) throws Exception {
    directory = parent;
    node = Node.start(parent);
  }

  @BeforeEach
  void submitRun() {
    run = node.newRun();
  }

  @AfterEach
  void cancelRun() {
    node.cancel(run);
  }

  @AfterAll
  void close() {
    node.close();
  }

  private record Stream(StreamObserver<StreamBatchesRequest> out, Inbox<StreamBatchesResponse> in) {

    /// The messages of the next batch, as bytes.
    List<ByteString> batch() throws InterruptedException {
      StreamBatchesResponse header = in.next();
      assertThat(header.hasHeader()).isTrue();
      var messages = new ArrayList<ByteString>();
      messages.add(header.toByteString());
      long received = 0;
      while (received < header.getHeader().getPayloadBytes()) {
        StreamBatchesResponse frame = in.next();
        received +=
            frame.getFrame().getPartsList().stream().mapToLong(part -> part.getData().size()).sum();
        messages.add(frame.toByteString());
      }
      return messages;
    }
  }

  private Stream stream(long epoch, long from, int credits) {
    var in = new Inbox<StreamBatchesResponse>();
    var out = LearnerServiceGrpc.newStub(node.channel()).streamBatches(in);
    out.onNext(
        StreamBatchesRequest.newBuilder()
            .setRunId(run)
            .setLearnerEpoch(epoch)
            .setFromBatch(from)
            .setCredits(credits)
            .build());
    return new Stream(out, in);
  }

  private void submitGroups(int count) throws Exception {
    var parts = new ArrayList<GroupPart>();
    for (Lease lease : node.worker("worker-1").leases(count)) {
      parts.addAll(Payloads.parts(Payloads.of(run, lease), 1000));
    }
    assertThat(node.submit(parts)).hasSize(count);
  }

  private static BatchHeader header(List<ByteString> batch) throws Exception {
    return StreamBatchesResponse.parseFrom(batch.getFirst()).getHeader();
  }

  private ReportBatchRequest.Builder report(long epoch, BatchHeader header) {
    return ReportBatchRequest.newBuilder()
        .setRunId(run)
        .setLearnerEpoch(epoch)
        .setBatch(header.getBatch())
        .setSha256(header.getSha256())
        .setSteps(1);
  }

  private PublishPolicyRequest publication(JoinRunResponse session, String uri) {
    return PublishPolicyRequest.newBuilder()
        .setRunId(run)
        .setLearnerEpoch(session.getLearnerEpoch())
        .setManifest(
            PolicyManifest.newBuilder()
                .setPolicyVersion(session.getNextVersion())
                .setUri(uri)
                .setLineage("0".repeat(64))
                .addFiles(
                    CheckpointFile.newBuilder()
                        .setName("model.safetensors")
                        .setBytes(7)
                        .setSha256("0".repeat(64))))
        .build();
  }

  @Test
  void sendsTheVerySameBytesAgain() throws Exception {
    submitGroups(4);
    long epoch = node.join(run).getLearnerEpoch();
    Stream first = stream(epoch, 1, 2);
    List<List<ByteString>> sent = List.of(first.batch(), first.batch());
    first.out().onCompleted();
    first.in().completion();

    Stream again = stream(epoch, 1, 2);
    assertThat(List.of(again.batch(), again.batch())).as("another stream").isEqualTo(sent);

    long newer = node.join(run).getLearnerEpoch();
    assertThat(stream(newer, 2, 1).batch()).as("another session").isEqualTo(sent.getLast());

    node.close();
    node = Node.start(directory);
    Stream later = stream(node.join(run).getLearnerEpoch(), 1, 2);
    assertThat(List.of(later.batch(), later.batch())).as("another process").isEqualTo(sent);
  }

  @Test
  void sendsOneBatchForEachCredit() throws Exception {
    submitGroups(4);
    Stream stream = stream(node.join(run).getLearnerEpoch(), 1, 1);
    assertThat(header(stream.batch()).getBatch()).isEqualTo(1);

    stream.out().onNext(StreamBatchesRequest.newBuilder().setCredits(1).build());

    assertThat(header(stream.batch()).getBatch()).isEqualTo(2);
  }

  @Test
  void fencesTheStreamOfAnOlderSession() throws Exception {
    long older = node.join(run).getLearnerEpoch();
    Stream stream = stream(older, 1, 1);
    long newer = node.join(run).getLearnerEpoch();

    stream.out().onNext(StreamBatchesRequest.newBuilder().setCredits(1).build());

    assertThat(newer).isEqualTo(older + 1);
    assertThat(Node.refusal(stream.in().throwable()))
        .isEqualTo("FAILED_PRECONDITION/LEARNER_FENCED");
  }

  @Test
  void refusesTheReportOfABatchThatWasNotBound() throws Exception {
    submitGroups(2);
    long epoch = node.join(run).getLearnerEpoch();
    BatchHeader header = header(stream(epoch, 1, 1).batch());

    assertThat(
            Node.refusal(() ->
                node.learners()
                    .reportBatch(
                        report(epoch, header)
                            .setSha256(ByteString.copyFrom(new byte[32]))
                            .build())))
        .isEqualTo("FAILED_PRECONDITION/BATCH_MISMATCH");
    assertThat(
            node.learners()
                .reportBatch(
                    report(epoch, header)
                        .setFigures(LearnerFigures.newBuilder().setLoss(Double.NaN).setTokens(4))
                        .build()))
        .isNotNull();
  }

  @Test
  void refusesFiguresThatCannotBe() throws Exception {
    submitGroups(2);
    long epoch = node.join(run).getLearnerEpoch();
    BatchHeader header = header(stream(epoch, 1, 1).batch());

    assertThat(
            Node.refusal(() ->
                node.learners()
                    .reportBatch(
                        report(epoch, header)
                            .setFigures(LearnerFigures.newBuilder().setTokens(-1))
                            .build())))
        .isEqualTo("INVALID_ARGUMENT/INVALID_REQUEST");
  }

  @Test
  void refusesWeightsOutsideTheStoreOfTheRun() {
    JoinRunResponse session = node.join(run);

    assertThat(
            Node.refusal(
                () -> node.learners().publishPolicy(publication(session, "file:///elsewhere/v1"))))
        .isEqualTo("INVALID_ARGUMENT/INVALID_REQUEST");
    assertThat(
            node.learners()
                .publishPolicy(publication(session, session.getCheckpointStore() + "v1"))
                .getPolicyVersion())
        .isEqualTo(1);
  }

  @Test
  void refusesALearnerOfSeveralProcesses() {
    var request = JoinRunRequest.newBuilder().setRunId(run).setLearnerId("learner-1");

    assertThat(Node.refusal(() -> node.learners().joinRun(request.setWorld(2).build())))
        .isEqualTo("INVALID_ARGUMENT/INVALID_REQUEST");
    assertThat(Node.refusal(() -> node.learners().joinRun(request.setWorld(1).setRank(1).build())))
        .isEqualTo("INVALID_ARGUMENT/INVALID_REQUEST");
    assertThat(
            Node.refusal(
                () -> node.learners().joinRun(request.setRank(0).addDamagedVersions(0).build())))
        .isEqualTo("INVALID_ARGUMENT/INVALID_REQUEST");
  }

  @Test
  void knowsNoOtherRuns() {
    assertThat(
            Node.refusal(() ->
                node.learners()
                    .joinRun(
                        JoinRunRequest.newBuilder()
                            .setRunId("no-such-run")
                            .setLearnerId("learner-1")
                            .setWorld(1)
                            .build())))
        .isEqualTo("NOT_FOUND/RUN_NOT_FOUND");
  }

  @Test
  void demandsTheWholeNameOfAStreamFirst() throws Exception {
    var in = new Inbox<StreamBatchesResponse>();
    var out = LearnerServiceGrpc.newStub(node.channel()).streamBatches(in);

    out.onNext(StreamBatchesRequest.newBuilder().setRunId(run).setFromBatch(1).build());

    assertThat(in.failure().getDescription()).contains("learner_epoch is missing");
  }

  @Test
  void endsTheStreamWithTheRun() throws Exception {
    Stream stream = stream(node.join(run).getLearnerEpoch(), 1, 1);

    node.cancel(run);

    stream.in().completion();
  }
}
