package io.gradus.systemtests.chaos;

import static org.awaitility.Awaitility.await;

import io.gradus.cli.link.CoordinatorChannel;
import io.gradus.rollout.v1.Lease;
import io.gradus.systemtests.LedgerTables;
import io.gradus.systemtests.RunProcess;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/// Makes faults happen to a site, and undoes them.
final class Injector {

  private final Site site;

  Injector(Site site) {
    this.site = site;
  }

  /// A fault that is there.
  ///
  /// @param victim whom it met, for people
  /// @param end undoes it
  record Active(String victim, Undo end) {}

  /// What undoes a fault.
  interface Undo {
    void run() throws Exception;
  }

  /// Lets a fault begin.
  Active begin(Schedule.Step step) throws Exception {
    return switch (step.fault()) {
      case KILL_HOST -> kill(Site.coordinator(site.host()));
      case KILL_HOST_IN_COMMIT -> {
        String host = Site.coordinator(site.host());
        site.postgres().signalAll("STOP");
        yield new Active(
            host,
            () -> {
              kill(host);
              site.postgres().signalAll("CONT");
            });
      }
      case KILL_COORDINATOR -> kill(Site.coordinator(anyNode(step)));
      case KILL_TWO_COORDINATORS ->
          kill(
              Site.coordinator(anyNode(step)),
              Site.coordinator((anyNode(step) + 1) % Site.COORDINATORS));
      case KILL_ALL_COORDINATORS ->
          kill(Site.coordinator(0), Site.coordinator(1), Site.coordinator(2));
      case KILL_COORDINATORS_IN_TURN -> inTurn(RunProcess::kill);
      case ROLL_COORDINATORS -> inTurn(RunProcess::terminate);
      case KILL_WORKER -> kill(anyWorker(step));
      case KILL_LEARNER -> kill(Site.LEARNER);
      case STOP_HOST, STOP_HOST_FOR_LONG, STOP_HOST_BRIEFLY -> stop(Site.coordinator(site.host()));
      case STOP_WORKER -> stop(anyWorker(step));
      case STOP_LEARNER -> stop(Site.LEARNER);
      case PART_HOST -> {
        int host = site.host();
        site.mute(host);
        site.deafen(host);
        yield new Active(Site.coordinator(host), site::heal);
      }
      case MUTE_HOST -> {
        int host = site.host();
        site.mute(host);
        yield new Active(Site.coordinator(host), site::heal);
      }
      case DEAFEN_HOST -> {
        int host = site.host();
        site.deafen(host);
        yield new Active(Site.coordinator(host), site::heal);
      }
      case PART_WORKER -> part(anyWorker(step));
      case PART_LEARNER -> part(Site.LEARNER);
      case KILL_DATABASE -> {
        site.postgres().kill();
        yield new Active("postgres", site.postgres()::start);
      }
      case RESTART_DATABASE -> {
        site.postgres().stop();
        yield new Active("postgres", site.postgres()::start);
      }
      case PAUSE_DATABASE -> {
        site.postgres().signalAll("STOP");
        yield new Active("postgres", () -> site.postgres().signalAll("CONT"));
      }
      case STARVE_DATABASE -> {
        AutoCloseable connections = site.postgres().takeAllConnections();
        yield new Active("postgres", connections::close);
      }
      case PART_HOST_FROM_DATABASE -> partFromDatabase(site.host());
      case PART_COORDINATOR_FROM_DATABASE ->
          partFromDatabase((site.host() + 1) % Site.COORDINATORS);
      case TALK_NONSENSE -> talkNonsense();
      case REPEAT_SUBMITS -> {
        try (CoordinatorChannel channel = site.channel();
            LedgerTables ledger = site.ledger()) {
          Impostor.repeat(channel, ledger);
        }
        yield new Active("an impostor", () -> {});
      }
      case HANG_ENGINE -> hang();
      case LOSE_GRANT -> loseGrant();
      case FILL_DISK -> fillDisk();
      case FLIP_BYTE -> flipByte();
      case POISON_BATCH -> poisonBatch();
    };
  }

  private static int anyNode(Schedule.Step step) {
    return step.choice() % Site.COORDINATORS;
  }

  private static String anyWorker(Schedule.Step step) {
    return Site.WORKERS.get(step.choice() % Site.WORKERS.size());
  }

  private Active kill(String... names) throws InterruptedException {
    for (String name : names) {
      site.roles().process(name).kill();
    }
    return new Active(String.join(" ", names), () -> {});
  }

  private Active stop(String name) throws Exception {
    RunProcess process = site.roles().process(name);
    process.signal("STOP");
    return new Active(name, () -> process.signal("CONT"));
  }

  private Active part(String role) {
    site.part(role);
    return new Active(role, site::heal);
  }

  private Active partFromDatabase(int node) {
    site.partFromDatabase(node);
    return new Active(Site.coordinator(node), site::heal);
  }

