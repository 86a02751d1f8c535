package io.gradus.systemtests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;
import static org.awaitility.Awaitility.await;

import com.sun.net.httpserver.HttpServer;
import io.gradus.cli.link.CoordinatorChannel;
import io.gradus.cli.link.HostPort;
import io.gradus.rollout.v1.Register;
import io.gradus.rollout.v1.RolloutServiceGrpc;
import io.gradus.rollout.v1.WorkRequest;
import io.gradus.rollout.v1.WorkResponse;
import io.grpc.Status;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// What an operator finds who looks at the log of the process that one looks at first: one line
/// that says what happened, where, and what that process does next, not one a second.
@Tag("system")
@Timeout(420)
class FirstLookSystemTest {

  private static final Duration STARTS_WITHIN = Duration.ofSeconds(90);
  private static final Duration TOLD_WITHIN = Duration.ofSeconds(90);
  private static final Duration ENDS_WITHIN = Duration.ofSeconds(60);

  private static final Pattern PORT = Pattern.compile("coordinator started .*port=\"([0-9]+)\"");

  @TempDir private Path directory;

  private final List<RunProcess> processes = new ArrayList<>();
  private Path store;
  private RunProcess coordinator;
  private String address;

  @BeforeEach
  void startCoordinator() throws IOException {
    store = Files.createDirectory(directory.resolve("checkpoints"));
    coordinator =
        started(
            "coordinator",
            "coordinator started",
            "coordinator",
            "--set",
            "ledger={jdbc_url: \"jdbc:sqlite:%s\"}".formatted(directory.resolve("ledger.db")),
            "--set",
            "checkpoint_store=\"%s{run}\"".formatted(store.toUri()));
    Matcher port = PORT.matcher(coordinator.output());
    assertThat(port.find()).as(coordinator.output()).isTrue();
    address = "127.0.0.1:" + port.group(1);
  }

  @AfterEach
  void endProcesses() {
    processes.reversed().forEach(RunProcess::close);
  }

  @Test
  void tellsOfAWorkerThatStopsAnsweringAndOfAStoreThatIsFull() throws Exception {
    RunProcess worker =
        started(
            "worker",
            "worker started",
            "worker",
            "--set",
            "coordinators=[%s]".formatted(address),
            "--set",
            "worker_id=worker-1",
            "--set",
            "labels=[gpu=none]");
    submit("full");
    says(
        coordinator,
        "a worker has registered",
        "worker=\"worker-1\"",
        "labels=\"gpu=none\"",
        "pool=\"default\"");

    worker.signal("STOP");

    says(
        coordinator,
        "a worker is silent",
        "worker=\"worker-1\"",
        "silent_seconds=",
        "its leases run out, their groups are granted to others");

    worker.signal("CONT");
    says(coordinator, "a silent worker is back", "worker=\"worker-1\"", "it gets leases again");

    worker.kill();
    says(coordinator, "the stream of a worker broke", "worker=\"worker-1\"", "granted to others");
    isFull();
  }

  /// The learner alone sees the store on a disk that is too small.
  private void isFull() throws Exception {
    assumeThat(SmallDisk.canMount(store))
        .as("this user may mount a file system of its own")
        .isTrue();
    RunProcess learner =
        RunProcess.startBehind(
            SmallDisk.behindMount(store, "64k"),
            directory.resolve("learner"),
            Map.of(),
            "learner",
            "--set",
            "coordinators=[%s]".formatted(address));
    processes.add(learner);

    assertThat(learner.awaitExit(TOLD_WITHIN)).as(learner.output()).isEqualTo(1);

    says(learner, "the learner cannot go on", "No space left on device", store.toUri().toString());
    assertThat(learner.output())
        .contains("it ends, to be started anew by its supervisor")
        .doesNotContain("\tat ");
  }

  @Test
  void tellsOfCoordinatorsThatAreNone() throws Exception {
    HttpServer other =
        HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    other.start();
    try {
      String nobody = "127.0.0.1:" + unusedPort();
      String web = "127.0.0.1:" + other.getAddress().getPort();
      List<RunProcess> silent =
          List.of(
              start("worker-nobody", role("worker", nobody)),
              start("learner-nobody", role("learner", nobody)));
      List<RunProcess> wrong =
          List.of(
              start("worker-web", role("worker", web)), start("learner-web", role("learner", web)));
      RunProcess runs = start("runs", "runs", "list", "--coordinator", nobody);
      RunProcess submit =
          start("submit", "submit", spec().toString(), "--run-id", "none", "--coordinator", web);

      for (RunProcess process : silent) {
        says(
            process,
            "no coordinator ",
            "goes on ",
            "Connection refused",
            nobody,
            "nothing listens there: is a coordinator running, on this port?",
            "gives_up_after_seconds=");
      }
      for (RunProcess process : wrong) {
        says(
            process,
            "no coordinator ",
            "goes on ",
            web,
            "is this the port of the coordinator?",
            "gives_up_after_seconds=");
      }
      assertThat(runs.awaitExit(ENDS_WITHIN)).as(runs.output()).isEqualTo(1);
      assertThat(runs.output())
          .contains("no coordinator answers at " + nobody, "nothing listens there");
      assertThat(runs.output().lines()).as(runs.output()).hasSize(1);
      assertThat(submit.awaitExit(ENDS_WITHIN)).as(submit.output()).isEqualTo(1);
      assertThat(submit.output())
          .contains(web, "is this the port of the coordinator?")
          .doesNotContain("\tat ");
    } finally {
      other.stop(0);
    }
  }

