package io.gradus.benchmarks;

import io.gradus.core.policy.Manifest;
import io.gradus.core.task.Addition;
import io.gradus.core.task.ArithmeticFormat;
import io.gradus.worker.lease.LeaseBook;
import io.gradus.worker.run.Rewarding;
import io.gradus.worker.run.RunAssignment;
import io.gradus.worker.weights.WeightsCacheConfig;
import io.gradus.worker.weights.WeightsLoop;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;

/// A process with the weights' loops of several workers, for `weights-race.sh`: store (for its
/// manifest), directory of caches, source, workers. Prints the seconds from the announcement to the
/// last arrival, then its peak heap.
final class WeightsWorkers {

  private WeightsWorkers() {}

  public static void main(String[] arguments) throws Exception {
    Manifest manifest = PublishedBytes.manifest(Path.of(arguments[0]));
    var loops = new ArrayList<WeightsLoop>();
    var threads = new ArrayList<Thread>();
    long begun = System.nanoTime();
    for (int worker = 1; worker <= Integer.parseInt(arguments[3]); worker++) {
      var book = new LeaseBook(1, 1);
      book.assign(assignment());
      var loop =
          new WeightsLoop(
              "worker-" + worker,
              Optional.of(
                  WeightsCacheConfig.of(Path.of(arguments[1], "worker-" + worker), 1L << 40)),
              book,
              book::stop,
              System::nanoTime);
      loops.add(loop);
      book.announce(PublishedBytes.RUN, manifest, List.of(arguments[2]));
      threads.add(Thread.ofPlatform().start(() -> run(loop)));
    }
    for (Thread thread : threads) {
      thread.join();
    }
    double seconds = (System.nanoTime() - begun) / 1e9;
    for (WeightsLoop loop : loops) {
      if (loop.figures().versions() != 1) {
        throw new IllegalStateException("a worker has " + loop.figures());
      }
      loop.close();
    }
    System.out.println(seconds);
    System.out.println(PeakHeap.bytes());
  }

  private static void run(WeightsLoop loop) {
    try {
      loop.run();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private static RunAssignment assignment() {
    return new RunAssignment(
        PublishedBytes.RUN,
        7,
        List.of(new Addition(ArithmeticFormat.DIRECT)),
        1,
        0,
        1,
        OptionalInt.empty(),
        new Rewarding(1, 0, 0, Rewarding.TruncatedAnswers.VERIFY),
        false,
        Duration.ofSeconds(15),
        false);
  }
}
