package io.gradus.coordinator;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.typesafe.config.ConfigFactory;
import io.gradus.coordinator.edge.Payloads;
import io.gradus.coordinator.run.TinyDecider;
import io.gradus.coordinator.spec.Specs;
import io.gradus.rollout.v1.Admission;
import io.gradus.rollout.v1.GroupOutcome;
import io.gradus.rollout.v1.GroupPart;
import io.gradus.rollout.v1.Lease;
import io.gradus.run.v1.GetRunRequest;
import io.gradus.run.v1.PauseRunRequest;
import io.gradus.run.v1.ResumeRunRequest;
import io.gradus.run.v1.RunProgress;
import io.gradus.run.v1.RunState;
import io.gradus.run.v1.SubmitRunRequest;
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

  private static boolean isReady(Node node) {
    return HealthGrpc.newBlockingStub(node.channel())
        .withDeadlineAfter(30, TimeUnit.SECONDS)
        .check(HealthCheckRequest.newBuilder().setService("readiness").build())
        .getStatus()
        .equals(ServingStatus.SERVING);
  }

  @TempDir private Path checkpoints;

  private EmbeddedPostgres postgres;
  private List<Integer> ports = List.of();
  private final List<Node> members = new ArrayList<>();

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
      List<Future<Node>> all =
          IntStream.range(0, NODES).mapToObj(node -> starting.submit(() -> started(node))).toList();
      for (Future<Node> member : all) {
        members.add(member.get());
      }
    }
    await()
        .atMost(SOON)
        .untilAsserted(() -> assertThat(members).allMatch(ClusterTest::isReady, "is ready"));
  }

  @AfterEach
  void stop() throws IOException {
    members.forEach(Node::close);
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

  private Node started(int node) throws IOException {
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
    return Node.over(
        coordinator,
        NettyChannelBuilder.forAddress("127.0.0.1", coordinator.port().orElseThrow())
            .usePlaintext()
            .build());
  }

  @Test
  void movesARunWhenItsNodeLeavesAndRaisesItsEpochOnce() throws Exception {
    submitRun();
    for (Node member : members) {
      assertThat(progress(member).getState()).isEqualTo(RunState.RUN_STATE_RUNNING);
    }
    assertThat(epoch()).isEqualTo(1);

    Node host = host();
    members.remove(host);
    host.close();

    for (Node member : members) {
      var _ = member.runs().pauseRun(PauseRunRequest.newBuilder().setRunId("run-1").build());
      assertThat(progress(member).getState()).isEqualTo(RunState.RUN_STATE_PAUSED);
      var _ = member.runs().resumeRun(ResumeRunRequest.newBuilder().setRunId("run-1").build());
    }
    assertThat(epoch()).as("one move, one epoch").isEqualTo(2);
    assertThat(members)
        .as("nobody else has to leave")
        .noneMatch(member -> member.coordinator().mustClose().toCompletableFuture().isDone());
  }

  /// A payload shares the transaction of its decision where the run is, and is written ahead of it
  /// elsewhere.
  @Test
  void takesGroupsOnEveryNode() throws Exception {
    submitRun();
    for (Node member : members) {
      for (int round = 0; round < 2; round++) {
        Lease lease =
            member
                .worker("worker-%d-%d".formatted(members.indexOf(member), round))
                .leases(1)
                .getFirst();
        List<GroupPart> parts = Payloads.parts(Payloads.of("run-1", lease), 1 << 20);

        assertThat(member.submit(parts))
            .extracting(GroupOutcome::getAdmission)
            .containsExactly(Admission.ADMISSION_ACCEPTED);
        for (Node other : members) {
          assertThat(other.submit(parts))
              .extracting(GroupOutcome::getAdmission)
              .containsExactly(Admission.ADMISSION_DUPLICATE);
        }
      }
    }
    assertThat(count("select count(*) from payload")).isEqualTo(2 * NODES);
    assertThat(count("select count(*) from rollout_group where state = 'ACCEPTED'"))
        .isEqualTo(2 * NODES);
  }

  /// The node that commits when the run is paused.
  private Node host() {
    var before = members.stream().map(member -> member.coordinator().commits()).toList();
    var _ =
        members.getFirst().runs().pauseRun(PauseRunRequest.newBuilder().setRunId("run-1").build());
    List<Node> committed =
        IntStream.range(0, members.size())
            .filter(node -> members.get(node).coordinator().commits() > before.get(node))
            .mapToObj(members::get)
            .toList();
    assertThat(committed).as("nodes that decided").hasSize(1);
    return committed.getFirst();
  }

  private static RunProgress progress(Node member) {
    return member.runs().getRun(GetRunRequest.newBuilder().setRunId("run-1").build()).getProgress();
  }

  private void submitRun() {
    var _ =
        members
            .getFirst()
            .runs()
            .submitRun(
                SubmitRunRequest.newBuilder()
                    .setRunId("run-1")
                    .setSpec(Specs.star("tasks { addition {} } stop { batches: 3 }"))
                    .build());
  }

  private long epoch() throws SQLException {
    return count("select epoch from run where run_id = 'run-1'");
  }

  private long count(String question) throws SQLException {
    try (var connection = postgres.getPostgresDatabase().getConnection();
        var statement = connection.createStatement();
        var row = statement.executeQuery(question)) {
      assertThat(row.next()).isTrue();
      return row.getLong(1);
    }
  }
}
