package io.gradus.coordinator;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.protobuf.ByteString;
import io.gradus.coordinator.edge.Inbox;
import io.gradus.coordinator.edge.Payloads;
import io.gradus.coordinator.run.TinyDecider;
import io.gradus.coordinator.spec.Specs;
import io.gradus.core.batch.BatchDigest;
import io.gradus.core.batch.BatchNumber;
import io.gradus.core.policy.Lineage;
import io.gradus.learner.v1.BatchHeader;
import io.gradus.learner.v1.JoinRunRequest;
import io.gradus.learner.v1.JoinRunResponse;
import io.gradus.learner.v1.LearnerServiceGrpc;
import io.gradus.learner.v1.PublishPolicyRequest;
import io.gradus.learner.v1.ReportBatchRequest;
import io.gradus.learner.v1.StreamBatchesRequest;
import io.gradus.learner.v1.StreamBatchesResponse;
import io.gradus.ledger.v1.GetGroupRequest;
import io.gradus.ledger.v1.LedgerServiceGrpc;
import io.gradus.rollout.v1.CheckpointFile;
import io.gradus.rollout.v1.GroupPayload;
import io.gradus.rollout.v1.Heartbeat;
import io.gradus.rollout.v1.PolicyManifest;
import io.gradus.rollout.v1.Register;
import io.gradus.rollout.v1.RolloutServiceGrpc;
import io.gradus.rollout.v1.SubmitGroupsRequest;
import io.gradus.rollout.v1.SubmitGroupsResponse;
import io.gradus.rollout.v1.WorkRequest;
import io.gradus.rollout.v1.WorkResponse;
import io.gradus.run.v1.GetRunRequest;
import io.gradus.run.v1.RunServiceGrpc;
import io.gradus.run.v1.RunState;
import io.gradus.run.v1.SubmitRunRequest;
import io.gradus.run.v1.WatchRunRequest;
import io.grpc.ManagedChannel;
import io.grpc.inprocess.InProcessChannelBuilder;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.HexFormat;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// A whole coordinator with a worker and a learner that do no more than talk.
@Timeout(120)
class CoordinatorTest {

  private static final String RUN = "run-1";

  @TempDir private Path directory;

  @Test
  void carriesGroupsFromAWorkerToALearnerAndTheirWeightsBack() throws Exception {
    long begun = System.nanoTime();
    CoordinatorConfig config =
        CoordinatorConfig.embedded(
            directory.resolve("ledger.db"), directory.resolve("checkpoints"), "happy-path");
    try (Coordinator coordinator =
        Coordinator.start(
            config,
            Optional.of(ClusterNode.starting(config.akka())),
            (plan, image, _) -> new TinyDecider(plan, image),
            Clock.systemUTC(),
            System::nanoTime)) {
      System.out.printf(
          "took %d ms to start a coordinator%n",
          Duration.ofNanos(System.nanoTime() - begun).toMillis());
      ManagedChannel channel = InProcessChannelBuilder.forName("happy-path").build();
      begun = System.nanoTime();
      try {
        play(channel);
        System.out.printf(
            "took %d ms to play a run of two batches, with %d commits%n",
            Duration.ofNanos(System.nanoTime() - begun).toMillis(), coordinator.commits());
      } finally {
        channel.shutdownNow();
      }
      begun = System.nanoTime();
    }
    System.out.printf(
        "took %d ms to close%n", Duration.ofNanos(System.nanoTime() - begun).toMillis());
  }

