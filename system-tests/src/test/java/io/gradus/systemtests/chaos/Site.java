package io.gradus.systemtests.chaos;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.gradus.cli.link.CoordinatorChannel;
import io.gradus.cli.link.HostPort;
import io.gradus.systemtests.LedgerTables;
import io.gradus.systemtests.RunProcess;
import io.gradus.systemtests.WitnessLog;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/// Three coordinators, two workers and a learner a run, each a supervised process, over one
/// PostgreSQL, a witness, and runs without an end. Every way between two of them goes through a
/// proxy.
///
/// ```
/// worker, learner ──proxy──▶ coordinator n ──proxy──▶ PostgreSQL
///                     other coordinators ──proxy──▶ coordinator n
/// ```
///
/// A coordinator calls the others from an address of its own, so that their proxies know it.
final class Site implements AutoCloseable {

  static final int COORDINATORS = 3;
  static final List<String> WORKERS = List.of("worker-1", "worker-2");
  static final String LEARNER = "learner-1";
  static final String RUN = "chaos-1";

  /// The run of those tests that need but one: small, for many steps in little time.
  private static final Submission SMALL_RUN =
      new Submission(
          RUN,
          List.of(
              "warm_up.batches=20",
              "warm_up.sequences=32",
              "warm_up.ramp_steps=5",
              "batch.groups=32",
              "evaluation.problems=10",
              "evaluation.every=50",
              "publication.every=5",
              "publication.durable_every=10",
              "rollout.progress_timeout=10s"));

  private static final Duration STARTS_WITHIN = Duration.ofMinutes(2);

  /// Slots of a worker, so few that a run has work for one worker more.
  static final int FEW_SLOTS = 32;

  /// Slots of a worker, as many as it has by default.
  static final int MANY_SLOTS = 256;

  private static final Duration ANSWERS_WITHIN = Duration.ofSeconds(90);

  private final Path directory;
  private final List<Submission> runs;
  private final WitnessLog witness;
  private final PostgresServer postgres;
  private final Supervisor roles;
  private final List<TcpProxy> ways = new ArrayList<>();
  private final List<Node> nodes = new ArrayList<>();
  private int commands;

  /// A coordinator, and the ways to and from it.
  ///
  /// @param peers the way by which other coordinators reach it
  /// @param database its way to the ledger
  /// @param clients by role, the way by which that reaches it
  private record Node(
      String name,
      InetAddress address,
      int port,
      TcpProxy peers,
      TcpProxy database,
      Map<String, TcpProxy> clients) {}

  /// A run, and how it differs from the example of addition.
  record Submission(String runId, List<String> settings) {

    Submission {
      settings = List.copyOf(settings);
    }
  }

  private Site(
      Path directory,
      List<Submission> runs,
      Optional<Path> classes,
      WitnessLog witness,
      PostgresServer postgres) {
    this.directory = directory;
    this.runs = runs;
    this.witness = witness;
    this.postgres = postgres;
    this.roles = new Supervisor(directory, classes);
  }

  /// Starts everything with one run and one learner.
  ///
  /// @param directory an empty one
  /// @param slots groups that a worker samples at once
  /// @param classes of the programs, in place of some that are right
  static Site start(Path directory, int slots, Optional<Path> classes) throws Exception {
    return start(directory, slots, classes, List.of(SMALL_RUN));
  }

  /// Starts everything, with as many learners as runs, and submits the runs.
  static Site start(Path directory, int slots, Optional<Path> classes, List<Submission> runs)
      throws Exception {
    var ports = new Ports(1 + COORDINATORS * (5 + WORKERS.size() + runs.size()));
    PostgresServer postgres = PostgresServer.start(directory, ports.next());
    var site =
        new Site(
            directory,
            List.copyOf(runs),
            classes,
            WitnessLog.open(directory.resolve("witness.jsonl")),
            postgres);
    try {
      site.startRoles(ports, slots);
      for (Submission run : runs) {
        site.submit(run);
      }
    } catch (Exception | Error failure) {
      site.close();
      throw failure;
    }
    return site;
  }

  private TcpProxy way(int port, InetAddress address, int target) throws IOException {
    TcpProxy way = TcpProxy.start(port, new InetSocketAddress(address, target));
    ways.add(way);
    return way;
  }