  @Test
  void tellsOfWorkersOfOtherReleases() throws Exception {
    try (var channel = CoordinatorChannel.open(List.of(HostPort.parse(address).orElseThrow()), 1)) {
      Status refused = register(channel, "from-the-future", 99).get(30, TimeUnit.SECONDS);

      assertThat(refused.getCode()).isEqualTo(Status.Code.FAILED_PRECONDITION);
      assertThat(refused.getDescription())
          .contains("speaks protocol 99 and this coordinator 0 to 1", "upgrade the coordinators");
      says(
          coordinator,
          "a worker of another version is refused",
          "worker=\"from-the-future\"",
          "protocol=\"99\"",
          "coordinator_protocol=\"1\"",
          "upgrade the coordinators first");

      CompletableFuture<Status> older = register(channel, "from-the-past", 0);
      says(
          coordinator,
          "an older worker registers",
          "worker=\"from-the-past\"",
          "protocol=\"0\"",
          "it is understood");
      assertThat(older).isNotDone();
    }
  }

  /// Registers as a worker of some release would; how its stream ended, if it did.
  private static CompletableFuture<Status> register(
      CoordinatorChannel channel, String worker, int protocol) {
    var ended = new CompletableFuture<Status>();
    RolloutServiceGrpc.newStub(channel)
        .work(
            new StreamObserver<WorkResponse>() {
              @Override
              public void onNext(WorkResponse response) {}

              @Override
              public void onError(Throwable failure) {
                ended.complete(Status.fromThrowable(failure));
              }

              @Override
              public void onCompleted() {
                ended.complete(Status.OK);
              }
            })
        .onNext(
            WorkRequest.newBuilder()
                .setRegister(
                    Register.newBuilder().setWorkerId(worker).setSlots(1).setProtocol(protocol))
                .build());
    return ended;
  }

  // ---- helpers

  private RunProcess start(String name, String... arguments) throws IOException {
    RunProcess process = RunProcess.start(directory.resolve(name), Map.of(), arguments);
    processes.add(process);
    return process;
  }

  private RunProcess started(String name, String line, String... arguments) throws IOException {
    RunProcess process = start(name, arguments);
    await(name + " starts")
        .atMost(STARTS_WITHIN)
        .until(() -> process.output().contains(line) || !process.isAlive());
    assertThat(process.output()).contains(line);
    return process;
  }

  private static String[] role(String role, String coordinator) {
    return new String[] {role, "--set", "coordinators=[%s]".formatted(coordinator)};
  }

  /// Waits for a line with all of these words, and sees that the process does not repeat itself.
  private static void says(RunProcess process, String line, String... words) throws IOException {
    await(line)
        .atMost(TOLD_WITHIN)
        .until(() ->
            process.output().lines().anyMatch(said -> said.contains(line)) || !process.isAlive());
    List<String> said = process.output().lines().filter(text -> text.contains(line)).toList();
    assertThat(said).as(process.output()).isNotEmpty().hasSizeLessThan(6);
    assertThat(said.getFirst()).as(process.output()).contains(words);
    assertThat(process.output()).doesNotContain("\tat ");
  }

  private void submit(String runId) throws Exception {
    List<String> arguments =
        new ArrayList<>(
            List.of("submit", spec().toString(), "--run-id", runId, "--coordinator", address));
    for (String setting : List.of("rollout.lease_ttl=2s", "stop={wall_time: 1h}")) {
      arguments.addAll(Arrays.asList("--set", setting));
    }
    RunProcess submit = start("submit-" + runId, arguments.toArray(String[]::new));
    assertThat(submit.awaitExit(ENDS_WITHIN)).as(submit.output()).isZero();
  }

  private static Path spec() {
    return Path.of("..", "examples", "addition.yaml");
  }

  private static int unusedPort() throws IOException {
    try (var socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      return socket.getLocalPort();
    }
  }
}
