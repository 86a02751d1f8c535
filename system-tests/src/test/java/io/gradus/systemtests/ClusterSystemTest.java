package io.gradus.systemtests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.zonky.test.db.postgres.embedded.EmbeddedPostgres;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.CleanupMode;
import org.junit.jupiter.api.io.TempDir;

/// A run on three coordinators, two workers and a learner over one PostgreSQL, while one process
/// after another is killed or stands still: it goes on after each, and the books balance.
@Tag("chaos")
@Timeout(900)
class ClusterSystemTest {

  private static final int COORDINATORS = 3;
  private static final Duration STARTS_WITHIN = Duration.ofSeconds(90);
  private static final Duration GOES_ON_WITHIN = Duration.ofSeconds(60);
  private static final Duration ANSWERS_WITHIN = Duration.ofSeconds(60);
  private static final String RUN = "cluster-1";
  private static final long SEED = Long.getLong("seed", 20_261_125L);

  private static final ObjectMapper JSON = new ObjectMapper();

  @TempDir(cleanup = CleanupMode.ON_SUCCESS)
  private Path directory;

  private final Map<String, RunProcess> roles = new LinkedHashMap<>();
  private final Map<String, String[]> commands = new LinkedHashMap<>();
  private int outputs;

  @AfterEach
  void endProcesses() {
    roles.values().forEach(RunProcess::close);
  }

  @Test
  void goesOnWhicheverProcessDies() throws Exception {
    var random = new SplittableRandom(SEED);
    try (EmbeddedPostgres postgres =
        EmbeddedPostgres.builder()
            .setServerConfig("fsync", "on")
            .setServerConfig("full_page_writes", "on")
            .setServerConfig("synchronous_commit", "on")
            .start()) {
      String coordinators = start(postgres.getJdbcUrl("postgres", "postgres"));
      submit(coordinators);
      awaitSteps(coordinators, 1, "the run begins");
      int faults = 0;
      for (String fault : faults(random)) {
        String victim = victim(postgres, random, fault);
        long before = progress(coordinators).path("optimizer_steps").asLong();
        System.out.printf("fault %d: %s %s after step %d%n", ++faults, fault, victim, before);
        RunProcess process = roles.get(victim);
        if (process == null) {
          throw new AssertionError("no role " + victim);
        }
        if (fault.startsWith("stop")) {
          process.signal("STOP");
          awaitSteps(coordinators, before + 1, "while %s stands still".formatted(victim));
          process.signal("CONT");
        } else {
          process.kill();
        }
        reviveTheDead();
        awaitSteps(
            coordinators, before + 20, "after %s %s, seed %d".formatted(fault, victim, SEED));
      }
      isSound(coordinators);
      assertThat(epoch(postgres))
          .as("no epoch without a fault, seed %d", SEED)
          .isBetween(2L, 1L + faults);
    }
  }

  /// The faults of a schedule: each kind, in an order that the seed gives.
  private static List<String> faults(SplittableRandom random) {
    var left =
        new ArrayList<>(
            List.of(
                "kill host",
                "kill coordinator",
                "kill worker",
                "kill learner",
                "stop host",
                "stop worker",
                "kill host"));
    var order = new ArrayList<String>();
    while (!left.isEmpty()) {
      order.add(left.remove(random.nextInt(left.size())));
    }
    return order;
  }

  private String victim(EmbeddedPostgres postgres, SplittableRandom random, String fault)
      throws Exception {
    return switch (fault.substring(fault.indexOf(' ') + 1)) {
      case "host" -> host(epoch(postgres));
      case "coordinator" -> "coordinator-" + (1 + random.nextInt(COORDINATORS));
      case "worker" -> "worker-" + (1 + random.nextInt(2));
      default -> "learner-1";
    };
  }

  /// The coordinator that says that it has the run.
  private String host(long epoch) throws IOException {
    String sign = "run taken over run=\"%s\" epoch=\"%d\"".formatted(RUN, epoch);
    for (var role : roles.entrySet()) {
      if (role.getValue().isAlive() && role.getValue().output().contains(sign)) {
        return role.getKey();
      }
    }
    throw new AssertionError("no live coordinator says: " + sign);
  }

  // ---- the processes

