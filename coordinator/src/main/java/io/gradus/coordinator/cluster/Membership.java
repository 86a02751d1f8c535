package io.gradus.coordinator.cluster;

import akka.cluster.UniqueAddress;
import io.gradus.coordinator.ledger.LeaseRows;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/*
 * A node that stood still while the others put it out goes on as if nothing had happened: to it, the
 * others are the ones that do not answer. The lease that decides a partition does not hold it back,
 * since the others give it up once they have decided. It would make a cluster of its own beside
 * theirs, on the same ledger. So those who remove a node note it, and it looks there before it takes
 * the lease, and every second besides.
 */

/// What the ledger says about which nodes belong to the cluster.
public final class Membership {

  /// Longer than any machine stands still and then goes on.
  private static final Duration NOTE_LIVES = Duration.ofDays(30);

  /// How long the row lives by which a node tries the ledger: no longer than somebody may look.
  private static final Duration PROBE_LIVES = Duration.ofMinutes(1);

  private final LeaseRows rows;
  private final String self;
  private final String place;
  private final Set<String> toNote = ConcurrentHashMap.newKeySet();

  /// @param self this life of this node
  public Membership(LeaseRows rows, UniqueAddress self) {
    this.rows = rows;
    this.self = nameOf(self);
    this.place = self.address().toString();
  }

  /// The name of one life of a node.
  static String nameOf(UniqueAddress node) {
    return node.address() + "#" + node.longUid();
  }

  /// The cluster has put a node out; it is noted with the next [#look].
  public void hasPutOut(UniqueAddress node) {
    toNote.add(nameOf(node));
  }

  /// Writes to the ledger and reads what it says of this node. Blocks.
  ///
  /// @return why this node has to leave, if it has to
  public Optional<String> look() {
    if (rows.isOut(self)) {
      return Optional.of("the other nodes have put this one out of the cluster meanwhile");
    }
    List<String> noted = new ArrayList<>(toNote);
    noted.forEach(node -> rows.putOut(node, NOTE_LIVES));
    noted.forEach(toNote::remove);
    boolean _ = rows.acquire("node " + place, place, PROBE_LIVES);
    return Optional.empty();
  }
}
