package io.gradus.coordinator;

import akka.actor.CoordinatedShutdown;
import akka.actor.typed.ActorRef;
import akka.actor.typed.ActorSystem;
import akka.actor.typed.Props;
import akka.actor.typed.javadsl.Adapter;
import akka.cluster.sharding.typed.javadsl.ClusterSharding;
import akka.cluster.sharding.typed.javadsl.Entity;
import akka.cluster.typed.Cluster;
import io.gradus.coordinator.edge.EdgeServer;
import io.gradus.coordinator.ledger.Ledger;
import io.gradus.coordinator.run.FileCheckpointStore;
import io.gradus.coordinator.run.PayloadStaging;
import io.gradus.coordinator.run.RunCommand;
import io.gradus.coordinator.run.RunEntity;
import io.gradus.coordinator.run.RunRegistry;
import io.gradus.coordinator.run.RunSurroundings;
import io.gradus.coordinator.spec.RunPlanMapper;
import io.gradus.core.run.Decider;
import io.gradus.core.run.RunDecider;
import java.io.IOException;
import java.time.Clock;
import java.util.Optional;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.LongSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// A node of the coordinator, composed: ledger, cluster, runs, edges.
///
/// ```java
/// try (var coordinator = Coordinator.start(config)) {
///   // clients reach it under config.inProcessName() or coordinator.port()
/// }
/// ```
///
/// Parts close in the reverse order of their start: the edges take no more calls, the runs stop,
/// the ledger commits what is queued.
public final class Coordinator implements AutoCloseable {

  private static final Logger log = LoggerFactory.getLogger(Coordinator.class);

  /// Tasks that may wait for a thread that may block.
  private static final int BLOCKING_QUEUE = 4096;

  /// Events of calls that may wait for a thread; gRPC queues one for a call at a time.
  private static final int CALL_QUEUE = 65_536;

  private final CoordinatorConfig config;
  private final Ledger ledger;
  private final ActorSystem<Void> system;
  private final EdgeServer edges;
  private final ExecutorService blocking;
  private final ExecutorService calls;
  private final CompletableFuture<String> fenced;
  private final AtomicBoolean isClosed = new AtomicBoolean();

  private Coordinator(
      CoordinatorConfig config,
      Ledger ledger,
      ActorSystem<Void> system,
      EdgeServer edges,
      ExecutorService blocking,
      ExecutorService calls,
      CompletableFuture<String> fenced) {
    this.config = config;
    this.ledger = ledger;
    this.system = system;
    this.edges = edges;
    this.blocking = blocking;
    this.calls = calls;
    this.fenced = fenced;
  }

  /// Starts a node that forms a cluster of its own.
  ///
  /// @throws io.gradus.coordinator.ledger.LedgerException when the ledger cannot be used
  /// @throws IOException when an address cannot be used
  public static Coordinator start(CoordinatorConfig config) throws IOException {
    // The actor system starts while the ledger is opened: each takes a good part of the start.
    return start(config, ClusterNode.starting(config.akka()));
  }

  /// Starts on a node that is on its way; whatever happens, the node is the coordinator's now.
  public static Coordinator start(CoordinatorConfig config, ClusterNode node) throws IOException {
    return start(config, node, RunDecider::open, Clock.systemUTC(), System::nanoTime);
  }

