package io.gradus.coordinator;

import akka.Done;
import akka.actor.CoordinatedShutdown;
import akka.actor.typed.ActorRef;
import akka.actor.typed.ActorSystem;
import akka.actor.typed.Props;
import akka.actor.typed.javadsl.Adapter;
import akka.cluster.sharding.typed.javadsl.ClusterSharding;
import akka.cluster.sharding.typed.javadsl.Entity;
import akka.cluster.typed.Cluster;
import io.gradus.coordinator.cluster.Departures;
import io.gradus.coordinator.cluster.Membership;
import io.gradus.coordinator.cluster.NodeWatch;
import io.gradus.coordinator.cluster.SettledAllocation;
import io.gradus.coordinator.edge.EdgeServer;
import io.gradus.coordinator.ledger.Ledger;
import io.gradus.coordinator.pool.PoolEntity;
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
  private final CompletableFuture<String> mustClose;
  private final AtomicBoolean isClosed;

  private Coordinator(
      CoordinatorConfig config,
      Ledger ledger,
      ActorSystem<Void> system,
      EdgeServer edges,
      ExecutorService blocking,
      ExecutorService calls,
      CompletableFuture<String> mustClose,
      AtomicBoolean isClosed) {
    this.config = config;
    this.ledger = ledger;
    this.system = system;
    this.edges = edges;
    this.blocking = blocking;
    this.calls = calls;
    this.mustClose = mustClose;
    this.isClosed = isClosed;
  }

  /// Starts a node: on its own, or one of several where the configuration names others.
  ///
  /// @throws io.gradus.coordinator.ledger.LedgerException when the ledger cannot be used
  /// @throws IOException when an address cannot be used
  public static Coordinator start(CoordinatorConfig config) throws IOException {
    // On its own the actor system starts while the ledger is opened: each takes a good part of the
    // start. Among others it asks the ledger.
    return start(
        config,
        config.cluster().hasPeers()
            ? Optional.empty()
            : Optional.of(ClusterNode.starting(config.akka())),
        RunDecider::open,
        Clock.systemUTC(),
        System::nanoTime);
  }

  /// Starts on a node on its own that is on its way; whatever happens, the node is the
  /// coordinator's now.
  public static Coordinator start(CoordinatorConfig config, ClusterNode node) throws IOException {
    return start(config, Optional.of(node), RunDecider::open, Clock.systemUTC(), System::nanoTime);
  }

  static Coordinator start(
      CoordinatorConfig config,
      Optional<ClusterNode> early,
      Decider.Factory deciders,
      Clock clock,
      LongSupplier nanoTime)
      throws IOException {
    var closing = new Closing();
    try {
      early.ifPresent(node -> closing.add(node, ClusterNode::close));
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
      ClusterNode node =
          early.isPresent()
              ? early.get()
              : closing.add(
                  ClusterNode.joining(config.akka(), ledger.leases(), nanoTime),
                  ClusterNode::close);
      ActorSystem<Void> system = node.await();
      ClusterSharding sharding = ClusterSharding.get(system);
      var checkpoints = new FileCheckpointStore(config.checkpointStore());
      var staging = new PayloadStaging(config.edge().stagingMaxBytes());
      var mustClose = new CompletableFuture<String>();
      var isClosed = new AtomicBoolean();
      var surroundings =
          new RunSurroundings(
              ledger,
              deciders,
              RunPlanMapper::planOf,
              RunPlanMapper::shareOf,
              checkpoints,
              staging,
              nanoTime,
              blocking,
              config.run(),
              (pool, command) -> {
                // As with the runs below: a claim that no pool hears any more holds up the end.
                if (!isClosed.get()) {
                  sharding.entityRefFor(PoolEntity.KEY, pool).tell(command);
                }
              },
              runId -> mustClose.complete("another process has taken run %s over".formatted(runId)),
              mustClose::isDone);
      sharding.init(
          Entity.of(PoolEntity.KEY, context -> PoolEntity.create(context.getEntityId(), nanoTime))
              .withAllocationStrategy(new SettledAllocation()));
      sharding.init(
          Entity.of(
                  RunEntity.KEY,
                  context ->
                      RunEntity.create(
                          context.getEntityId(),
                          surroundings,
                          self -> context.getShard().tell(new ClusterSharding.Passivate<>(self))))
              .withStopMessage(RunEntity.handOver())
              .withAllocationStrategy(new SettledAllocation()));
      ActorRef<RunRegistry.Message> registry =
          system.systemActorOf(
              RunRegistry.create(
                  ledger.reader()::activeRuns,
                  runId -> {
                    // A node that has to leave must not take its runs back, and one that closes
                    // need not: the last one would wait for itself.
                    if (!mustClose.isDone() && !isClosed.get()) {
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
                  Runtime.getRuntime().availableProcessors()));
      noticeDowning(system, mustClose, isClosed);
      var membership =
          new Membership(ledger.leases(), Cluster.get(system).selfMember().uniqueAddress());
      system.systemActorOf(
          Departures.create(
              membership::hasPutOut,
              hasDied -> {
                if (hasDied) {
                  edges.nodeDied();
                }
                registry.tell(new RunRegistry.Look());
              }),
          "gradus-departures",
          Props.empty());
      if (config.address().isPresent()) {
        // Within one JVM nobody asks whether the node is ready, and its ledger is its own.
        system.systemActorOf(
            NodeWatch.create(
                config.ledger().isSqlite() ? () -> readable(ledger) : membership::look,
                blocking,
                config.cluster().ledgerAbsence(),
                nanoTime,
                edges::setReady,
                mustClose::complete),
            "gradus-node-watch",
            Props.empty());
      }
      log.atInfo()
          .addKeyValue("ledger", config.ledger())
          .addKeyValue("checkpoints", config.checkpointStore())
          .addKeyValue("in_process", config.inProcessName().orElse("-"))
          .addKeyValue("port", edges.port().map(String::valueOf).orElse("-"))
          .log("coordinator started");
      return new Coordinator(config, ledger, system, edges, blocking, calls, mustClose, isClosed);
    } catch (IOException | RuntimeException failure) {
      closing.closeAll();
      throw failure;
    }
  }

  /// A node that the others, or the ledger's lease, put out of the cluster shuts its cluster part
  /// down by itself; the process has to follow.
  private static void noticeDowning(
      ActorSystem<?> system, CompletableFuture<String> mustClose, AtomicBoolean isClosed) {
    CoordinatedShutdown.get(Adapter.toClassic(system))
        .addTask(
            CoordinatedShutdown.PhaseBeforeServiceUnbind(),
            "gradus-notice-downing",
            () -> {
              if (!isClosed.get()) {
                mustClose.complete("this node was put out of the cluster");
              }
              return CompletableFuture.completedFuture(Done.getInstance());
            });
  }

  /// A ledger of this node's own need not be written to be tried.
  private static Optional<String> readable(Ledger ledger) {
    var _ = ledger.reader().activeRuns();
    return Optional.empty();
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

  /// Completes with the reason when this node must be closed and its process should end for its
  /// supervisor: another process has taken one of its runs over, it was put out of the cluster, or
  /// it cannot write to the ledger while others can.
  public CompletionStage<String> mustClose() {
    return mustClose.minimalCompletionStage();
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
    try {
      // What still runs in it uses the ledger and the threads below.
      var _ =
          system
              .getWhenTerminated()
              .toCompletableFuture()
              .get(config.shutdownTimeout().toMillis(), TimeUnit.MILLISECONDS);
    } catch (ExecutionException | TimeoutException failure) {
      log.atWarn().setCause(failure).log("the actor system did not end in time");
    } catch (InterruptedException _) {
      Thread.currentThread().interrupt();
    }
    ledger.close();
    blocking.shutdownNow();
    calls.shutdownNow();
    log.atInfo().log("coordinator closed");
  }
}
