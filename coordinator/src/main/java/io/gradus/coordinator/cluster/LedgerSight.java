package io.gradus.coordinator.cluster;

import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;

/*
 * A ledger that nobody reaches is no reason to leave: everybody waits for it. So a node leaves only
 * when others have been writing all the time that it could not. Both spans must be long: just after
 * an outage for all, some are back a moment before the others.
 */

/// Which nodes can write to the ledger, as one of them sees it; decides when it has to leave.
///
/// Times are monotonic nanoseconds of this node; what peers say counts from its arrival.
final class LedgerSight {

  private final long absenceNanos;
  private final long reportNanos;
  private final Map<String, Peer> peers = new HashMap<>();
  private long lastSuccess;
  private Optional<String> failure = Optional.empty();

  /// @param since of the unbroken line of successes
  private record Peer(long since, long heard) {}

  /// @param absence how long a node stays that cannot write while others can
  /// @param reportInterval how often each node reports a success
  LedgerSight(Duration absence, Duration reportInterval, long now) {
    this.absenceNanos = absence.toNanos();
    // Two reports may be late before a line of successes counts as broken.
    this.reportNanos = reportInterval.multipliedBy(3).toNanos();
    this.lastSuccess = now;
  }

  /// This node wrote.
  void succeeded(long now) {
    lastSuccess = now;
    failure = Optional.empty();
  }

  /// This node tried and failed, or waits in vain.
  void failed(String reason) {
    failure = Optional.of(reason);
  }

  /// A peer says that it wrote.
  void heard(String peer, long now) {
    peers.merge(
        peer,
        new Peer(now, now),
        (before, first) -> now - before.heard > reportNanos ? first : new Peer(before.since, now));
  }

  /// Whether this node wrote lately.
  boolean isFresh(long now) {
    return now - lastSuccess <= reportNanos;
  }

  /// Why this node has to leave, if it has to.
  Optional<String> mustLeave(long now) {
    peers.values().removeIf(peer -> now - peer.heard > reportNanos);
    if (now - lastSuccess < absenceNanos) {
      return Optional.empty();
    }
    return peers.entrySet().stream()
        .filter(entry -> now - entry.getValue().since >= absenceNanos)
        .map(Map.Entry::getKey)
        .sorted()
        .findFirst()
        .map(peer ->
            "the ledger has not been reached from here for %d s (%s), while node %s reaches it"
                .formatted(
                    Duration.ofNanos(now - lastSuccess).toSeconds(),
                    failure.orElse("no answer"),
                    peer));
  }
}