  private void startRoles(Ports ports, int slots) throws Exception {
    InetAddress loopback = address(0, 1);
    List<Integer> management =
        IntStream.range(0, COORDINATORS).mapToObj(_ -> ports.next()).toList();
    String contactPoints = addresses(management);
    String checkpoints = Files.createDirectory(directory.resolve("checkpoints")).toUri().toString();
    for (int number = 1; number <= COORDINATORS; number++) {
      String name = "coordinator-" + number;
      InetAddress own = address(1, number);
      int port = ports.next();
      int bind = ports.next();
      TcpProxy peers = way(ports.next(), own, bind);
      TcpProxy database = way(ports.next(), loopback, postgres.port());
      var clients = new TreeMap<String, TcpProxy>();
      for (String role : clientRoles()) {
        clients.put(role, way(ports.next(), loopback, port));
      }
      nodes.add(new Node(name, own, port, peers, database, clients));
      Path config = directory.resolve(name + ".yaml");
      Files.writeString(
          config,
          """
          listen: {port: %d}
          ledger: {jdbc_url: "%s", user: %s}
          checkpoint_store: "%s{run}"
          cluster: {port: %d, management_port: %d, contact_points: [%s]}
          """
              .formatted(
                  port,
                  PostgresServer.jdbcUrl(database.port()),
                  postgres.user(),
                  checkpoints,
                  peers.port(),
                  management.get(number - 1),
                  contactPoints));
      roles.start(
          name,
          Map.of("JDK_JAVA_OPTIONS", behindProxy(own, bind)),
          List.of("coordinator", "--config", config.toString()));
    }
    for (String worker : WORKERS) {
      roles.start(
          worker,
          witness.environment(),
          List.of(
              "worker",
              "--set",
              coordinatorsOf(worker),
              "--set",
              "worker_id=" + worker,
              "--set",
              "slots=" + slots));
    }
    for (String learner : learners()) {
      roles.start(
          learner,
          witness.environment(),
          List.of("learner", "--set", coordinatorsOf(learner), "--set", "learner_id=" + learner));
    }
    for (int node = 0; node < COORDINATORS; node++) {
      awaitReady(node);
    }
  }

  /// The loopback address 127.0.`subnet`.`number`.
  private static InetAddress address(int subnet, int number) throws IOException {
    return InetAddress.getByAddress(new byte[] {127, 0, (byte) subnet, (byte) number});
  }

  private List<String> learners() {
    return IntStream.rangeClosed(1, runs.size()).mapToObj(number -> "learner-" + number).toList();
  }

  private List<String> clientRoles() {
    return Stream.concat(WORKERS.stream(), learners().stream()).toList();
  }

  /// The others know a node by the address of its proxy; it listens behind that.
  private static String behindProxy(InetAddress own, int port) {
    String artery = "-Dgradus.coordinator.akka.akka.remote.artery.";
    return String.join(
        " ",
        artery + "bind.hostname=" + own.getHostAddress(),
        artery + "bind.port=" + port,
        artery + "advanced.tcp.outbound-client-hostname=" + own.getHostAddress());
  }

  private String coordinatorsOf(String role) {
    return nodes.stream()
        .map(node -> Integer.valueOf(way(node, role).port()))
        .collect(Collectors.collectingAndThen(Collectors.toList(), Site::addresses))
        .transform("coordinators=[%s]"::formatted);
  }

  private static TcpProxy way(Node node, String role) {
    TcpProxy way = node.clients().get(role);
    if (way == null) {
      throw new AssertionError("no way from %s to %s".formatted(role, node.name()));
    }
    return way;
  }

  private static String addresses(List<Integer> ports) {
    return ports.stream().map(port -> "127.0.0.1:" + port).collect(Collectors.joining(","));
  }

  private void submit(Submission run) throws Exception {
    var arguments =
        new ArrayList<>(
            List.of(
                "submit",
                Path.of("..", "examples", "addition.yaml").toString(),
                "--run-id",
                run.runId(),
                // The test ends the run.
                "--set",
                "stop={batches: 100000000, wall_time: 24h}"));
    run.settings().forEach(setting -> arguments.addAll(List.of("--set", setting)));
    command(arguments.toArray(String[]::new));
  }

  private String direct() {
    return addresses(nodes.stream().map(Node::port).toList());
  }

