package io.gradus.cli.role;

import static java.util.concurrent.TimeUnit.MILLISECONDS;

import io.gradus.cli.link.CoordinatorChannel;
import io.gradus.cli.link.HealthServer;
import io.gradus.cli.link.HostPort;
import io.gradus.cli.link.Statuses;
import io.gradus.config.v1.LearnerSettings;
import io.gradus.core.retry.Outage;
import io.gradus.learner.Learner;
import io.gradus.learner.LearnerConfig;
import io.gradus.learner.chunks.ChunkServerConfig;
import io.gradus.learner.link.LinkException;
import io.gradus.run.v1.ListRunsRequest;
import io.gradus.run.v1.RunProgress;
import io.gradus.run.v1.RunServiceGrpc;
import io.grpc.Channel;
import io.grpc.StatusRuntimeException;
import java.io.UncheckedIOException;
import java.time.Duration;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.function.LongSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// A learner that reaches its coordinators over TCP: on one run, or on one after another.
///
/// ```
///           a run was found              it ended
///  looking ─────────────────▶ learning ───────────▶ looking; with a run_id: done
///     ▲                          │ another learner has it
///     └──────────────────────────┘ the next run; with a run_id: waiting to take over
/// ```
final class LearnerRole implements Role {

  private static final Logger log = LoggerFactory.getLogger(LearnerRole.class);

  private static final Duration LOOKS_EVERY = Duration.ofSeconds(2);
  private static final Duration ANSWER_WITHIN = Duration.ofSeconds(10);

  /// Most active runs among which one is chosen.
  private static final int LISTED = 1000;

  private final LearnerSettings settings;
  private final Optional<ChunkServerConfig> chunkServer;
  private final CoordinatorChannel coordinators;
  private final Channel channel;
  private final LongSupplier nanoTime;
  private final Outage outage = new Outage();
  private final CountDownLatch closing = new CountDownLatch(1);
  private final CompletableFuture<Void> ending = new CompletableFuture<>();
  private final HealthServer health;
  private final Thread thread;

  /// The learner of the run at hand; guarded by this.
  private Optional<Learner> learner = Optional.empty();

  /// Whether the last question which runs there are was answered.
  private volatile boolean isAnswered;

  private LearnerRole(
      LearnerSettings settings,
      Optional<ChunkServerConfig> chunkServer,
      CoordinatorChannel coordinators,
      LongSupplier nanoTime)
      throws RoleException {
    this.settings = settings;
    this.chunkServer = chunkServer;
    this.coordinators = coordinators;
    this.channel = coordinators;
    this.nanoTime = nanoTime;
    health = WorkerRole.healthAt(settings.getHealth(), this::isReady);
    thread = Thread.ofPlatform().daemon().name("gradus-learner-role").unstarted(this::run);
  }

  static LearnerRole start(
      LearnerSettings settings,
      Optional<ChunkServerConfig> chunkServer,
      List<HostPort> coordinators)
      throws RoleException {
    WorkerRole.loadLibtorch();
    CoordinatorChannel channel = WorkerRole.channelTo(coordinators, settings.getLearnerId());
    LearnerRole role;
    try {
      role = new LearnerRole(settings, chunkServer, channel, System::nanoTime);
    } catch (RoleException e) {
      channel.close();
      throw e;
    }
    log.atInfo()
        .addKeyValue("learner", settings.getLearnerId())
        .addKeyValue("run", settings.getRunId().isEmpty() ? "any" : settings.getRunId())
        .addKeyValue("coordinators", coordinators)
        .addKeyValue("health_port", role.health.port())
        .log("learner started");
    role.thread.start();
    return role;
  }

  private synchronized boolean isReady() {
    return learner.map(Learner::isJoined).orElse(isAnswered);
  }

