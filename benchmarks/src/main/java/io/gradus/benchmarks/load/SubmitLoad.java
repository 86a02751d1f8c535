package io.gradus.benchmarks.load;

import io.gradus.coordinator.Coordinator;
import io.gradus.coordinator.CoordinatorConfig;
import io.grpc.ManagedChannel;
import io.grpc.inprocess.InProcessChannelBuilder;
import io.grpc.netty.NettyChannelBuilder;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Supplier;

/// Simulated workers that submit groups to a coordinator, for `submit-race.sh`: where it is,
/// workers, groups a call, tokens a group. A number is the port of a coordinator on loopback, to
/// which each worker has its own connection; a path is the directory of an embedded one, made here,
/// which is spoken to inside this JVM, as in `gradus run`.
///
/// For each line of its input it measures once and prints a line: `flat SECONDS`, every worker
/// submits as soon as it was acknowledged; `pace RATE SECONDS`, groups are due at even intervals
/// and times count from there. Ends when its input does.
final class SubmitLoad implements AutoCloseable {

  private static final String RUN = "load";
  private static final int SLOTS = 64;
  private static final int BEAT_SECONDS = 5;

  private final List<ManagedChannel> channels = new ArrayList<>();
  private final List<SimulatedWorker> workers = new ArrayList<>();
  private final Latencies latencies = new Latencies();
  private final AtomicBoolean isOver = new AtomicBoolean();

  private SubmitLoad(
      Supplier<ManagedChannel> connect, int count, int groupsPerCall, PayloadMaker payloads)
      throws InterruptedException {
    ManagedChannel first = connect.get();
    channels.add(first);
    LoadedRun.submit(first, RUN);
    int slots = Math.max(SLOTS, 4 * groupsPerCall);
    for (int number = 1; number <= count; number++) {
      ManagedChannel channel = number == 1 ? first : connect.get();
      if (number > 1) {
        channels.add(channel);
      }
      workers.add(
          SimulatedWorker.register(
              channel,
              "simulated-" + number,
              slots,
              groupsPerCall,
              payloads,
              latencies::add,
              this::fail));
    }
    for (SimulatedWorker worker : workers) {
      if (!worker.assigned().await(30, TimeUnit.SECONDS)) {
        throw new IllegalStateException("a worker has got no run within 30 s");
      }
      worker.beat();
    }
  }

  private void fail(Throwable failure) {
    // Streams end with the benchmark; before that nothing may go wrong.
    if (!isOver.get()) {
      System.err.println("a simulated worker cannot go on: " + failure);
      Runtime.getRuntime().halt(1);
    }
  }

  public static void main(String[] arguments) throws Exception {
    String where = arguments[0];
    int count = Integer.parseInt(arguments[1]);
    int groupsPerCall = Integer.parseInt(arguments[2]);
    var payloads = new PayloadMaker(Integer.parseInt(arguments[3]), 7);
    if (where.matches("\\d+")) {
      int port = Integer.parseInt(where);
      try (var load =
          new SubmitLoad(
              () ->
                  NettyChannelBuilder.forAddress("127.0.0.1", port)
                      .usePlaintext()
                      .directExecutor()
                      .build(),
              count,
              groupsPerCall,
              payloads)) {
        load.listen();
      }
    } else {
      Path directory = Path.of(where);
      var config =
          CoordinatorConfig.embedded(
              directory.resolve("ledger.db"), directory.resolve("checkpoints"), RUN);
      try (Coordinator _ = Coordinator.start(config);
          var load =
              new SubmitLoad(
                  () -> InProcessChannelBuilder.forName(RUN).build(),
                  count,
                  groupsPerCall,
                  payloads)) {
        load.listen();
      }
    }
  }

  private void listen() throws IOException {
    try (var beats =
            Executors.newSingleThreadScheduledExecutor(Thread.ofPlatform().daemon().factory());
        var input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8))) {
      var _ =
          beats.scheduleAtFixedRate(
              () -> workers.forEach(SimulatedWorker::beat),
              BEAT_SECONDS,
              BEAT_SECONDS,
              TimeUnit.SECONDS);
      System.out.println("ready");
      for (String line = input.readLine(); line != null; line = input.readLine()) {
        String[] words = line.split(" ", -1);
        System.out.println(
            words[0].equals("flat")
                ? flatOut(Double.parseDouble(words[1]))
                : paced(Double.parseDouble(words[1]), Double.parseDouble(words[2])));
      }
      isOver.set(true);
      beats.shutdownNow();
    }
  }

  private String flatOut(double seconds) {
    latencies.clear();
    long begin = System.nanoTime();
    long end = begin + (long) (seconds * 1e9);
    workers.forEach(worker -> worker.flatOut(true));
    sleepUntil(end);
    String report = latencies.report((System.nanoTime() - begin) / 1e9);
    workers.forEach(worker -> worker.flatOut(false));
    // What is under way is acknowledged before somebody else is measured.
    sleepUntil(System.nanoTime() + 500_000_000L);
    return report;
  }

  private String paced(double rate, double seconds) {
    latencies.clear();
    long begin = System.nanoTime();
    long groups = (long) (rate * seconds);
    for (long group = 0; group < groups; group++) {
      long due = begin + (long) (group / rate * 1e9);
      if (due > System.nanoTime()) {
        sleepUntil(due);
      }
      workers.get((int) (group % workers.size())).submitAt(due);
    }
    long end = begin + (long) (seconds * 1e9);
    long deadline = end + 10_000_000_000L;
    while (latencies.groups() < groups && System.nanoTime() < deadline) {
      sleepUntil(System.nanoTime() + 1_000_000);
    }
    return latencies.report((System.nanoTime() - begin) / 1e9);
  }

  private static void sleepUntil(long nanos) {
    for (long left = nanos - System.nanoTime(); left > 0; left = nanos - System.nanoTime()) {
      LockSupport.parkNanos(left);
    }
  }

  @Override
  public void close() {
    isOver.set(true);
    workers.forEach(SimulatedWorker::close);
    channels.forEach(ManagedChannel::shutdownNow);
  }
}
