package io.gradus.coordinator;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.typesafe.config.ConfigFactory;
import io.gradus.coordinator.run.TinyDecider;
import io.gradus.coordinator.spec.Specs;
import io.gradus.run.v1.GetRunRequest;
import io.gradus.run.v1.PauseRunRequest;
import io.gradus.run.v1.ResumeRunRequest;
import io.gradus.run.v1.RunProgress;
import io.gradus.run.v1.RunServiceGrpc;
import io.gradus.run.v1.RunState;
import io.gradus.run.v1.SubmitRunRequest;
import io.grpc.ManagedChannel;
import io.grpc.health.v1.HealthCheckRequest;
import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import io.grpc.health.v1.HealthGrpc;
import io.grpc.netty.NettyChannelBuilder;
import io.zonky.test.db.postgres.embedded.EmbeddedPostgres;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Path;
import java.sql.SQLException;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Three nodes in this JVM over one PostgreSQL, found through their contact points.
@Timeout(300)
class ClusterTest {

  private static final int NODES = 3;
  private static final Duration SOON = Duration.ofSeconds(60);

  private record Member(Coordinator coordinator, ManagedChannel channel) {

    RunServiceGrpc.RunServiceBlockingStub runs() {
      return RunServiceGrpc.newBlockingStub(channel).withDeadlineAfter(30, TimeUnit.SECONDS);
    }

    boolean isReady() {
      return HealthGrpc.newBlockingStub(channel)
          .withDeadlineAfter(30, TimeUnit.SECONDS)
          .check(HealthCheckRequest.newBuilder().setService("readiness").build())
          .getStatus()
          .equals(ServingStatus.SERVING);
    }

    void leave() {
      channel.shutdownNow();
      coordinator.close();
    }
  }

  @TempDir private Path checkpoints;

  private EmbeddedPostgres postgres;
  private List<Integer> ports = List.of();
  private final List<Member> members = new ArrayList<>();

  @BeforeEach
  void start() throws Exception {
    postgres =
        EmbeddedPostgres.builder()
            .setServerConfig("fsync", "on")
            .setServerConfig("full_page_writes", "on")
            .setServerConfig("synchronous_commit", "on")
            .start();
    ports = freePorts(2 * NODES);
    try (var starting = Executors.newVirtualThreadPerTaskExecutor()) {
      List<Future<Member>> all =
          IntStream.range(0, NODES).mapToObj(node -> starting.submit(() -> member(node))).toList();
      for (Future<Member> member : all) {
        members.add(member.get());
      }
    }
    await()
        .atMost(SOON)
        .untilAsserted(() -> assertThat(members).allMatch(Member::isReady, "is ready"));
  }

  @AfterEach
  void stop() throws IOException {
    members.forEach(Member::leave);
    postgres.close();
  }

  private static List<Integer> freePorts(int count) throws IOException {
    var sockets = new ArrayList<ServerSocket>();
    try {
      for (int port = 0; port < count; port++) {
        sockets.add(new ServerSocket(0, 1, InetAddress.getLoopbackAddress()));
      }
      return sockets.stream().map(ServerSocket::getLocalPort).toList();
    } finally {
      for (ServerSocket socket : sockets) {
        socket.close();
      }
    }
  }

  private Member member(int node) throws IOException {
    String root = "gradus.coordinator.";
    CoordinatorConfig config =
        CoordinatorConfig.from(
            ConfigFactory.parseMap(
                Map.of(
                    root + "ledger.jdbc-url",
                    postgres.getJdbcUrl("postgres", "postgres"),
                    root + "ledger.user",
                    "postgres",
                    root + "checkpoint-store",
                    checkpoints.toUri() + "{run}",
                    root + "listen",
                    true,
                    root + "shutdown-timeout",
                    "30s",
                    root + "cluster.port",
                    ports.get(node),
                    root + "cluster.management-port",
                    ports.get(NODES + node),
                    root + "cluster.contact-points",
                    ports.subList(NODES, 2 * NODES).stream()
                        .map(port -> "127.0.0.1:" + port)
                        .toList())));
    Coordinator coordinator =
        Coordinator.start(
            config,
            Optional.empty(),
            (plan, image, _) -> new TinyDecider(plan, image),
            Clock.systemUTC(),
            System::nanoTime);
    return new Member(
        coordinator,
        NettyChannelBuilder.forAddress("127.0.0.1", coordinator.port().orElseThrow())
            .usePlaintext()
            .build());
  }

  @Test
  void movesARunWhenItsNodeLeavesAndRaisesItsEpochOnce() throws Exception {
    Member first = members.getFirst();
    var _ =
        first
            .runs()
            .submitRun(
                SubmitRunRequest.newBuilder()
                    .setRunId("run-1")
                    .setSpec(Specs.star("tasks { addition {} } stop { batches: 3 }"))
                    .build());
    for (Member member : members) {
      assertThat(progress(member).getState()).isEqualTo(RunState.RUN_STATE_RUNNING);
    }
    assertThat(epoch()).isEqualTo(1);

    Member host = host();
    members.remove(host);
    host.leave();

    for (Member member : members) {
      var _ = member.runs().pauseRun(PauseRunRequest.newBuilder().setRunId("run-1").build());
      assertThat(progress(member).getState()).isEqualTo(RunState.RUN_STATE_PAUSED);
      var _ = member.runs().resumeRun(ResumeRunRequest.newBuilder().setRunId("run-1").build());
    }
    assertThat(epoch()).as("one move, one epoch").isEqualTo(2);
    assertThat(members)
        .as("nobody else has to leave")
        .noneMatch(member -> member.coordinator().mustClose().toCompletableFuture().isDone());
  }

  /// The node that commits when the run is paused.
  private Member host() {
    var before = members.stream().map(member -> member.coordinator().commits()).toList();
    var _ =
        members.getFirst().runs().pauseRun(PauseRunRequest.newBuilder().setRunId("run-1").build());
    List<Member> committed =
        IntStream.range(0, members.size())
            .filter(node -> members.get(node).coordinator().commits() > before.get(node))
            .mapToObj(members::get)
            .toList();
    assertThat(committed).as("nodes that decided").hasSize(1);
    return committed.getFirst();
  }

  private static RunProgress progress(Member member) {
    return member.runs().getRun(GetRunRequest.newBuilder().setRunId("run-1").build()).getProgress();
  }

  private long epoch() throws SQLException {
    try (var connection = postgres.getPostgresDatabase().getConnection();
        var statement = connection.createStatement();
        var row = statement.executeQuery("select epoch from run where run_id = 'run-1'")) {
      assertThat(row.next()).isTrue();
      return row.getLong(1);
    }
  }
}
