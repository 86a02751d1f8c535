package io.gradus.benchmarks.load;

import com.google.protobuf.Duration;
import io.gradus.run.v1.Addition;
import io.gradus.run.v1.Batch;
import io.gradus.run.v1.Model;
import io.gradus.run.v1.Objective;
import io.gradus.run.v1.Replay;
import io.gradus.run.v1.Rollout;
import io.gradus.run.v1.RunServiceGrpc;
import io.gradus.run.v1.RunSpec;
import io.gradus.run.v1.ScratchModel;
import io.gradus.run.v1.Star;
import io.gradus.run.v1.Stop;
import io.gradus.run.v1.SubmitRunRequest;
import io.gradus.run.v1.TaskSource;
import io.grpc.Channel;

/// A run whose capacity never limits its workers: a batch takes more groups than any measurement
/// brings, so that groups are granted, admitted and kept in replay, and none is drawn.
final class LoadedRun {

  private LoadedRun() {}

  /// Submits it and publishes its first weights.
  static void submit(Channel channel, String runId) {
    var _ =
        RunServiceGrpc.newBlockingStub(channel)
            .submitRun(SubmitRunRequest.newBuilder().setRunId(runId).setSpec(spec()).build());
    SimulatedLearner.publishFirstVersion(channel, runId);
  }

  static RunSpec spec() {
    return RunSpec.newBuilder()
        .setName("load")
        .setModel(Model.newBuilder().setScratch(ScratchModel.getDefaultInstance()))
        .addTasks(TaskSource.newBuilder().setAddition(Addition.newBuilder().setLastDigits(12)))
        .setRollout(
            Rollout.newBuilder()
                .setGroupSize(1)
                .setConcurrency(1_000_000)
                .setMaxStaleness(64)
                .setLeaseTtl(Duration.newBuilder().setSeconds(60)))
        .setObjective(Objective.newBuilder().setStar(Star.getDefaultInstance()))
        .setBatch(Batch.newBuilder().setGroups(65_536))
        .setReplay(Replay.newBuilder().setWindow(10_000_000).setDrawsPerSample(1))
        .setStop(Stop.newBuilder().setWallTime(Duration.newBuilder().setSeconds(3600)))
        .build();
  }
}
