package io.gradus.systemtests.chaos;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.gradus.systemtests.Acknowledged;
import io.gradus.systemtests.LedgerTables;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.CleanupMode;
import org.junit.jupiter.api.io.TempDir;

/// A run on a whole cluster goes on after every fault, and what was acknowledged to a witness is in
/// the books afterwards.
///
/// `-Dchaos.seed=N` gives the same faults again, `-Dchaos.minutes=M` goes on for so long,
/// `-Dchaos.faults=PART_HOST,KILL_HOST` chooses kinds. When it fails, what the processes said stays
/// in the directory that the failure names.
class ChaosSystemTest {

  private static final long SEED = Long.getLong("chaos.seed", 20_261_125L);

  /// Faults of the short version.
  private static final int FAULTS = Integer.getInteger("chaos.count", 16);

  private static final Duration GOES_ON_WITHIN = Duration.ofSeconds(60);
  private static final Duration COMES_TO_FAULT_WITHIN = Duration.ofSeconds(10);

  /// Steps after a fault by which a run is taken to go on.
  private static final int STEPS = 3;

  private static final ObjectMapper JSON = new ObjectMapper();

  @TempDir(cleanup = CleanupMode.ON_SUCCESS)
  private Path directory;

  @Test
  void goesOnWhateverHappens() throws Exception {
    endures(step -> step < FAULTS);
  }

  /// The long version: `./mvnw verify -Pchaos -Dchaos.minutes=20 -Dchaos.seed=7`.
  @Test
  @Tag("chaos")
  void goesOnForMinutes() throws Exception {
    long end =
        System.nanoTime() + Duration.ofMinutes(Integer.getInteger("chaos.minutes", 20)).toNanos();
    endures(_ -> System.nanoTime() - end < 0);
  }

  private interface Goal {
    boolean goesOn(int faults);
  }

  private void endures(Goal goal) throws Exception {
    List<Fault> kinds = kinds();
    try (Site site = Site.start(directory)) {
      var injector = new Injector(site);
      var schedule = new Schedule(SEED, kinds);
      awaitSteps(site, 1, "the run begins");
      var told = new ArrayList<String>();
      for (int fault = 0; goal.goesOn(fault); fault++) {
        told.add(happens(site, injector, schedule.next(), fault + 1));
      }
      assertThat(told).as("what happened").isNotEmpty();
      hasSoundBooks(site);
    }
  }

  private static List<Fault> kinds() {
    String chosen = System.getProperty("chaos.faults", "");
    return chosen.isEmpty()
        ? List.of(Fault.values())
        : Arrays.stream(chosen.split(",")).map(Fault::valueOf).toList();
  }

  private String happens(Site site, Injector injector, Schedule.Step step, int number)
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
        "fault %d, seed %d: %s of %s".formatted(number, SEED, step.fault(), active.victim());
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
    return line;
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