  static Coordinator start(
      CoordinatorConfig config,
      ClusterNode node,
      Decider.Factory deciders,
      Clock clock,
      LongSupplier nanoTime)
      throws IOException {
    var closing = new Closing();
    try {
      closing.add(node, ClusterNode::close);
      ExecutorService blocking =
          closing.add(
              pool("gradus-blocking-", config.ledger().readConnections(), BLOCKING_QUEUE),
              ExecutorService::shutdownNow);
      ExecutorService calls =
          closing.add(
              pool(
                  "gradus-call-",
                  Math.max(2, Runtime.getRuntime().availableProcessors()),
                  CALL_QUEUE),
              ExecutorService::shutdownNow);
      Ledger ledger = closing.add(Ledger.open(config.ledger(), clock, nanoTime), Ledger::close);
      ActorSystem<Void> system = node.await();
      var checkpoints = new FileCheckpointStore(config.checkpointStore());
      var staging = new PayloadStaging(config.edge().stagingMaxBytes());
      var fenced = new CompletableFuture<String>();
      var surroundings =
          new RunSurroundings(
              ledger,
              deciders,
              RunPlanMapper::planOf,
              checkpoints,
              staging,
              nanoTime,
              blocking,
              config.run(),
              fenced::complete);
      ClusterSharding sharding = ClusterSharding.get(system);
      sharding.init(
          Entity.of(
              RunEntity.KEY,
              context ->
                  RunEntity.create(
                      context.getEntityId(),
                      surroundings,
                      self -> context.getShard().tell(new ClusterSharding.Passivate<>(self)))));
      ActorRef<RunRegistry.Message> registry =
          system.systemActorOf(
              RunRegistry.create(
                  ledger.reader()::activeRuns,
                  runId -> {
                    // A node that was fenced must not take its runs back.
                    if (!fenced.isDone()) {
                      sharding.entityRefFor(RunEntity.KEY, runId).tell(new RunCommand.Wake());
                    }
                  },
                  blocking,
                  config.run().wakeInterval()),
              "gradus-run-registry",
              Props.empty());
      EdgeServer edges =
          EdgeServer.start(
              new EdgeServer.Endpoints(config.inProcessName(), config.address()),
              config.edge(),
              new EdgeServer.Backing(
                  system,
                  ledger,
                  registry,
                  staging,
                  checkpoints,
                  blocking,
                  calls,
                  nanoTime,
                  () -> isAlone(system),
                  Runtime.getRuntime().availableProcessors()));
      log.atInfo()
          .addKeyValue("ledger", config.ledger())
          .addKeyValue("checkpoints", config.checkpointStore())
          .addKeyValue("in_process", config.inProcessName().orElse("-"))
          .addKeyValue("port", edges.port().map(String::valueOf).orElse("-"))
          .log("coordinator started");
      return new Coordinator(config, ledger, system, edges, blocking, calls, fenced);
    } catch (IOException | RuntimeException failure) {
      closing.closeAll();
      throw failure;
    }
  }

  private static boolean isAlone(ActorSystem<?> system) {
    int members = 0;
    for (var _ : Cluster.get(system).state().getMembers()) {
      members++;
    }
    return members <= 1;
  }

  private static ExecutorService pool(String name, int threads, int queue) {
    var pool =
        new ThreadPoolExecutor(
            threads,
            threads,
            10,
            TimeUnit.SECONDS,
            new ArrayBlockingQueue<>(queue),
            Thread.ofPlatform().name(name, 0).daemon().factory());
    pool.allowCoreThreadTimeOut(true);
    return pool;
  }

  /// The TCP port on which the services listen, where they do.
  public Optional<Integer> port() {
    return edges.port();
  }

  /// Transactions committed since the start, for progress and tests.
  public long commits() {
    return ledger.commits();
  }

  /// Completes with a run's id when another process has taken that run over: this node must be
  /// closed, and its process should end for its supervisor.
  public CompletionStage<String> fenced() {
    return fenced.minimalCompletionStage();
  }

  /// Takes no more calls, stops the runs, commits what is queued; bounded by the shutdown timeout.
  @Override
  public void close() {
    if (!isClosed.compareAndSet(false, true)) {
      return;
    }
    edges.close(config.shutdownTimeout().dividedBy(4));
    try {
      CoordinatedShutdown.get(Adapter.toClassic(system))
          .runAll(CoordinatedShutdown.unknownReason())
          .toCompletableFuture()
          .get(config.shutdownTimeout().toMillis(), TimeUnit.MILLISECONDS);
    } catch (ExecutionException | TimeoutException failure) {
      log.atWarn().setCause(failure).log("the cluster did not leave in time");
    } catch (InterruptedException _) {
      Thread.currentThread().interrupt();
    }
    system.terminate();
    ledger.close();
    blocking.shutdownNow();
    calls.shutdownNow();
    log.atInfo().log("coordinator closed");
  }
}
