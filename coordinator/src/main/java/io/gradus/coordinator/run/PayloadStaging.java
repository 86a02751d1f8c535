package io.gradus.coordinator.run;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.gradus.coordinator.ledger.Payload;
import io.gradus.core.group.GroupId;
import io.gradus.core.group.LeaseId;
import io.gradus.core.group.PayloadDigest;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;

/// Payloads that were received on this node and whose admission is not decided, bounded in bytes.
///
/// The entity puts a payload into the transaction that admits it; one that is not admitted is never
/// written. Two submits of the same group under the same lease share one entry when their digests
/// are equal, and the second is refused when they are not.
public final class PayloadStaging {

  private record Key(String runId, GroupId group, LeaseId lease) {}

  private static final class Entry {
    private final Payload payload;
    private int holders = 1;

    private Entry(Payload payload) {
      this.payload = payload;
    }
  }

  /// What became of a payload that was offered.
  public enum Offer {
    STAGED,
    /// Another payload waits under the same key.
    CONFLICT,
    /// Too much waits already.
    FULL
  }

  private final long maxBytes;

  @GuardedBy("this")
  private final Map<Key, Entry> entries = new HashMap<>();

  @GuardedBy("this")
  private long bytes;

  public PayloadStaging(long maxBytes) {
    this.maxBytes = maxBytes;
  }

  /// Stages a payload until [#release] is called as often as this answered STAGED.
  public synchronized Offer offer(String runId, Payload payload) {
    var key = new Key(runId, payload.group(), payload.lease());
    Entry there = entries.get(key);
    if (there != null) {
      if (!there.payload.digest().equals(payload.digest())) {
        return Offer.CONFLICT;
      }
      there.holders++;
      return Offer.STAGED;
    }
    if (bytes + payload.size() > maxBytes) {
      return Offer.FULL;
    }
    bytes += payload.size();
    entries.put(key, new Entry(payload));
    return Offer.STAGED;
  }

  public synchronized void release(String runId, GroupId group, LeaseId lease) {
    var key = new Key(runId, group, lease);
    Entry there = entries.get(key);
    if (there != null && --there.holders == 0) {
      bytes -= there.payload.size();
      entries.remove(key);
    }
  }

  synchronized Optional<Payload> find(
      String runId, GroupId group, LeaseId lease, PayloadDigest digest) {
    return Optional.ofNullable(entries.get(new Key(runId, group, lease)))
        .map(entry -> entry.payload)
        .filter(payload -> payload.digest().equals(digest));
  }

  synchronized long bytes() {
    return bytes;
  }
}