  /// What a command says that succeeds, sent to whichever coordinator is there.
  String command(String... words) throws Exception {
    Path output = directory.resolve("command-%d.log".formatted(++commands));
    var arguments = new ArrayList<>(List.of(words));
    arguments.addAll(List.of("--coordinator", direct()));
    try (RunProcess process =
        RunProcess.start(output, Map.of(), arguments.toArray(String[]::new))) {
      int status = process.awaitExit(ANSWERS_WITHIN);
      assertThat(status).as("%s: %s", arguments, process.output()).isZero();
      return process.output();
    }
  }

  // ---- who is who

  WitnessLog witness() {
    return witness;
  }

  PostgresServer postgres() {
    return postgres;
  }

  Supervisor roles() {
    return roles;
  }

  static String coordinator(int node) {
    return "coordinator-" + (node + 1);
  }

  /// Which coordinator says that it has the run, from 0.
  int host() throws Exception {
    String sign = "run taken over run=\"%s\" epoch=\"%d\"".formatted(RUN, epoch());
    for (int node = 0; node < COORDINATORS; node++) {
      if (Files.readString(roles.output(coordinator(node))).contains(sign)) {
        return node;
      }
    }
    throw new AssertionError("no coordinator says: " + sign);
  }

  /// Which coordinator shares out the workers' slots, from 0.
  int poolHost() throws IOException {
    int found = -1;
    for (int node = 0; node < COORDINATORS; node++) {
      if (Files.readString(roles.output(coordinator(node))).contains("slots allotted")) {
        assertThat(found).as("another coordinator than %d that has the pool", node).isEqualTo(-1);
        found = node;
      }
    }
    assertThat(found).as("the coordinator that has the pool").isNotEqualTo(-1);
    return found;
  }

  /// The epoch of the run, as the ledger has it.
  long epoch() throws SQLException {
    try (LedgerTables ledger = ledger()) {
      return ledger.number("select epoch from run where run_id = ?", RUN);
    }
  }

  LedgerTables ledger() throws SQLException {
    return LedgerTables.open(postgres.superuserUrl());
  }

  /// Waits until the newest process of a coordinator says that it belongs to the cluster.
  void awaitReady(int node) {
    await(coordinator(node) + " is ready")
        .atMost(STARTS_WITHIN)
        .ignoreExceptions()
        .until(() -> Files.readString(roles.output(coordinator(node))).contains("node is ready"));
  }

  /// A channel to whichever coordinator is there.
  CoordinatorChannel channel() {
    return CoordinatorChannel.open(
        nodes.stream().map(node -> new HostPort("127.0.0.1", node.port())).toList(), ++commands);
  }

  /// Where the run keeps its checkpoints.
  Path checkpoints() {
    return directory.resolve("checkpoints").resolve(RUN);
  }

  // ---- partitions

  /// Nothing that a coordinator sends reaches the others.
  void mute(int node) {
    Predicate<InetAddress> its = nodes.get(node).address()::equals;
    nodes.forEach(other -> other.peers().hold(its));
  }

  /// Nothing that the others send reaches a coordinator.
  void deafen(int node) {
    nodes.get(node).peers().hold(_ -> true);
  }

  /// Nothing passes between a coordinator and its database.
  void partFromDatabase(int node) {
    nodes.get(node).database().hold(_ -> true);
  }

  /// Nothing passes between a worker or the learner and the coordinators.
  void part(String role) {
    nodes.forEach(node -> way(node, role).hold(_ -> true));
  }

  /// Everything passes everywhere.
  void heal() {
    ways.forEach(TcpProxy::pass);
  }

  // ---- the end

  /// Ends the run; its books are closed then.
  void cancel() throws Exception {
    cancel(RUN);
  }

  void cancel(String runId) throws Exception {
    command("runs", "cancel", runId);
  }

  /// What the audit says, as JSON.
  String audit() throws Exception {
    return audit(RUN);
  }

  /// What the audit says of a run, as JSON.
  String audit(String runId) throws Exception {
    String said = command("ledger", "audit", runId, "--json");
    // Before it there is progress, which goes to the same file.
    return said.substring(said.indexOf('{'));
  }

  @Override
  public void close() throws IOException {
    roles.close();
    for (TcpProxy way : ways) {
      way.close();
    }
    postgres.close();
    witness.close();
  }
}
