package io.gradus.systemtests.chaos;

import static org.assertj.core.api.Assertions.assertThat;

import io.gradus.systemtests.RunProcess;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.CleanupMode;
import org.junit.jupiter.api.io.TempDir;

/// A coordinator that stands still for a moment is not put out, however busy the machine is: the
/// settings by which a death is found are not so sharp that they find one where there is none.
///
/// `./mvnw test -Precovery -pl system-tests -am -Dtest=PausesUnderLoad
/// -Dsurefire.failIfNoSpecifiedTests=false`, with `-Drecovery.minutes=30`.
@Tag("recovery")
class PausesUnderLoad {

  private static final Duration PAUSE = Duration.ofSeconds(2);
  private static final Duration BETWEEN = Duration.ofSeconds(8);

  @TempDir(cleanup = CleanupMode.ON_SUCCESS)
  private Path directory;

  private volatile boolean isOver;

  @Test
  void putNobodyOut() throws Exception {
    long end =
        System.nanoTime()
            + Duration.ofMinutes(Integer.getInteger("recovery.minutes", 30)).toNanos();
    var random = new SplittableRandom(1);
    List<Thread> busy = beBusy(Runtime.getRuntime().availableProcessors());
    try (Site site = Site.start(directory, Site.MANY_SLOTS, Optional.empty())) {
      List<RunProcess> coordinators =
          IntStream.range(0, Site.COORDINATORS)
              .mapToObj(node -> site.roles().process(Site.coordinator(node)))
              .toList();
      long epoch = site.epoch();
      int pauses = 0;
      while (System.nanoTime() - end < 0) {
        TimeUnit.NANOSECONDS.sleep(BETWEEN.toNanos());
        int node = random.nextInt(Site.COORDINATORS);
        RunProcess paused = coordinators.get(node);
        paused.signal("STOP");
        TimeUnit.NANOSECONDS.sleep(PAUSE.toNanos());
        paused.signal("CONT");
        pauses++;
        assertThat(coordinators)
            .as("coordinators after pause %d, of %s", pauses, Site.coordinator(node))
            .allMatch(RunProcess::isAlive);
        assertThat(site.epoch()).as("epoch of the run after pause %d", pauses).isEqualTo(epoch);
      }
      int batches = site.witness().of("batch").size();
      System.out.printf(
          "%d pauses of %d s, nobody put out, %d batches%n", pauses, PAUSE.toSeconds(), batches);
      assertThat(batches).as("batches over %d pauses", pauses).isGreaterThan(pauses);
    } finally {
      isOver = true;
      for (Thread thread : busy) {
        thread.join();
      }
    }
  }

  /// Takes a core each.
  private List<Thread> beBusy(int cores) {
    var threads = new ArrayList<Thread>();
    for (int core = 0; core < cores; core++) {
      threads.add(
          Thread.ofPlatform()
              .daemon()
              .start(() -> {
                while (!isOver) {
                  Thread.onSpinWait();
                }
              }));
    }
    return threads;
  }
}
