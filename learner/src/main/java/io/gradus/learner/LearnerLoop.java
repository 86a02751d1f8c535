package io.gradus.learner;

import io.gradus.core.policy.Manifest;
import io.gradus.learner.link.ClosedException;
import io.gradus.learner.link.LinkException;
import io.gradus.learner.link.ProtoMapper;
import io.gradus.learner.publication.CheckpointFiles;
import io.gradus.learner.run.LearningPlan;
import io.gradus.learner.run.RunSpecMapper;
import io.gradus.learner.v1.JoinRunRequest;
import io.gradus.learner.v1.JoinRunResponse;
import io.gradus.policy.checkpoint.DamagedCheckpointException;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeoutException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Joins the run, session after session, on the thread that owns the policy.
final class LearnerLoop {

  private static final Logger log = LoggerFactory.getLogger(LearnerLoop.class);

  /// More damaged checkpoints than this are a damaged store.
  private static final int MAX_DAMAGED = 16;

  /// Sessions in a row that apply no batch. A run that binds a batch anew three times, each after
  /// three failures, gives up before.
  private static final int MAX_FRUITLESS_SESSIONS = 12;

  private static final Duration BETWEEN_SESSIONS = Duration.ofMillis(200);

  private final LearnerParts parts;
  private final LearnerConfig config;

  LearnerLoop(LearnerParts parts) {
    this.parts = parts;
    config = parts.config();
  }

  /// Learns until the run has ended, or somebody ends the learner.
  ///
  /// @throws Exception if it cannot go on
  Learner.Ending run() throws Exception {
    int fruitless = 0;
    boolean wasFenced = false;
    while (true) {
      long appliedBefore = parts.meters().batches.get();
      try {
        switch (serve()) {
          case RUN_ENDED -> {
            return Learner.Ending.RUN_ENDED;
          }
          case DRAINED -> {
            return Learner.Ending.DRAINED;
          }
          case CLOSED -> {
            return Learner.Ending.CLOSED;
          }
          case AGAIN -> {}
        }
      } catch (ClosedException closed) {
        return Learner.Ending.CLOSED;
      } catch (LinkException e) {
        if (e.isRunEnded()) {
          return Learner.Ending.RUN_ENDED;
        }
        // The session that fenced this one may be an attempt of our own to join whose answer was
        // lost; so it joins again, and is told if another learner has the run. But a second time
        // somebody else goes by our name, and the one who came later is to stay.
        if (!e.isFenced() || wasFenced) {
          throw e;
        }
        wasFenced = true;
        log.atWarn()
            .addKeyValue("run", config.runId())
            .addKeyValue("learner", config.learnerId())
            .log("the session was taken over; joining again");
      }
      fruitless = parts.meters().batches.get() == appliedBefore ? fruitless + 1 : 0;
      if (fruitless >= MAX_FRUITLESS_SESSIONS) {
        throw new IllegalStateException(
            "%d sessions in a row applied no batch; see the failures reported before"
                .formatted(fruitless));
      }
      if (parts.inbox().awaitClosed(BETWEEN_SESSIONS.toNanos())) {
        return Learner.Ending.CLOSED;
      }
    }
  }

  private Session.Outcome serve()
      throws LinkException,
          ClosedException,
          ExecutionException,
          TimeoutException,
          IOException,
          InterruptedException {
    try (Session session = open()) {
      parts.meters().sessions.incrementAndGet();
      return session.work();
    }
  }

  /// Joins, and loads what the ledger names; a checkpoint that cannot be loaded is reported, so
  /// that the one before is named.
  private Session open() throws LinkException, ClosedException, IOException, InterruptedException {
    List<Long> damaged = new ArrayList<>();
    while (true) {
      JoinRunResponse joined =
          parts
              .calls()
              .join(
                  JoinRunRequest.newBuilder()
                      .setRunId(config.runId())
                      .setLearnerId(config.learnerId())
                      .setRank(0)
                      .setWorld(1)
                      .addAllDamagedVersions(damaged)
                      .setChunkServer(parts.chunkServerUri())
                      .build());
      parts
          .chunkServer()
          .ifPresent(server ->
              server.serve(config.runId(), Path.of(URI.create(joined.getCheckpointStore()))));
      LearningPlan plan = RunSpecMapper.plan(joined.getSpec());
      Position position = Position.first();
      if (joined.hasCheckpoint()) {
        Manifest checkpoint = ProtoMapper.manifest(joined.getCheckpoint());
        try {
          parts.policy().load(plan, CheckpointFiles.verified(checkpoint), checkpoint.durable());
        } catch (DamagedCheckpointException | java.nio.file.NoSuchFileException e) {
          log.atError()
              .addKeyValue("run", config.runId())
              .addKeyValue("version", checkpoint.version().value())
              .setCause(e)
              .log("a checkpoint is damaged; the one before is asked for");
          damaged.add(checkpoint.version().value());
          if (damaged.size() > MAX_DAMAGED) {
            throw new IllegalStateException(
                "%d checkpoints in a row are damaged; look at the store %s"
                    .formatted(damaged.size(), joined.getCheckpointStore()),
                e);
          }
          continue;
        }
        position = Position.of(checkpoint);
      } else {
        parts.policy().begin(plan);
      }
      if (joined.getNextBatch() != position.next().value()) {
        throw new IllegalStateException(
            "the run gives a checkpoint at batch %d but goes on with batch %d"
                .formatted(position.next().value() - 1, joined.getNextBatch()));
      }
      log.atInfo()
          .addKeyValue("run", config.runId())
          .addKeyValue("learner", config.learnerId())
          .addKeyValue("epoch", joined.getLearnerEpoch())
          .addKeyValue("step", position.step())
          .addKeyValue("next_batch", joined.getNextBatch())
          .log("joined the run");
      return new Session(parts, plan, joined, position);
    }
  }
}