  private String start(String jdbcUrl) throws Exception {
    List<Integer> ports = freePorts(3 * COORDINATORS);
    String addresses = addresses(ports.subList(0, COORDINATORS));
    String checkpoints = Files.createDirectory(directory.resolve("checkpoints")).toUri().toString();
    for (int node = 0; node < COORDINATORS; node++) {
      Path config = directory.resolve("coordinator-%d.yaml".formatted(node + 1));
      Files.writeString(
          config,
          """
          listen: {port: %d}
          ledger: {jdbc_url: "%s", user: postgres}
          checkpoint_store: "%s{run}"
          cluster: {port: %d, management_port: %d, contact_points: [%s]}
          """
              .formatted(
                  ports.get(node),
                  jdbcUrl,
                  checkpoints,
                  ports.get(COORDINATORS + node),
                  ports.get(2 * COORDINATORS + node),
                  addresses(ports.subList(2 * COORDINATORS, 3 * COORDINATORS))));
      role("coordinator-" + (node + 1), "coordinator", "--config", config.toString());
    }
    String coordinators = "coordinators=[%s]".formatted(addresses);
    for (int worker = 1; worker <= 2; worker++) {
      role(
          "worker-" + worker,
          "worker",
          "--set",
          coordinators,
          "--set",
          "worker_id=worker-" + worker);
    }
    role("learner-1", "learner", "--set", coordinators, "--set", "learner_id=learner-1");
    for (int node = 1; node <= COORDINATORS; node++) {
      RunProcess coordinator = roles.get("coordinator-" + node);
      await("coordinator %d is ready".formatted(node))
          .atMost(STARTS_WITHIN)
          .until(() -> coordinator != null && coordinator.output().contains("node is ready"));
    }
    return addresses;
  }

  private static String addresses(List<Integer> ports) {
    return ports.stream().map(port -> "127.0.0.1:" + port).collect(Collectors.joining(","));
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

  private void role(String name, String... arguments) throws IOException {
    commands.put(name, arguments);
    roles.put(
        name, RunProcess.start(directory.resolve(name + "-" + ++outputs), Map.of(), arguments));
  }

  /// What a supervisor does. A process that was put out of the cluster takes a moment to end.
  private void reviveTheDead() throws IOException {
    for (String name : List.copyOf(commands.keySet())) {
      RunProcess process = roles.get(name);
      String[] command = commands.get(name);
      if (process != null && command != null && !process.isAlive()) {
        role(name, command);
      }
    }
  }

  // ---- the run

  private void submit(String coordinators) throws Exception {
    var arguments =
        new ArrayList<>(
            List.of(
                "submit",
                Path.of("..", "examples", "addition.yaml").toString(),
                "--run-id",
                RUN,
                "--coordinator",
                coordinators));
    for (String setting :
        List.of(
            "warm_up.batches=20",
            "warm_up.sequences=32",
            "warm_up.ramp_steps=5",
            "batch.groups=32",
            "evaluation.problems=10",
            "evaluation.every=50",
            "publication.every=5",
            "publication.durable_every=10",
            "stop={batches: 1000000, wall_time: 1h}")) {
      arguments.addAll(List.of("--set", setting));
    }
    RunProcess submit = command(arguments.toArray(String[]::new));
    assertThat(submit.awaitExit(STARTS_WITHIN)).as(submit.output()).isZero();
  }

  private RunProcess command(String... arguments) throws IOException {
    return RunProcess.start(directory.resolve("command-" + ++outputs), Map.of(), arguments);
  }

  private JsonNode progress(String coordinators) throws Exception {
    try (RunProcess show = command("runs", "show", RUN, "--json", "--coordinator", coordinators)) {
      assertThat(show.awaitExit(ANSWERS_WITHIN)).as(show.output()).isZero();
      return JSON.readTree(show.output()).path("run");
    }
  }

  private void awaitSteps(String coordinators, long steps, String when) {
    await("step %d %s".formatted(steps, when))
        .atMost(GOES_ON_WITHIN)
        .ignoreExceptions()
        .until(() -> {
          reviveTheDead();
          return progress(coordinators).path("optimizer_steps").asLong() >= steps;
        });
  }

  private void isSound(String coordinators) throws Exception {
    try (RunProcess audit =
        command("ledger", "audit", RUN, "--json", "--coordinator", coordinators)) {
      assertThat(audit.awaitExit(ANSWERS_WITHIN)).as(audit.output()).isZero();
      JsonNode report = JSON.readTree(audit.output());
      assertThat(report.path("sound").asBoolean()).as(audit.output()).isTrue();
      assertThat(report.path("runs").path(0).path("residual").asLong(-1)).isZero();
    }
  }

  private static long epoch(EmbeddedPostgres postgres) throws SQLException {
    try (var connection = postgres.getPostgresDatabase().getConnection();
        var statement = connection.prepareStatement("select epoch from run where run_id = ?")) {
      statement.setString(1, RUN);
      try (var row = statement.executeQuery()) {
        assertThat(row.next()).isTrue();
        return row.getLong(1);
      }
    }
  }
}
