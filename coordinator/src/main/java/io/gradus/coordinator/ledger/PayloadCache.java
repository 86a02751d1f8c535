package io.gradus.coordinator.ledger;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.gradus.core.group.GroupId;
import io.gradus.core.group.LeaseId;
import java.util.LinkedHashMap;
import java.util.Optional;

/// Payloads lately committed, least recently used first out, bounded in bytes: a batch that is
/// streamed right after admission reads nothing from the database.
final class PayloadCache {

  /// Rough size of an entry without its bytes.
  private static final int OVERHEAD_BYTES = 160;

  private record Key(long run, long group, long lease) {}

  private final long maxBytes;

  @GuardedBy("this")
  private final LinkedHashMap<Key, Payload> entries = new LinkedHashMap<>(1024, 0.75f, true);

  @GuardedBy("this")
  private long bytes;

  PayloadCache(long maxBytes) {
    this.maxBytes = maxBytes;
  }

  synchronized void put(long run, Payload payload) {
    Payload previous =
        entries.put(new Key(run, payload.group().value(), payload.lease().value()), payload);
    bytes += costOf(payload);
    if (previous != null) {
      bytes -= costOf(previous);
    }
    var oldestFirst = entries.values().iterator();
    while (bytes > maxBytes && oldestFirst.hasNext()) {
      bytes -= costOf(oldestFirst.next());
      oldestFirst.remove();
    }
  }

  synchronized Optional<Payload> get(long run, GroupId group, LeaseId lease) {
    return Optional.ofNullable(entries.get(new Key(run, group.value(), lease.value())));
  }

  synchronized long bytes() {
    return bytes;
  }

  private static long costOf(Payload payload) {
    return payload.size() + (long) OVERHEAD_BYTES;
  }
}
