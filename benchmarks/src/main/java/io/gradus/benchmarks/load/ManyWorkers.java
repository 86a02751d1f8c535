package io.gradus.benchmarks.load;

import io.grpc.ManagedChannel;
import io.grpc.netty.NettyChannelBuilder;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.nio.NioIoHandler;
import io.netty.channel.socket.nio.NioSocketChannel;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Locale;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;

/// Many simulated workers, each with its own connection and stream, for `many-workers.sh`: port of
/// a coordinator on loopback, workers, seconds between heartbeats. Registers all and waits until
/// each has the run, a lease of it and nothing to do; prints the seconds that took. From then on
/// they only say that they live. Ends when its input does.
final class ManyWorkers {

  private static final String RUN = "many";
  private static final int THREADS = 2;

  private ManyWorkers() {}

  public static void main(String[] arguments) throws Exception {
    int port = Integer.parseInt(arguments[0]);
    int count = Integer.parseInt(arguments[1]);
    int beatSeconds = Integer.parseInt(arguments[2]);
    // A thread a connection would be what is measured.
    var group = new MultiThreadIoEventLoopGroup(THREADS, NioIoHandler.newFactory());
    var channels = new ArrayList<ManagedChannel>();
    for (int number = 0; number < count; number++) {
      channels.add(
          NettyChannelBuilder.forAddress("127.0.0.1", port)
              .eventLoopGroup(group)
              .channelType(NioSocketChannel.class)
              .usePlaintext()
              .directExecutor()
              .build());
    }
    LoadedRun.submit(channels.getFirst(), RUN);
    var payloads = new PayloadMaker(1, 7);
    long begun = System.nanoTime();
    var workers = new ArrayList<SimulatedWorker>();
    for (int number = 1; number <= count; number++) {
      workers.add(
          SimulatedWorker.register(
              channels.get(number - 1),
              "simulated-" + number,
              1,
              1,
              payloads,
              (_, _) -> {},
              ManyWorkers::fail));
    }
    long deadline = begun + TimeUnit.SECONDS.toNanos(120);
    for (SimulatedWorker worker : workers) {
      if (!worker.assigned().await(deadline - System.nanoTime(), TimeUnit.NANOSECONDS)) {
        throw new IllegalStateException("a worker has got no run within two minutes");
      }
    }
    double assigned = (System.nanoTime() - begun) / 1e9;
    try (var beats =
            Executors.newSingleThreadScheduledExecutor(Thread.ofPlatform().daemon().factory());
        var input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8))) {
      // Evenly over time, as workers that know nothing of one another do.
      for (int number = 0; number < count; number++) {
        SimulatedWorker worker = workers.get(number);
        var _ =
            beats.scheduleAtFixedRate(
                worker::beat,
                1_000L * beatSeconds * number / count,
                1_000L * beatSeconds,
                TimeUnit.MILLISECONDS);
      }
      for (SimulatedWorker worker : workers) {
        if (!worker.leased().await(deadline - System.nanoTime(), TimeUnit.NANOSECONDS)) {
          throw new IllegalStateException("a worker has got no lease within two minutes");
        }
      }
      System.out.printf(Locale.ROOT, "%.1f %.1f%n", assigned, (System.nanoTime() - begun) / 1e9);
      while (input.readLine() != null) {
        System.out.println(workers.stream().mapToInt(SimulatedWorker::holds).sum());
      }
      Runtime.getRuntime().halt(0);
    }
  }

  private static void fail(Throwable failure) {
    System.err.println("a simulated worker cannot go on: " + failure);
    Runtime.getRuntime().halt(1);
  }
}
