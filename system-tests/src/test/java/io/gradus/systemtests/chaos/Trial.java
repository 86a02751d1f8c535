package io.gradus.systemtests.chaos;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.gradus.systemtests.Acknowledged;
import io.gradus.systemtests.LedgerTables;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/// A site through a schedule of faults: it goes on after each, and its books are sound at the end.
final class Trial {

  private static final Duration GOES_ON_WITHIN = Duration.ofSeconds(60);
  private static final Duration COMES_TO_FAULT_WITHIN = Duration.ofSeconds(10);

  /// Steps after a fault by which a run is taken to go on.
  private static final int STEPS = 3;

  private static final ObjectMapper JSON = new ObjectMapper();

  private final Path directory;
  private final long seed;
  private final List<Fault> kinds;
  private final Optional<Path> classes;
  private boolean hasBegun;

  /// @param directory an empty one, for everything that the processes write
  /// @param kinds of faults
  /// @param classes in place of some that are right
  Trial(Path directory, long seed, List<Fault> kinds, Optional<Path> classes) {
    this.directory = directory;
    this.seed = seed;
    this.kinds = kinds;
    this.classes = classes;
  }

  /// How long it goes on.
  interface Goal {
    /// Whether another fault is to come.
    ///
    /// @param faults that have happened
    boolean goesOn(int faults);
  }

  /// Whether the run got as far as its first step.
  boolean hasBegun() {
    return hasBegun;
  }

  void endures(Goal goal) throws Exception {
    try (Site site = Site.start(directory, Site.FEW_SLOTS, classes)) {
      var injector = new Injector(site);
      var schedule = new Schedule(seed, kinds);
      awaitSteps(site, 1, "the run begins");
      hasBegun = true;
      int faults = 0;
      while (goal.goesOn(faults)) {
        happens(site, injector, schedule.next(), ++faults);
      }
      assertThat(faults).isPositive();
      hasSoundBooks(site);
    }
  }

  private void happens(Site site, Injector injector, Schedule.Step step, int number)
      throws Exception {
    int heard = site.witness().size();
    awaitLines(site, heard + step.after());
    long before = site.epoch();
    int steps = steps(site);
    long begun = System.nanoTime();
    Injector.Active active = injector.begin(step);
    lasts(step.lasts());
    active.end().run();
    long ended = System.nanoTime();
    String what =
        "fault %d, seed %d: %s of %s".formatted(number, seed, step.fault(), active.victim());
    int atEnd = steps(site);
    awaitSteps(site, atEnd + STEPS, "after " + what);
    long after = site.epoch();
    String line =
        String.format(
            Locale.ROOT,
            "%s, after %d steps; %d more while it lasted (%.1f s), %d more %.1f s later; epoch %d to %d",
            what,
            steps,
            atEnd - steps,
            (ended - begun) / 1e9,
            STEPS,
            (System.nanoTime() - ended) / 1e9,
            before,
            after);
    System.out.println(line);
    assertThat(after - before)
        .as("takeovers of the run: %s", line)
        .isBetween(0L, (long) step.fault().takeovers());
  }

  /// The moment of a fault; where nothing is acknowledged for a while it comes all the same.
  private static void awaitLines(Site site, int lines) {
    long deadline = System.nanoTime() + COMES_TO_FAULT_WITHIN.toNanos();
    await()
        .atMost(COMES_TO_FAULT_WITHIN.multipliedBy(2))
        .pollInterval(Duration.ofMillis(1))
        .until(() -> site.witness().size() >= lines || System.nanoTime() - deadline > 0);
  }

  /// A fault takes its time; nothing else is waited for.
  private static void lasts(Duration span) throws InterruptedException {
    TimeUnit.NANOSECONDS.sleep(span.toNanos());
  }

  /// Batches that the learner was told are applied.
  private static int steps(Site site) {
    return site.witness().of("batch").size();
  }

  private void awaitSteps(Site site, int steps, String when) {
    await("step %d %s; see %s".formatted(steps, when, directory))
        .atMost(GOES_ON_WITHIN)
        .until(() -> steps(site) >= steps);
  }

  private static void hasSoundBooks(Site site) throws Exception {
    site.cancel();
    JsonNode report = JSON.readTree(site.audit());
    assertThat(report.path("sound").asBoolean()).as(report.toString()).isTrue();
    assertThat(report.path("runs").path(0).path("residual").asLong(-1)).isZero();
    try (LedgerTables ledger = site.ledger()) {
      Acknowledged.areIn(ledger, site.witness());
      Acknowledged.areUsedAtMost(16, ledger);
      Acknowledged.areAppliedOnce(ledger);
    }
  }
}
