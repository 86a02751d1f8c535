package io.gradus.core.lease;

import io.gradus.core.group.GroupId;
import io.gradus.core.group.LeaseId;
import io.gradus.core.group.SessionId;
import io.gradus.core.group.StateReason;
import io.gradus.core.group.WorkerId;
import io.gradus.core.run.MonotonicTime;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/// The running leases: one a group, each with the session that holds it and two deadlines.
///
/// | event | lease |
/// |---|---|
/// | granted, adopted from an older incarnation | runs for one time to live |
/// | named in a heartbeat of its worker | renewed for one time to live |
/// | named with a higher progress than before | may go on without further progress for the progress time-out |
/// | not named | not renewed |
/// | its session ended | lost at once |
/// | a deadline passed | lost |
///
/// Knows no clock: time comes in with every call.
public final class LeaseTable {

  private static final class Lease {
    private final GroupId group;
    private final LeaseId id;
    private final WorkerId worker;
    private Optional<SessionId> session;
    private MonotonicTime expires;
    private MonotonicTime stalls;
    private long progress = -1;

    private Lease(
        GroupId group,
        LeaseId id,
        WorkerId worker,
        Optional<SessionId> session,
        MonotonicTime expires,
        MonotonicTime stalls) {
      this.group = group;
      this.id = id;
      this.worker = worker;
      this.session = session;
      this.expires = expires;
      this.stalls = stalls;
    }

    private Held held() {
      return new Held(group, id, session);
    }
  }

  /// A lease and its session; no session has claimed it where a new incarnation found it.
  public record Held(GroupId group, LeaseId lease, Optional<SessionId> session) {}

  /// A lease that is lost, and why.
  public record Lost(Held held, StateReason reason) {}

  private final Duration timeToLive;
  private final Duration progressTimeout;
  private final TreeMap<LeaseId, Lease> leases = new TreeMap<>();
  private final TreeMap<GroupId, Lease> byGroup = new TreeMap<>();

  /// The leases of each session that has any: a heartbeat must not cost more for the leases of
  /// others.
  private final TreeMap<SessionId, TreeMap<LeaseId, Lease>> bySession = new TreeMap<>();

  public LeaseTable(Duration timeToLive, Duration progressTimeout) {
    this.timeToLive = timeToLive;
    this.progressTimeout = progressTimeout;
  }

  /// Begins a lease.
  ///
  /// @param session absent: an older incarnation granted it
  public void begin(
      GroupId group, LeaseId id, WorkerId worker, Optional<SessionId> session, MonotonicTime now) {
    var lease =
        new Lease(group, id, worker, session, now.plus(timeToLive), now.plus(progressTimeout));
    if (leases.put(id, lease) != null || byGroup.put(group, lease) != null) {
      throw new IllegalStateException(
          "lease %d or another one of group %d runs already".formatted(id.value(), group.value()));
    }
    session.ifPresent(holder -> put(holder, lease));
  }

  private void put(SessionId session, Lease lease) {
    bySession.computeIfAbsent(session, _ -> new TreeMap<>()).put(lease.id, lease);
  }

  private void remove(SessionId session, Lease lease) {
    bySession.computeIfPresent(
        session,
        (_, held) -> {
          held.remove(lease.id);
          return held.isEmpty() ? null : held;
        });
  }

  private void hand(Lease lease, SessionId session) {
    if (lease.session.filter(session::equals).isEmpty()) {
      lease.session.ifPresent(holder -> remove(holder, lease));
      lease.session = Optional.of(session);
      put(session, lease);
    }
  }

  /// Renews what a heartbeat names.
  ///
  /// @param named progress by lease
  /// @return leases that it names and does not hold
  public List<LeaseId> renew(
      SessionId session, WorkerId worker, Map<LeaseId, Long> named, MonotonicTime now) {
    var unknown = new ArrayList<LeaseId>();
    named.forEach((id, progress) -> {
      Lease lease = leases.get(id);
      if (lease == null || !lease.worker.equals(worker)) {
        unknown.add(id);
        return;
      }
      hand(lease, session);
      lease.expires = now.plus(timeToLive);
      if (progress > lease.progress) {
        lease.progress = progress;
        lease.stalls = now.plus(progressTimeout);
      }
    });
    return unknown;
  }

  /// Hands the unclaimed leases of a worker to its new session.
  ///
  /// @return these leases, in the order of their grants
  public List<Held> claim(SessionId session, WorkerId worker) {
    var claimed = new ArrayList<Held>();
    for (Lease lease : leases.values()) {
      if (lease.session.isEmpty() && lease.worker.equals(worker)) {
        hand(lease, session);
        claimed.add(lease.held());
      }
    }
    return claimed;
  }

  /// Ends the lease of a group, if one runs.
  public Optional<Held> end(GroupId group) {
    Lease lease = byGroup.remove(group);
    if (lease == null) {
      return Optional.empty();
    }
    leases.remove(lease.id);
    lease.session.ifPresent(holder -> remove(holder, lease));
    return Optional.of(lease.held());
  }

  /// The lease of a group, if one runs.
  public Optional<Held> of(GroupId group) {
    return Optional.ofNullable(byGroup.get(group)).map(Lease::held);
  }

  /// Leases that a session holds, in the order of their grants.
  public List<Held> of(SessionId session) {
    return heldBy(session).values().stream().map(Lease::held).toList();
  }

  private Map<LeaseId, Lease> heldBy(SessionId session) {
    return bySession.getOrDefault(session, new TreeMap<>());
  }

  /// Leases of a session that a heartbeat did not name: they are on their way to it.
  public int unnamed(SessionId session, Map<LeaseId, Long> named) {
    return (int) heldBy(session).keySet().stream().filter(id -> !named.containsKey(id)).count();
  }

  /// Leases past a deadline; they stay until [#end].
  public List<Lost> lostAt(MonotonicTime now) {
    var lost = new ArrayList<Lost>();
    for (Lease lease : leases.values()) {
      if (now.compareTo(lease.expires) >= 0) {
        lost.add(new Lost(lease.held(), StateReason.WORKER_LOST));
      } else if (now.compareTo(lease.stalls) >= 0) {
        lost.add(new Lost(lease.held(), StateReason.NO_PROGRESS));
      }
    }
    return lost;
  }

  /// Moves every deadline: this process, or the ledger, stood still, and no heartbeat could be
  /// heard.
  public void shift(Duration pause) {
    leases
        .values()
        .forEach(lease -> {
          lease.expires = lease.expires.plus(pause);
          lease.stalls = lease.stalls.plus(pause);
        });
  }

  /// Leases that run.
  public int size() {
    return leases.size();
  }
}
