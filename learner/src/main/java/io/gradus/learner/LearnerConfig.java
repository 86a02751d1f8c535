package io.gradus.learner;

import io.gradus.learner.chunks.ChunkServerConfig;
import java.time.Duration;
import java.util.Optional;

/// Settings of a learner.
///
/// @param learnerId stable for the life of the learner as a deployment unit, across its restarts
/// @param replicas threads that share an optimizer step while rollouts wait
/// @param credits batches that are received and read ahead of the one being trained
/// @param reportsInFlight reports of applied batches that may wait for their acknowledgement
/// @param callTimeout how long one attempt at a call may take
/// @param streamSilence after so long without a message the batch stream is opened anew
/// @param reconnectDeadline how long the coordinator may be away before the learner gives up
/// @param writeTimeout how long a checkpoint may take to be written
/// @param drainTimeout how long a drain may take
/// @param canaryNats weights that give known text more nats a token than this, and than twice what
///   the session began with, are not published; a uniform guess over 17 tokens costs 2.8
/// @param chunkServer serves checkpoints to workers that do not see the store; absent: all see it
public record LearnerConfig(
    String runId,
    String learnerId,
    int replicas,
    int credits,
    int reportsInFlight,
    Duration callTimeout,
    Duration streamSilence,
    Duration reconnectDeadline,
    Duration writeTimeout,
    Duration drainTimeout,
    double canaryNats,
    Optional<ChunkServerConfig> chunkServer) {

  public LearnerConfig {
    if (runId.isEmpty()) {
      throw new IllegalArgumentException("run id is empty");
    }
    if (learnerId.isEmpty() || learnerId.length() > 128) {
      throw new IllegalArgumentException(
          "learner id must have 1 to 128 characters but has " + learnerId.length());
    }
    if (replicas < 1 || replicas > 64 || credits < 1 || credits > 64 || reportsInFlight < 1) {
      throw new IllegalArgumentException(
          "learner %s has %d replicas (1 to 64), %d credits (1 to 64), %d reports in flight (1 or more)"
              .formatted(learnerId, replicas, credits, reportsInFlight));
    }
    for (Duration duration :
        new Duration[] {
          callTimeout, streamSilence, reconnectDeadline, writeTimeout, drainTimeout
        }) {
      if (!duration.isPositive()) {
        throw new IllegalArgumentException(
            "learner %s has a limit of %s but all limits must be positive"
                .formatted(learnerId, duration));
      }
    }
    if (!(canaryNats > 0)) {
      throw new IllegalArgumentException(
          "the canary's bound is %s but must be above 0".formatted(canaryNats));
    }
  }

  /// The same with other limits for the absence of the coordinator, and for draining.
  public LearnerConfig withLimits(Duration reconnecting, Duration draining) {
    return new LearnerConfig(
        runId,
        learnerId,
        replicas,
        credits,
        reportsInFlight,
        callTimeout,
        streamSilence,
        reconnecting,
        writeTimeout,
        draining,
        canaryNats,
        chunkServer);
  }

  /// The defaults for a learner of so many replicas.
  public static LearnerConfig of(String runId, String learnerId, int replicas) {
    return new LearnerConfig(
        runId,
        learnerId,
        replicas,
        3,
        16,
        Duration.ofSeconds(30),
        Duration.ofSeconds(60),
        Duration.ofMinutes(2),
        Duration.ofMinutes(5),
        Duration.ofSeconds(10),
        20,
        Optional.empty());
  }

  /// The same with a server for checkpoints.
  public LearnerConfig withChunkServer(ChunkServerConfig server) {
    return new LearnerConfig(
        runId,
        learnerId,
        replicas,
        credits,
        reportsInFlight,
        callTimeout,
        streamSilence,
        reconnectDeadline,
        writeTimeout,
        drainTimeout,
        canaryNats,
        Optional.of(server));
  }
}
