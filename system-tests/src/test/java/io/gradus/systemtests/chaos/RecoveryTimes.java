package io.gradus.systemtests.chaos;

import static org.awaitility.Awaitility.await;

import io.gradus.systemtests.LedgerTables;
import io.gradus.systemtests.RunProcess;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.CleanupMode;
import org.junit.jupiter.api.io.TempDir;

/// How long a cluster takes to recover from a death, measured and printed, not asserted.
///
/// On a quiet machine: `./mvnw test -Precovery -pl system-tests -am -Dtest=RecoveryTimes
/// -Dsurefire.failIfNoSpecifiedTests=false`, with `-Drecovery.repetitions=20` and
/// `-Drecovery.kinds=HOST,WORKER` if something else is wanted.
@Tag("recovery")
class RecoveryTimes {

  private static final int REPETITIONS = Integer.getInteger("recovery.repetitions", 20);
  private static final Duration LONGEST = Duration.ofMinutes(2);
  private static final Duration POLL = Duration.ofMillis(10);

  /// Work between two deaths, so that each meets a run at ease.
  private static final Duration BETWEEN = Duration.ofSeconds(3);

  private enum Kind {
    HOST("SIGKILL of the coordinator that has the run, until the next batch is acknowledged"),
    WORKER("SIGKILL of a worker, until the groups that it held are leased again"),
    STOPPED_WORKER("SIGSTOP of a worker, until the groups that it held are leased again"),
    LEARNER("SIGKILL of the learner, until the next batch is acknowledged"),
    DATABASE("restart of PostgreSQL, from its answer until the next commit"),
    ROLLING_RESTART("rolling restart of the coordinators, longest time without a batch");

    private final String what;

    Kind(String what) {
      this.what = what;
    }
  }

  @TempDir(cleanup = CleanupMode.ON_SUCCESS)
  private Path directory;

  @Test
  void measures() throws Exception {
    List<Kind> kinds =
        Arrays.stream(
                System.getProperty(
                        "recovery.kinds",
                        Arrays.stream(Kind.values())
                            .map(Kind::name)
                            .collect(Collectors.joining(",")))
                    .split(",", -1))
            .map(Kind::valueOf)
            .toList();
    var random = new SplittableRandom(1);
    try (Site site = Site.start(directory, Site.MANY_SLOTS, Optional.empty())) {
      awaitBatches(site, 30);
      for (Kind kind : kinds) {
        var seconds = new ArrayList<Double>();
        for (int repetition = 0; repetition < REPETITIONS; repetition++) {
          seconds.add(once(site, kind, random) / 1e9);
          settle(site);
        }
        System.out.printf(
            Locale.ROOT,
            "%s: median %.2f s, p95 %.2f s, longest %.2f s over %d: %s%n",
            kind.what,
            quantile(seconds, 0.5),
            quantile(seconds, 0.95),
            quantile(seconds, 1),
            REPETITIONS,
            seconds.stream()
                .map(value -> String.format(Locale.ROOT, "%.2f", value))
                .collect(Collectors.joining(" ")));
      }
    }
  }

  private static double quantile(List<Double> values, double share) {
    List<Double> sorted = values.stream().sorted().toList();
    return sorted.get((int) Math.ceil(share * sorted.size()) - 1);
  }

  /// Nanoseconds of one recovery.
  private static long once(Site site, Kind kind, SplittableRandom random) throws Exception {
    String worker = Site.WORKERS.get(random.nextInt(Site.WORKERS.size()));
    return switch (kind) {
      case HOST -> {
        site.roles().process(Site.coordinator(site.host())).kill();
        yield untilNextBatch(site);
      }
      case LEARNER -> {
        site.roles().process(Site.LEARNER).kill();
        yield untilNextBatch(site);
      }
      case WORKER -> {
        List<String> held = held(site, worker);
        site.roles().process(worker).kill();
        yield untilLeasedAgain(site, worker, held);
      }
      case STOPPED_WORKER -> {
        RunProcess process = site.roles().process(worker);
        process.signal("STOP");
        long took = untilLeasedAgain(site, worker, held(site, worker));
        process.signal("CONT");
        yield took;
      }
      case DATABASE -> {
        site.postgres().stop();
        site.postgres().start();
        yield untilNextCommit(site);
      }
      case ROLLING_RESTART -> longestSilenceOfRoll(site);
    };
  }

  private static long until(String what, Callable<Boolean> condition) {
    long begun = System.nanoTime();
    await(what).atMost(LONGEST).pollDelay(Duration.ZERO).pollInterval(POLL).until(condition);
    return System.nanoTime() - begun;
  }

  private static long untilNextBatch(Site site) {
    int before = batches(site);
    return until("the next batch", () -> batches(site) > before);
  }

  private static int batches(Site site) {
    return site.witness().of("batch").size();
  }

  private static void awaitBatches(Site site, int batches) {
    var _ = until("batch " + batches, () -> batches(site) >= batches);
  }

  private static List<String> held(Site site, String worker) throws Exception {
    try (LedgerTables ledger = site.ledger()) {
      return ledger.rows(
          "select lease_id from rollout_group where state = 'LEASED' and worker_id = ?", worker);
    }
  }

  /// A group counts as leased again once its old lease is not its lease any more and it does not
  /// wait for another: also when that one is already over.
  private static long untilLeasedAgain(Site site, String worker, List<String> held)
      throws Exception {
    String leases = held.isEmpty() ? "0" : String.join(",", held);
    try (LedgerTables ledger = site.ledger()) {
      return until(
          "the groups of " + worker,
          () ->
              ledger.number(
                      """
                      select count(*) from rollout_group
                      where state in ('LEASED', 'PENDING') and lease_id in (%s)\
                      """
                          .formatted(leases))
                  == 0);
    }
  }

  private static long untilNextCommit(Site site) throws Exception {
    try (LedgerTables ledger = site.ledger()) {
      long before = commits(ledger);
      return until("the next commit", () -> commits(ledger) > before);
    }
  }

  private static long commits(LedgerTables ledger) throws Exception {
    return ledger.number("select commit_seq from run where run_id = ?", Site.RUN);
  }

  private static long longestSilenceOfRoll(Site site) throws Exception {
    var rolling =
        Thread.ofPlatform()
            .daemon()
            .start(() -> {
              try {
                var _ =
                    new Injector(site)
                        .begin(new Schedule.Step(Fault.ROLL_COORDINATORS, 0, 0, Duration.ZERO));
              } catch (Exception failure) {
                throw new AssertionError(failure);
              }
            });
    long longest = 0;
    long last = System.nanoTime();
    int seen = batches(site);
    while (rolling.isAlive() || batches(site) == seen) {
      int now = batches(site);
      if (now > seen) {
        longest = Math.max(longest, System.nanoTime() - last);
        last = System.nanoTime();
        seen = now;
      }
      TimeUnit.NANOSECONDS.sleep(POLL.toNanos());
      if (System.nanoTime() - last > LONGEST.toNanos()) {
        throw new AssertionError("no batch for " + LONGEST);
      }
    }
    return Math.max(longest, System.nanoTime() - last);
  }

  /// All are back, and the run goes on.
  private static void settle(Site site) throws Exception {
    for (int node = 0; node < Site.COORDINATORS; node++) {
      site.awaitReady(node);
    }
    awaitBatches(site, batches(site) + 2);
    TimeUnit.NANOSECONDS.sleep(BETWEEN.toNanos());
  }
}