  private static void play(ManagedChannel channel) throws Exception {
    var runs = RunServiceGrpc.newBlockingStub(channel);
    var submitted =
        runs.submitRun(
            SubmitRunRequest.newBuilder()
                .setRunId(RUN)
                .setSpec(Specs.star("tasks { addition {} } stop { batches: 2 }"))
                .build());
    assertThat(submitted.getProgress().getState()).isEqualTo(RunState.RUN_STATE_RUNNING);
    var watched = new Inbox<io.gradus.run.v1.WatchRunResponse>();
    RunServiceGrpc.newStub(channel)
        .watchRun(WatchRunRequest.newBuilder().setRunId(RUN).build(), watched);

    var fromCoordinator = new Inbox<WorkResponse>();
    var worker = RolloutServiceGrpc.newStub(channel).work(fromCoordinator);
    worker.onNext(
        WorkRequest.newBuilder()
            .setRegister(Register.newBuilder().setWorkerId("worker-1").setSlots(8))
            .build());
    worker.onNext(
        WorkRequest.newBuilder().setHeartbeat(Heartbeat.newBuilder().setCredits(5)).build());
    assertThat(fromCoordinator.next().getRunAssigned().getSpec().getBatch().getGroups())
        .isEqualTo(128);
    var granted = fromCoordinator.next(WorkResponse::hasLeasesGranted).getLeasesGranted();
    assertThat(granted.getLeasesList()).hasSize(5);

    var outcomes = new Inbox<SubmitGroupsResponse>();
    var groups = RolloutServiceGrpc.newStub(channel).submitGroups(outcomes);
    for (int index = 0; index < 4; index++) {
      groups.onNext(
          SubmitGroupsRequest.newBuilder()
              .addAllParts(Payloads.parts(Payloads.of(RUN, granted.getLeases(index)), 50))
              .build());
    }
    groups.onCompleted();
    assertThat(outcomes.next().getOutcomesList())
        .extracting(outcome -> outcome.getAdmission().name())
        .containsOnly("ADMISSION_ACCEPTED")
        .hasSize(4);

    var learner = LearnerServiceGrpc.newBlockingStub(channel);
    JoinRunResponse session =
        learner.joinRun(
            JoinRunRequest.newBuilder()
                .setRunId(RUN)
                .setLearnerId("learner-1")
                .setWorld(1)
                .build());
    assertThat(session.getLearnerEpoch()).isEqualTo(1);
    assertThat(session.getNextBatch()).isEqualTo(1);
    var batches = new Inbox<StreamBatchesResponse>();
    var credits = LearnerServiceGrpc.newStub(channel).streamBatches(batches);
    credits.onNext(
        StreamBatchesRequest.newBuilder()
            .setRunId(RUN)
            .setLearnerEpoch(session.getLearnerEpoch())
            .setFromBatch(1)
            .setCredits(2)
            .build());
    var lineage = Lineage.root();
    for (int number = 1; number <= 2; number++) {
      BatchHeader header = batches.next().getHeader();
      assertThat(header.getBatch()).isEqualTo(number);
      assertThat(header.getUsesCount()).isEqualTo(2);
      var frame = batches.next().getFrame();
      assertThat(frame.getPartsList())
          .extracting(
              part -> GroupPayload.parseFrom(part.getData()).getGroupId() == part.getGroupId())
          .containsExactly(true, true);
      learner.reportBatch(
          ReportBatchRequest.newBuilder()
              .setRunId(RUN)
              .setLearnerEpoch(session.getLearnerEpoch())
              .setBatch(number)
              .setSha256(header.getSha256())
              .setSteps(1)
              .build());
      lineage = lineage.after(new BatchNumber(number), digest(header.getSha256()));
    }
    var published =
        learner.publishPolicy(
            PublishPolicyRequest.newBuilder()
                .setRunId(RUN)
                .setLearnerEpoch(session.getLearnerEpoch())
                .setManifest(
                    PolicyManifest.newBuilder()
                        .setPolicyVersion(session.getNextVersion())
                        .setStep(2)
                        .setBatch(2)
                        .setUri(session.getCheckpointStore() + "v00000001-s00000002-e1")
                        .setLineage(lineage.hex())
                        .addFiles(
                            CheckpointFile.newBuilder()
                                .setName("model.safetensors")
                                .setBytes(7)
                                .setSha256("0".repeat(64))))
                .build());
    assertThat(published.getNextVersion()).isEqualTo(2);

    assertThat(
            fromCoordinator
                .next(WorkResponse::hasVersionPublished)
                .getVersionPublished()
                .getManifest()
                .getPolicyVersion())
        .isEqualTo(1);
    assertThat(fromCoordinator.next(WorkResponse::hasRunClosed).getRunClosed().getRunId())
        .isEqualTo(RUN);
    batches.completion();
    watched.completion();
    var progress = runs.getRun(GetRunRequest.newBuilder().setRunId(RUN).build()).getProgress();
    assertThat(progress.getState()).isEqualTo(RunState.RUN_STATE_STOPPED);
    assertThat(progress.getGroupsMap()).containsEntry("TRAINED", 4L).containsEntry("CANCELLED", 1L);
    var story =
        LedgerServiceGrpc.newBlockingStub(channel)
            .getGroup(GetGroupRequest.newBuilder().setRunId(RUN).setGroupId(3).build())
            .getGroup();
    assertThat(story.getBatchesList()).containsExactly(2L);
    assertThat(story.getWorkerId()).isEqualTo("worker-1");
    worker.onCompleted();
  }

  private static BatchDigest digest(ByteString sha256) {
    return new BatchDigest(HexFormat.of().formatHex(sha256.toByteArray()));
  }
}
