package io.gradus.systemtests.chaos;

import static org.awaitility.Awaitility.await;

import io.gradus.systemtests.LedgerTables;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Predicate;

/// Looks into the ledger many times a second: who holds how many groups of which run, and how far
/// the numbers of leases have come. Each look is one statement, so what it shows was there at once.
final class LeaseWatch implements AutoCloseable {

  private static final Duration LOOKS_EVERY = Duration.ofMillis(20);

  private static final String SQL =
      """
      select r.run_id, r.state, r.next_lease, r.trajectories_sampled,
        count(*) filter (where g.state = 'LEASED' and g.worker_id = 'worker-1'),
        count(*) filter (where g.state = 'LEASED' and g.worker_id = 'worker-2'),
        count(*) filter (where g.state = 'PENDING')
      from run r left join rollout_group g
        on g.run_key = r.run_key and g.state in ('LEASED', 'PENDING')
      group by r.run_id, r.state, r.next_lease, r.trajectories_sampled\
      """;

  /// What the ledger has of a run.
  ///
  /// @param nextLease number of its next lease: none was granted while it stays
  /// @param trajectories that were sampled for training so far
  /// @param leased groups that each worker holds
  /// @param pending groups that wait for another lease
  record Standing(
      String state, long nextLease, long trajectories, List<Integer> leased, int pending) {

    Standing {
      leased = List.copyOf(leased);
    }

    int allLeased() {
      return leased.stream().mapToInt(Integer::intValue).sum();
    }
  }

  /// @param nanoTime when it was asked for
  record Look(long nanoTime, Map<String, Standing> runs) {

    Look {
      runs = Map.copyOf(runs);
    }

    Standing of(String runId) {
      Standing standing = runs.get(runId);
      if (standing == null) {
        throw new AssertionError("no run " + runId);
      }
      return standing;
    }
  }

  private final LedgerTables ledger;
  private final List<Look> looks = new ArrayList<>();
  private final ScheduledExecutorService looking =
      Executors.newSingleThreadScheduledExecutor(Thread.ofPlatform().daemon().factory());

  private LeaseWatch(LedgerTables ledger) {
    this.ledger = ledger;
  }

  static LeaseWatch begin(LedgerTables ledger) {
    var watch = new LeaseWatch(ledger);
    var _ =
        watch.looking.scheduleWithFixedDelay(
            watch::look, 0, LOOKS_EVERY.toMillis(), TimeUnit.MILLISECONDS);
    return watch;
  }

  private void look() {
    long asked = System.nanoTime();
    var runs = new TreeMap<String, Standing>();
    try {
      for (String row : ledger.rows(SQL)) {
        String[] columns = row.split(" ", -1);
        runs.put(
            columns[0],
            new Standing(
                columns[1],
                Long.parseLong(columns[2]),
                Long.parseLong(columns[3]),
                List.of(Integer.valueOf(columns[4]), Integer.valueOf(columns[5])),
                Integer.parseInt(columns[6])));
      }
    } catch (SQLException failure) {
      throw new AssertionError("the ledger cannot be read", failure);
    }
    synchronized (looks) {
      looks.add(new Look(asked, runs));
    }
  }

  /// All looks from a time on.
  List<Look> since(long nanoTime) {
    synchronized (looks) {
      return looks.stream().filter(look -> look.nanoTime - nanoTime >= 0).toList();
    }
  }

  /// Waits for the first look from a time on that shows something.
  Look first(String what, long since, Duration limit, Predicate<Look> condition) {
    var found = new AtomicReference<Optional<Look>>(Optional.empty());
    await()
        .alias(what)
        .atMost(limit)
        .until(() -> {
          found.set(since(since).stream().filter(condition).findFirst());
          return found.get().isPresent();
        });
    return found.get().orElseThrow();
  }

  @Override
  public void close() throws SQLException {
    looking.shutdownNow();
    ledger.close();
  }
}
