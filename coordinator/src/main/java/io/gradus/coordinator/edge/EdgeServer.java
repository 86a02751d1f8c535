package io.gradus.coordinator.edge;

import akka.actor.typed.ActorRef;
import akka.actor.typed.ActorSystem;
import io.gradus.coordinator.ledger.Ledger;
import io.gradus.coordinator.run.CheckpointStore;
import io.gradus.coordinator.run.PayloadStaging;
import io.gradus.coordinator.run.RunRegistry;
import io.grpc.BindableService;
import io.grpc.Server;
import io.grpc.ServerBuilder;
import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import io.grpc.inprocess.InProcessServerBuilder;
import io.grpc.netty.NettyServerBuilder;
import io.grpc.protobuf.services.HealthStatusManager;
import io.grpc.protobuf.services.ProtoReflectionServiceV1;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;

/// The services of a node, reachable inside the JVM, on a TCP port, or both.
public final class EdgeServer implements AutoCloseable {

  /// A part of a payload is at most 1 MiB; a request may hold a few.
  private static final int MAX_REQUEST_BYTES = 4 << 20;

  private static final int MAX_CALLS_PER_CONNECTION = 1024;

  /// Health: the process answers. Never depends on ledger or cluster.
  private static final String LIVENESS = "liveness";

  /// Health: the node belongs to its cluster and reaches the ledger; the same as of all services.
  private static final String READINESS = "readiness";

  private final Runs runs;
  private final List<Server> servers;
  private final HealthStatusManager health;
  private final Optional<Integer> port;

  private EdgeServer(
      Runs runs, List<Server> servers, HealthStatusManager health, Optional<Integer> port) {
    this.runs = runs;
    this.servers = servers;
    this.health = health;
    this.port = port;
  }

  /// Where the services are reached.
  ///
  /// @param inProcessName name inside this JVM
  /// @param address TCP address; port 0 is any free one
  public record Endpoints(Optional<String> inProcessName, Optional<InetSocketAddress> address) {}

  /// What the services work with.
  public record Backing(
      ActorSystem<?> system,
      Ledger ledger,
      ActorRef<RunRegistry.Message> registry,
      PayloadStaging staging,
      CheckpointStore checkpoints,
      Executor blocking,
      Executor calls,
      LongSupplier nanoTime,
      int processors) {}

  /// Starts serving.
  ///
  /// @throws IOException when an address cannot be used
  public static EdgeServer start(Endpoints endpoints, EdgeConfig config, Backing backing)
      throws IOException {
    var rules = new SchemaRules();
    var runs = new Runs(backing.system(), config.askTimeout(), config.askAgain());
    var specs = new Specs(backing.ledger(), backing.blocking());
    var health = new HealthStatusManager();
    List<BindableService> services =
        List.of(
            new RunService(
                runs,
                backing.ledger(),
                backing.registry(),
                specs::of,
                rules,
                backing.blocking(),
                backing.processors()),
            new RolloutService(
                backing.system(),
                runs,
                backing.registry(),
                backing.ledger(),
                backing.staging(),
                specs::of,
                rules,
                config,
                backing.blocking(),
                backing.nanoTime()),
            new LearnerService(
                backing.system(),
                runs,
                backing.ledger(),
                specs::of,
                backing.checkpoints(),
                rules,
                config,
                backing.blocking(),
                backing.nanoTime()),
            new LedgerService(backing.ledger(), rules, backing.blocking(), backing.nanoTime()));
    var started = new ArrayList<Server>();
    Optional<Integer> port = Optional.empty();
    try {
      if (endpoints.inProcessName().isPresent()) {
        started.add(
            serving(
                    InProcessServerBuilder.forName(endpoints.inProcessName().get()),
                    services,
                    health,
                    backing.calls())
                .start());
      }
      if (endpoints.address().isPresent()) {
        Server server =
            serving(
                    NettyServerBuilder.forAddress(endpoints.address().get())
                        .maxInboundMessageSize(MAX_REQUEST_BYTES)
                        .maxConcurrentCallsPerConnection(MAX_CALLS_PER_CONNECTION)
                        .keepAliveTime(30, TimeUnit.SECONDS)
                        .keepAliveTimeout(10, TimeUnit.SECONDS)
                        .permitKeepAliveTime(5, TimeUnit.SECONDS),
                    services,
                    health,
                    backing.calls())
                .start();
        started.add(server);
        port = Optional.of(server.getPort());
      }
    } catch (IOException | RuntimeException failure) {
      started.forEach(Server::shutdownNow);
      throw failure;
    }
    health.setStatus(LIVENESS, ServingStatus.SERVING);
    var server = new EdgeServer(runs, List.copyOf(started), health, port);
    server.setReady(endpoints.address().isEmpty());
    return server;
  }

  /// Tells health checks whether the node serves. A node that listens is not ready before it is
  /// said to be.
  public void setReady(boolean isReady) {
    ServingStatus status = isReady ? ServingStatus.SERVING : ServingStatus.NOT_SERVING;
    health.setStatus(HealthStatusManager.SERVICE_NAME_ALL_SERVICES, status);
    health.setStatus(READINESS, status);
  }

  private static Server serving(
      ServerBuilder<?> builder,
      List<BindableService> services,
      HealthStatusManager health,
      Executor calls) {
    services.forEach(builder::addService);
    return builder
        .addService(health.getHealthService())
        .addService(ProtoReflectionServiceV1.newInstance())
        .executor(calls)
        .build();
  }

  /// A node has died; what was asked of runs there is not answered any more.
  public void nodeDied() {
    runs.nodeDied();
  }

  /// The TCP port, where there is one.
  public Optional<Integer> port() {
    return port;
  }

  /// Tells health checks that this node takes no more calls; calls go on. The process still lives.
  public void drain() {
    setReady(false);
  }

  /// Takes no new calls, waits for those under way, then ends them.
  public void close(Duration limit) {
    drain();
    servers.forEach(Server::shutdown);
    try {
      for (Server server : servers) {
        if (!server.awaitTermination(limit.toMillis(), TimeUnit.MILLISECONDS)) {
          server.shutdownNow();
          var _ = server.awaitTermination(1, TimeUnit.SECONDS);
        }
      }
    } catch (InterruptedException _) {
      servers.forEach(Server::shutdownNow);
      Thread.currentThread().interrupt();
    }
  }

  @Override
  public void close() {
    close(Duration.ZERO);
  }
}
