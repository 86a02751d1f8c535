package io.gradus.worker.weights;

import io.gradus.worker.lease.LeaseBook;
import io.gradus.worker.run.Assignments;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/// A process that fetches version 1, says how many bytes of it came, and ends: store (for its
/// manifest), cache, source.
final class FetchProcess {

  private FetchProcess() {}

  public static void main(String[] arguments) throws Exception {
    var store = new LearnerStore(Path.of(arguments[0]));
    var book = new LeaseBook(1, 1);
    book.assign(Assignments.free(LearnerStore.RUN));
    book.announce(LearnerStore.RUN, store.manifest(1), List.of(arguments[2]));
    try (var loop =
        new WeightsLoop(
            "worker-1",
            Optional.of(WeightsCacheConfig.of(Path.of(arguments[1]), 1L << 30)),
            book,
            book::stop,
            System::nanoTime)) {
      loop.run();
      System.out.println(WeightsKillTest.SAYS + loop.figures().bytes());
    }
  }
}
