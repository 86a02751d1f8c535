package io.gradus.systemtests.chaos;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.gradus.systemtests.LedgerTables;
import io.gradus.systemtests.chaos.LeaseWatch.Look;
import java.nio.file.Path;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.CleanupMode;
import org.junit.jupiter.api.io.TempDir;

/// Two runs on the workers of one pool, at weights 3 and 1: they share its throughput by weight;
/// while one is paused it is leased nothing and the other has every slot; and the death of the
/// pool's own node stops neither.
///
/// What was seen is printed. When it fails, what the processes said stays in the directory that the
/// failure names.
@Tag("shares")
@Timeout(600)
class PoolSystemTest {

  private static final String LARGE = "large";
  private static final String SMALL = "small";
  private static final double RATIO = 3;
  private static final double TOLERANCE = 0.15;

  /// Few and large groups of a larger model than in other tests: what limits the runs is to be the
  /// workers' engines, not the ledger.
  private static final int SLOTS = 16;

  private static final int GROUP_SIZE = 64;

  private static final Duration BEGINS_WITHIN = Duration.ofMinutes(2);
  private static final Duration SOON = Duration.ofSeconds(60);
  private static final Duration WINDOW = Duration.ofSeconds(15);

  /// Groups of the smaller run in a window, at least, for their number to say something.
  private static final int ENOUGH_GROUPS = 100;

  /// No lease is granted later than this after a pause, and none is left after one with `--now`.
  private static final double PAUSED_WITHIN_SECONDS = 1;

  private static final ObjectMapper JSON = new ObjectMapper();

  @TempDir(cleanup = CleanupMode.ON_SUCCESS)
  private Path directory;

  /// A run that takes every slot that it is given: few of its samples are learned from, so that its
  /// learner is never behind, and rollouts may be far ahead. All answers are about as long.
  private static Site.Submission run(String runId, double share) {
    return new Site.Submission(
        runId,
        List.of(
            "model.scratch.hidden_size=128",
            "model.scratch.layers=4",
            "tasks=[{addition: {first_digits: 1, last_digits: 1, format: direct}}]",
            "warm_up.batches=60",
            "warm_up.sequences=64",
            "warm_up.last_stratum=1",
            "warm_up.ramp_steps=10",
            "batch.groups=16",
            "rollout.group_size=" + GROUP_SIZE,
            "rollout.max_staleness=64",
            "replay.draws_per_sample=0.01",
            "publication.every=5",
            "publication.durable_every=10",
            "evaluation.last_stratum=1",
            "evaluation.problems=1",
            "evaluation.every=1000000",
            "resources.learner_replicas=1",
            "resources.share=" + share));
  }

  @Test
  void sharesThroughputByWeightWhoeverIsPausedAndWhateverDies() throws Exception {
    try (Site site =
            Site.start(
                directory, SLOTS, Optional.empty(), List.of(run(LARGE, RATIO), run(SMALL, 1)));
        LeaseWatch watch = LeaseWatch.begin(site.ledger())) {
      sharesByWeight(watch, "from the beginning", BEGINS_WITHIN);

      drainsWhilePaused(site, watch);
      goesOn(site, watch);
      revokesWhenPausedNow(site, watch);
      goesOn(site, watch);
      sharesByWeight(watch, "after two pauses", SOON);

      survivesTheDeathOfThePool(site);
      sharesByWeight(watch, "after the death of the pool's node", SOON);

      hasSoundBooks(site);
    }
  }

  private static void sharesByWeight(LeaseWatch watch, String when, Duration within) {
    Look begin =
        watch.first(
            "slots are shared by weight, " + when,
            System.nanoTime(),
            within,
            PoolSystemTest::isShared);

    Look end =
        watch.first(
            "the end of a window",
            begin.nanoTime(),
            WINDOW.multipliedBy(2),
            look -> seconds(begin, look) >= WINDOW.toSeconds());

    double large = groups(begin, end, LARGE);
    double small = groups(begin, end, SMALL);
    System.out.printf(
        Locale.ROOT,
        "%s: %.2f to 1 (%.0f and %.0f groups in %.1f s)%n",
        when,
        large / small,
        large,
        small,
        seconds(begin, end));
    assertThat(small).as("groups of the smaller run, %s", when).isGreaterThan(ENOUGH_GROUPS);
    assertThat(large / small)
        .as("throughput by weight, %s", when)
        .isBetween(RATIO * (1 - TOLERANCE), RATIO * (1 + TOLERANCE));
  }

  /// Whether the leases that were granted under another allotment are over.
  private static boolean isShared(Look look) {
    int small = look.of(SMALL).allLeased();
    return small > 0 && look.of(LARGE).allLeased() >= RATIO * (1 - TOLERANCE) * small;
  }

  private static double groups(Look begin, Look end, String run) {
    return (double) (end.of(run).trajectories() - begin.of(run).trajectories()) / GROUP_SIZE;
  }

  private static void drainsWhilePaused(Site site, LeaseWatch watch) throws Exception {
    Look paused = change(site, watch, "PAUSED", "runs", "pause", LARGE);

    Look drained = watch.first("drained", paused.nanoTime(), SOON, PoolSystemTest::isDrained);
    Look taken = watch.first("every slot", paused.nanoTime(), SOON, PoolSystemTest::hasEverySlot);
    double lastGrant = secondsToLastGrant(watch, paused);
    System.out.printf(
        Locale.ROOT,
        "paused: last grant after %.2f s, drained of %d groups after %.2f s, the other had every"
            + " slot after %.2f s%n",
        lastGrant,
        paused.of(LARGE).allLeased(),
        seconds(paused, drained),
        seconds(paused, taken));

    assertThat(lastGrant).as("seconds to the last grant").isLessThan(PAUSED_WITHIN_SECONDS);
    assertThat(drained.of(LARGE).pending()).as("groups that were not waited for").isZero();
  }