  private void run() {
    try {
      if (settings.getRunId().isEmpty()) {
        learnOnWhatThereIs();
      } else {
        learnOn(settings.getRunId());
      }
      ending.complete(null);
    } catch (RoleException e) {
      ending.completeExceptionally(e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      ending.complete(null);
    } catch (RuntimeException | Error e) {
      log.atError().setCause(e).log("the learner's own loop died");
      ending.completeExceptionally(
          new RoleException("the learner died: %s".formatted(CoordinatorRole.deepest(e)), e));
    }
  }

  /// How an attempt to learn on a run went.
  private enum Outcome {
    ENDED,
    HELD_BY_ANOTHER,
    CLOSED
  }

  private void learnOn(String runId) throws RoleException, InterruptedException {
    boolean wasTold = false;
    while (true) {
      switch (learn(runId)) {
        case ENDED, CLOSED -> {
          return;
        }
        case HELD_BY_ANOTHER -> {
          if (!wasTold) {
            log.atInfo()
                .addKeyValue("run", runId)
                .log("another learner works on the run; this one waits to take its place");
            wasTold = true;
          }
          isAnswered = true;
          if (pausesUntilClosing()) {
            return;
          }
        }
      }
    }
  }

  private void learnOnWhatThereIs() throws RoleException, InterruptedException {
    Set<String> passedOver = new HashSet<>();
    long answeredAt = nanoTime.getAsLong();
    while (true) {
      Optional<String> next = Optional.empty();
      try {
        next = LearnerRuns.next(active(), passedOver);
        isAnswered = true;
        answeredAt = nanoTime.getAsLong();
        outage
            .succeeded(answeredAt)
            .ifPresent(lasted ->
                log.atInfo()
                    .addKeyValue("away_seconds", lasted.toSeconds())
                    .log("a coordinator is back"));
      } catch (StatusRuntimeException e) {
        isAnswered = false;
        long now = nanoTime.getAsLong();
        Duration deadline = RoleSettings.toJava(settings.getReconnectDeadline());
        if (!Statuses.mayPass(e.getStatus()) || now - answeredAt > deadline.toNanos()) {
          throw new RoleException(
              "no coordinator of %s says which runs there are: %s; it ends, to be started anew by its supervisor"
                  .formatted(coordinators.coordinators(), Statuses.told(e.getStatus())),
              e);
        }
        outage
            .failed(now)
            .ifPresent(lasted ->
                log.atWarn()
                    .addKeyValue("coordinators", coordinators.authority())
                    .addKeyValue("status", Statuses.told(e.getStatus()))
                    .addKeyValue("away_seconds", lasted.toSeconds())
                    .addKeyValue("gives_up_after_seconds", deadline.toSeconds())
                    .log("no coordinator answers; the learner goes on asking for a run"));
      }
      if (next.isEmpty()) {
        // Whoever had them may be gone by the next look.
        passedOver.clear();
        if (pausesUntilClosing()) {
          return;
        }
        continue;
      }
      switch (learn(next.get())) {
        case ENDED -> answeredAt = nanoTime.getAsLong();
        case CLOSED -> {
          return;
        }
        case HELD_BY_ANOTHER -> passedOver.add(next.get());
      }
    }
  }

  private List<RunProgress> active() {
    return RunServiceGrpc.newBlockingStub(channel)
        .withDeadlineAfter(ANSWER_WITHIN.toMillis(), MILLISECONDS)
        .listRuns(ListRunsRequest.newBuilder().setOnlyActive(true).setPageSize(LISTED).build())
        .getRunsList();
  }

  private Outcome learn(String runId) throws RoleException, InterruptedException {
    Optional<Learner> begun = begin(runId);
    if (begun.isEmpty()) {
      return Outcome.CLOSED;
    }
    Learner learning = begun.get();
    try {
      return switch (learning.ending().get()) {
        case RUN_ENDED -> {
          log.atInfo().addKeyValue("run", runId).log("the run has ended");
          yield Outcome.ENDED;
        }
        case DRAINED, CLOSED -> Outcome.CLOSED;
      };
    } catch (ExecutionException e) {
      Throwable cause = e.getCause() == null ? e : e.getCause();
      if (cause instanceof LinkException refused && refused.isBusy()) {
        return Outcome.HELD_BY_ANOTHER;
      }
      throw new RoleException(
          "learner %s cannot go on with run %s: %s; it ends, to be started anew by its supervisor"
              .formatted(settings.getLearnerId(), runId, told(cause)),
          cause);
    } finally {
      synchronized (this) {
        learner = Optional.empty();
      }
      learning.close();
    }
  }

  private static String told(Throwable cause) {
    return cause.getMessage() == null ? cause.toString() : cause.getMessage();
  }

  /// A learner on the run, unless the role is closing.
  private synchronized Optional<Learner> begin(String runId) throws RoleException {
    if (closing.getCount() == 0) {
      return Optional.empty();
    }
    LearnerConfig config =
        LearnerConfig.of(runId, settings.getLearnerId(), settings.getReplicas())
            .withLimits(RoleSettings.toJava(settings.getReconnectDeadline()), closesWithin());
    if (chunkServer.isPresent()) {
      config = config.withChunkServer(chunkServer.get());
    }
    try {
      learner = Optional.of(new Learner(channel, config, () -> false, nanoTime));
    } catch (UncheckedIOException e) {
      throw new RoleException(told(e), e);
    }
    return learner;
  }

  private boolean pausesUntilClosing() throws InterruptedException {
    return closing.await(LOOKS_EVERY.toMillis(), MILLISECONDS);
  }

  @Override
  public CompletionStage<Void> ending() {
    return ending.minimalCompletionStage();
  }

  @Override
  public Duration closesWithin() {
    return RoleSettings.toJava(settings.getDrainTimeout());
  }

  @Override
  public void close() {
    health.drain();
    Optional<Learner> learning;
    synchronized (this) {
      closing.countDown();
      learning = learner;
    }
    learning.ifPresent(there -> {
      // Without a coordinator nothing can be announced, so nothing is waited for.
      if (there.isJoined()) {
        var _ = there.drain();
      }
      there.close();
    });
    try {
      if (!thread.join(closesWithin())) {
        thread.interrupt();
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    coordinators.close();
    health.close();
    log.atInfo().addKeyValue("learner", settings.getLearnerId()).log("learner closed");
  }
}
