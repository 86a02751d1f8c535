package io.gradus.coordinator.pool;

import io.gradus.core.group.WorkerId;
import io.gradus.core.pool.Claim;
import io.gradus.core.pool.FairShare;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/*
 * What a run wants changes with every batch: a moment in which replay is full is no reason to move
 * workers to another run and back. So the most that it wanted lately counts.
 */

/// What a pool knows: its workers, what runs want, and who has which slots. Times are monotonic
/// nanoseconds.
final class PoolBook {

  private final long silenceNanos;
  private final long listenUntil;
  private final Map<WorkerId, Offer> offers = new HashMap<>();
  private final Map<String, Wish> wishes = new TreeMap<>();
  private Map<WorkerId, Map<String, Integer>> allotted = Map.of();

  private record Offer(int slots, long heard) {}

  /// @param wantedAt when the most that was wanted lately was wanted
  private record Wish(Claim claim, long heard, long wantedAt) {}

  /// A pool that begins.
  ///
  /// @param listen how long it only listens: until it has heard of all, everybody goes on as before
  /// @param silence after so long a worker or a claim that was not repeated is forgotten; as long a
  ///   run is taken to want what it wanted
  PoolBook(Duration listen, Duration silence, long now) {
    this.silenceNanos = silence.toNanos();
    this.listenUntil = now + listen.toNanos();
  }

  void offer(WorkerId worker, int slots, long now) {
    offers.put(worker, new Offer(slots, now));
  }

  void leave(WorkerId worker) {
    offers.remove(worker);
  }

  void claim(Claim claim, long now) {
    wishes.merge(
        claim.runId(),
        new Wish(claim, now, now),
        (before, fresh) -> {
          boolean isOld = now - before.wantedAt > silenceNanos;
          if (isOld || claim.wanted() >= before.claim.wanted()) {
            return fresh;
          }
          return new Wish(
              new Claim(claim.runId(), claim.share(), before.claim.wanted()), now, before.wantedAt);
        });
  }

  void withdraw(String runId) {
    wishes.remove(runId);
  }

  /// Shares the slots anew.
  ///
  /// @return slots by run of each worker; empty while the pool only listens
  Optional<Map<WorkerId, Map<String, Integer>>> allot(long now) {
    if (now - listenUntil < 0) {
      return Optional.empty();
    }
    offers.values().removeIf(offer -> now - offer.heard > silenceNanos);
    wishes.values().removeIf(wish -> now - wish.heard > silenceNanos);
    var workers = new HashMap<WorkerId, Integer>();
    offers.forEach((worker, offer) -> workers.put(worker, offer.slots));
    allotted =
        FairShare.allot(workers, wishes.values().stream().map(Wish::claim).toList(), allotted);
    return Optional.of(allotted);
  }
}
