package io.gradus.cli.embedded;

import io.gradus.cli.link.Witness;
import io.gradus.cli.session.RunningSystem;
import io.gradus.coordinator.ClusterNode;
import io.gradus.coordinator.Coordinator;
import io.gradus.coordinator.CoordinatorConfig;
import io.gradus.learner.Learner;
import io.gradus.learner.LearnerConfig;
import io.gradus.policy.nativememory.NativeMemory;
import io.gradus.run.v1.Resources;
import io.gradus.worker.RolloutWorker;
import io.gradus.worker.WorkerConfig;
import io.gradus.worker.WorkerFigures;
import io.gradus.worker.engine.libtorch.LibtorchEngine;
import io.gradus.worker.link.WorkLoop;
import io.grpc.Channel;
import io.grpc.ManagedChannel;
import io.grpc.Status;
import io.grpc.inprocess.InProcessChannelBuilder;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// A coordinator, rollout workers and a learner in this process, for one run.
///
/// ```
///              open                    work(run)
///  coordinator ────▶ channel ────▶ workers, learner
///  ◀──────────────── close, in the reverse order ──
/// ```
public final class EmbeddedSystem implements RunningSystem {

  private static final Logger log = LoggerFactory.getLogger(EmbeddedSystem.class);

  /// The same in every process that works on the run: a resumed learner takes over at once.
  private static final String LEARNER = "learner-1";

  private static final Duration CHANNEL_ENDS_WITHIN = Duration.ofSeconds(2);

  private final Coordinator coordinator;
  private final ManagedChannel channel;

  /// What the roles call through: [#channel], or that and a witness.
  private final Channel witnessed;

  private final Optional<Witness> witness;
  private final LongSupplier nanoTime;
  private final CompletableFuture<Void> death = new CompletableFuture<>();
  private List<RolloutWorker> workers = List.of();
  private Optional<Learner> learner = Optional.empty();

  private EmbeddedSystem(
      Coordinator coordinator,
      ManagedChannel channel,
      Optional<Witness> witness,
      LongSupplier nanoTime) {
    this.coordinator = coordinator;
    this.channel = channel;
    this.witness = witness;
    this.witnessed = witness.map(there -> there.before(channel)).orElse(channel);
    this.nanoTime = nanoTime;
    coordinator
        .mustClose()
        .thenAccept(reason ->
            death.completeExceptionally(new RoleDiedException(reason + ", so this process ends")));
  }

  /// What takes most of a start, on its way in the background; whoever prepared closes it.
  public static final class Preparation implements AutoCloseable {

    private final ClusterNode node;

    private Preparation(ClusterNode node) {
      this.node = node;
    }

    @Override
    public void close() {
      node.close();
    }
  }

  /// Begins to load libtorch and to start the coordinator's node, before there is a run.
  public static Preparation prepare() {
    Thread.ofPlatform()
        .name("gradus-libtorch")
        .daemon()
        .start(() -> {
          try {
            NativeMemory.load();
          } catch (LinkageError | IllegalStateException e) {
            // Whoever needs it meets the same failure, and tells it.
            log.atError().setCause(e).log("libtorch cannot be loaded");
          }
        });
    return new Preparation(ClusterNode.starting());
  }

  /// Starts the coordinator.
  ///
  /// @param name of its services inside this JVM; no other system may have it
  /// @param nanoTime monotonic nanoseconds, `System::nanoTime`
  /// @throws io.gradus.coordinator.ledger.LedgerException when the ledger cannot be used
  public static EmbeddedSystem open(
      Preparation preparation, Path ledger, Path checkpoints, String name, LongSupplier nanoTime)
      throws IOException {
    Optional<Witness> witness = Witness.of(System.getenv(Witness.VARIABLE));
    Coordinator coordinator =
        Coordinator.start(CoordinatorConfig.embedded(ledger, checkpoints, name), preparation.node);
    return new EmbeddedSystem(
        coordinator, InProcessChannelBuilder.forName(name).build(), witness, nanoTime);
  }

  /// Starts the workers and the learner of a run that the coordinator knows.
  public void work(String runId, Resources resources) {
    var started = new ArrayList<RolloutWorker>();
    for (int number = 1; number <= resources.getWorkers(); number++) {
      String id = "worker-" + number;
      var worker =
          new RolloutWorker(
              witnessed,
              WorkerConfig.of(id, resources.getWorkerSlots()),
              LibtorchEngine.NAME,
              LibtorchEngine::new,
              nanoTime);
      started.add(worker);
      var _ =
          worker
              .ending()
              .whenComplete((ending, failure) -> {
                if (failure != null) {
                  noticeDeath("rollout " + id, failure);
                } else if (ending instanceof WorkLoop.Ending.Failed(Status status)) {
                  noticeDeath("rollout " + id, status.asException());
                }
              });
    }
    workers = List.copyOf(started);
    var learning =
        new Learner(
            witnessed,
            LearnerConfig.of(runId, LEARNER, resources.getLearnerReplicas()),
            () -> started.stream().anyMatch(RolloutWorker::isSampling),
            nanoTime);
    learner = Optional.of(learning);
    var _ =
        learning
            .ending()
            .whenComplete((_, failure) -> {
              if (failure != null) {
                noticeDeath("the learner", failure);
              }
            });
  }

  private void noticeDeath(String role, Throwable failure) {
    Throwable cause =
        failure instanceof CompletionException wrapped && wrapped.getCause() != null
            ? wrapped.getCause()
            : failure;
    death.completeExceptionally(new RoleDiedException(role, cause));
  }

  @Override
  public Channel channel() {
    return channel;
  }

  @Override
  public CompletionStage<Void> death() {
    return death.minimalCompletionStage();
  }

  @Override
  public Map<Activity, Duration> workerTime() {
    Map<Activity, Duration> time = new EnumMap<>(Activity.class);
    for (RolloutWorker worker : workers) {
      WorkerFigures figures = worker.figures();
      time.merge(Activity.SAMPLING, figures.sampling(), Duration::plus);
      time.merge(Activity.VERIFYING, figures.verifying(), Duration::plus);
      time.merge(Activity.LOADING, figures.loading(), Duration::plus);
      time.merge(Activity.WAITING, figures.idle().plus(figures.blocked()), Duration::plus);
    }
    return time;
  }

  @Override
  public Optional<String> interrupted() {
    return Optional.of("  stopping; Ctrl-C again ends at once");
  }

  /// Ends sampling, so that the learner has the processors to itself, and has it leave a durable
  /// checkpoint.
  @Override
  public void drain() {
    workers.forEach(RolloutWorker::close);
    learner.ifPresent(Learner::drain);
  }

  @Override
  public void close() {
    closing("learner", () -> learner.ifPresent(Learner::close));
    workers.forEach(worker -> closing("worker", worker::close));
    closing("channel", this::closeChannel);
    closing("coordinator", coordinator::close);
    witness.ifPresent(there -> closing("witness", there::close));
  }

  private void closeChannel() {
    channel.shutdownNow();
    try {
      if (!channel.awaitTermination(CHANNEL_ENDS_WITHIN.toMillis(), TimeUnit.MILLISECONDS)) {
        log.atWarn().log("the channel did not end in time");
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /// What follows is closed all the same: the ledger most of all.
  private static void closing(String role, Runnable close) {
    try {
      close.run();
    } catch (RuntimeException e) {
      log.atWarn().addKeyValue("role", role).setCause(e).log("a role did not close in good order");
    }
  }
}