  private Active talkNonsense() throws Exception {
    try (CoordinatorChannel channel = site.channel();
        var impostor = new Impostor(channel);
        LedgerTables ledger = site.ledger()) {
      Lease lease = impostor.takeLeases().getFirst();
      String other =
          ledger
              .rows(
                  """
                  select l.group_id, l.lease_id from lease l
                    join rollout_group g on g.run_key = l.run_key and g.group_id = l.group_id
                  where l.worker_id <> 'impostor' and g.state = 'LEASED' limit 1\
                  """)
              .getFirst();
      impostor.talkNonsense(lease, Impostor.lease(other));
    }
    return new Active("an impostor", () -> {});
  }

  /// Heartbeats go on, and progress does not: the leases are revoked.
  private Active hang() {
    CoordinatorChannel channel = site.channel();
    var impostor = new Impostor(channel);
    List<Lease> held = impostor.takeLeases();
    ScheduledExecutorService beating =
        Executors.newSingleThreadScheduledExecutor(Thread.ofPlatform().daemon().factory());
    var _ = beating.scheduleAtFixedRate(() -> impostor.beat(0, held), 0, 2, TimeUnit.SECONDS);
    return new Active(
        "an impostor",
        () -> {
          awaitLoss(impostor, held);
          beating.shutdownNow();
          impostor.close();
          channel.close();
        });
  }

  /// A grant that nobody names runs out.
  private Active loseGrant() {
    CoordinatorChannel channel = site.channel();
    var impostor = new Impostor(channel);
    List<Lease> lost = impostor.takeLeases();
    impostor.beat(0, List.of());
    return new Active(
        "an impostor",
        () -> {
          awaitLoss(impostor, lost);
          impostor.close();
          channel.close();
        });
  }

  private static void awaitLoss(Impostor impostor, List<Lease> leases) {
    await("an impostor loses its leases")
        .atMost(Duration.ofSeconds(45))
        .until(() -> impostor.lost(leases) || impostor.isGone());
  }

  /// No file of the learner may grow beyond a size that its checkpoints have.
  private Active fillDisk() throws Exception {
    long pid = site.roles().process(Site.LEARNER).pid();
    limitFiles(pid, "262144:");
    return new Active(Site.LEARNER, () -> limitFiles(pid, "unlimited:"));
  }

  private static void limitFiles(long pid, String limit) throws Exception {
    Process command =
        new ProcessBuilder("prlimit", "--pid", Long.toString(pid), "--fsize=" + limit)
            .inheritIO()
            .start();
    if (!command.waitFor(10, TimeUnit.SECONDS)) {
      throw new AssertionError("prlimit does not end");
    }
    // The learner may have ended meanwhile, and another one has no limit.
  }

  private Active flipByte() throws Exception {
    Path version;
    try (Stream<Path> versions = Files.list(site.checkpoints())) {
      version =
          versions
              .filter(any -> Files.exists(any.resolve("optimizer.safetensors")))
              .max(Comparator.naturalOrder())
              .orElseThrow(() -> new AssertionError("no durable checkpoint"));
    }
    try (var file = new RandomAccessFile(version.resolve("model.safetensors").toFile(), "rw")) {
      long at = file.length() / 2;
      file.seek(at);
      int value = file.read();
      file.seek(at);
      file.write(value ^ 0x10);
    }
    kill(Site.LEARNER);
    return new Active(String.valueOf(version.getFileName()), () -> {});
  }

  private Active poisonBatch() throws Exception {
    site.roles().hold(Site.LEARNER);
    kill(Site.LEARNER);
    long batch;
    try (CoordinatorChannel channel = site.channel()) {
      batch = SickLearner.dieThreeTimes(channel);
    }
    try (LedgerTables ledger = site.ledger()) {
      await("batch %d is void".formatted(batch))
          .atMost(Duration.ofSeconds(30))
          .until(() ->
              ledger.number("select count(*) from batch where number = ? and state = 'VOID'", batch)
                  > 0);
    }
    return new Active(
        "batch %d of a sick learner".formatted(batch), () -> site.roles().release(Site.LEARNER));
  }

  /// How a process is ended.
  private interface End {
    void of(RunProcess process) throws InterruptedException;
  }

  private Active inTurn(End end) throws InterruptedException {
    for (int node = 0; node < Site.COORDINATORS; node++) {
      RunProcess process = site.roles().process(Site.coordinator(node));
      end.of(process);
      await(Site.coordinator(node) + " ends")
          .atMost(Duration.ofSeconds(60))
          .until(() -> !process.isAlive());
      String name = Site.coordinator(node);
      await(name + " is started again")
          .atMost(Duration.ofSeconds(10))
          .until(() -> site.roles().process(name) != process);
      site.awaitReady(node);
    }
    return new Active("all coordinators, one after the other", () -> {});
  }
}