  private static void revokesWhenPausedNow(Site site, LeaseWatch watch) throws Exception {
    Look paused = change(site, watch, "PAUSED", "runs", "pause", LARGE, "--now");

    Look drained = watch.first("revoked", paused.nanoTime(), SOON, PoolSystemTest::isDrained);
    Look taken = watch.first("every slot", paused.nanoTime(), SOON, PoolSystemTest::hasEverySlot);
    double lastGrant = secondsToLastGrant(watch, paused);
    System.out.printf(
        Locale.ROOT,
        "paused now: last grant after %.2f s, no lease after %.2f s and %d groups that wait, the"
            + " other had every slot after %.2f s%n",
        lastGrant,
        seconds(paused, drained),
        drained.of(LARGE).pending(),
        seconds(paused, taken));

    assertThat(lastGrant).as("seconds to the last grant").isLessThan(PAUSED_WITHIN_SECONDS);
    assertThat(seconds(paused, drained))
        .as("seconds until no lease was left")
        .isLessThan(PAUSED_WITHIN_SECONDS);
    assertThat(drained.of(LARGE).pending()).as("groups that were taken back").isPositive();
  }

  /// Changes the larger run by a command.
  ///
  /// @return the first look that shows it: before the command had its answer
  private static Look change(Site site, LeaseWatch watch, String state, String... command)
      throws Exception {
    long asked = System.nanoTime();
    site.command(command);
    return watch.first(state, asked, SOON, look -> look.of(LARGE).state().equals(state));
  }

  private static boolean isDrained(Look look) {
    return look.of(LARGE).allLeased() == 0;
  }

  private static boolean hasEverySlot(Look look) {
    return isDrained(look) && look.of(SMALL).leased().stream().allMatch(held -> held >= SLOTS);
  }

  /// How long after a pause a lease was seen that had not been seen before; 0 if there was none.
  private static double secondsToLastGrant(LeaseWatch watch, Look paused) {
    watch.first(
        "what is granted long after a pause",
        paused.nanoTime(),
        SOON,
        look -> seconds(paused, look) > 3 * PAUSED_WITHIN_SECONDS);
    double last = 0;
    long leases = paused.of(LARGE).nextLease();
    for (Look look : watch.since(paused.nanoTime())) {
      if (look.of(LARGE).nextLease() > leases) {
        leases = look.of(LARGE).nextLease();
        last = seconds(paused, look);
      }
    }
    return last;
  }

  private static double seconds(Look begin, Look end) {
    return (end.nanoTime() - begin.nanoTime()) / 1e9;
  }

  private static void goesOn(Site site, LeaseWatch watch) throws Exception {
    Look resumed = change(site, watch, "RUNNING", "runs", "resume", LARGE);

    Look shared =
        watch.first(
            "it has its share again",
            resumed.nanoTime(),
            SOON,
            look -> isShared(look) && look.of(LARGE).pending() == 0);

    System.out.printf(
        Locale.ROOT, "resumed: it had its share again after %.2f s%n", seconds(resumed, shared));
  }

  private void survivesTheDeathOfThePool(Site site) throws Exception {
    String host = Site.coordinator(site.poolHost());
    long large = lastBatch(site, LARGE);
    long small = lastBatch(site, SMALL);
    long killed = System.nanoTime();
    site.roles().process(host).kill();

    goesOnAfter(large, site, LARGE, killed);
    goesOnAfter(small, site, SMALL, killed);
    for (int node = 0; node < Site.COORDINATORS; node++) {
      site.awaitReady(node);
    }
  }

  /// The first batch may have been applied before, and only be reported now: so the second.
  private void goesOnAfter(long batch, Site site, String run, long killed) {
    await("%s goes on without the pool's node; see %s".formatted(run, directory))
        .atMost(SOON)
        .until(() -> lastBatch(site, run) >= batch + 2);
    System.out.printf(
        Locale.ROOT,
        "the pool's node killed: %s had applied its second batch after %.2f s%n",
        run,
        (System.nanoTime() - killed) / 1e9);
  }

  private static long lastBatch(Site site, String run) throws SQLException {
    try (LedgerTables ledger = site.ledger()) {
      return ledger.number(
          """
          select coalesce(max(number), 0) from batch b join run r on r.run_key = b.run_key
          where r.run_id = ? and b.state in ('APPLIED', 'SETTLED')\
          """,
          run);
    }
  }

  private static void hasSoundBooks(Site site) throws Exception {
    for (String run : List.of(LARGE, SMALL)) {
      site.cancel(run);
      JsonNode report = JSON.readTree(site.audit(run));
      assertThat(report.path("sound").asBoolean()).as(report.toString()).isTrue();
      assertThat(report.path("runs").path(0).path("residual").asLong(-1)).isZero();
    }
    try (LedgerTables ledger = site.ledger()) {
      assertThat(ledger.rows("select group_id, reason from rollout_group where state = 'FAILED'"))
          .as("groups that a pause or a death cost")
          .isEmpty();
    }
  }
}
