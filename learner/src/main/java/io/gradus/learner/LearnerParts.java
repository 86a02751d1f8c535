package io.gradus.learner;

import io.gradus.learner.chunks.ChunkServer;
import io.gradus.learner.link.Calls;
import io.gradus.learner.link.Inbox;
import io.gradus.learner.publication.CheckpointWriter;
import io.grpc.Channel;
import java.util.Optional;
import java.util.function.BooleanSupplier;
import java.util.function.LongSupplier;

/// What the sessions of a learner share.
record LearnerParts(
    Channel channel,
    LearnerConfig config,
    Calls calls,
    Inbox inbox,
    CheckpointWriter writer,
    TrainedPolicy policy,
    LearnerMeters meters,
    Optional<ChunkServer> chunkServer,
    BooleanSupplier rolloutsSampling,
    LongSupplier nanoTime) {

  /// Where workers find the run's checkpoints; empty where they are not served.
  String chunkServerUri() {
    return chunkServer.map(server -> server.uriOf(config.runId())).orElse("");
  }
}
