package io.gradus.benchmarks.load;

import io.gradus.learner.v1.JoinRunRequest;
import io.gradus.learner.v1.JoinRunResponse;
import io.gradus.learner.v1.LearnerServiceGrpc;
import io.gradus.learner.v1.PublishPolicyRequest;
import io.gradus.rollout.v1.CheckpointFile;
import io.gradus.rollout.v1.PolicyManifest;
import io.grpc.Channel;

/// A learner without a model: it joins and publishes first weights, of which no file is there, so
/// that workers get leases. It asks for no batch.
final class SimulatedLearner {

  private SimulatedLearner() {}

  static void publishFirstVersion(Channel channel, String runId) {
    var learners = LearnerServiceGrpc.newBlockingStub(channel);
    JoinRunResponse session =
        learners.joinRun(
            JoinRunRequest.newBuilder()
                .setRunId(runId)
                .setLearnerId("simulated-learner")
                .setWorld(1)
                .build());
    var _ =
        learners.publishPolicy(
            PublishPolicyRequest.newBuilder()
                .setRunId(runId)
                .setLearnerEpoch(session.getLearnerEpoch())
                .setManifest(
                    PolicyManifest.newBuilder()
                        .setPolicyVersion(session.getNextVersion())
                        .setUri(session.getCheckpointStore() + "v1")
                        .setLineage("0".repeat(64))
                        .addFiles(
                            CheckpointFile.newBuilder()
                                .setName("model.safetensors")
                                .setBytes(7)
                                .setSha256("0".repeat(64))))
                .build());
  }
}
