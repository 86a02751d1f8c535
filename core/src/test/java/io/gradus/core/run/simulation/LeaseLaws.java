package io.gradus.core.run.simulation;

import io.gradus.core.group.GroupState;
import io.gradus.core.group.LeaseId;
import io.gradus.core.ledger.GroupRow;
import io.gradus.core.run.Input;
import io.gradus.core.run.RunPlan;
import java.time.Duration;
import java.util.Map;
import java.util.TreeMap;

/// Leases end in time (G7): only those that a heartbeat names are renewed, and only progress keeps
/// one from being revoked. That they do not end too early is said by [GroupLaws].
final class LeaseLaws {

  private final SimulatedRun world;
  private final RunPlan plan;
  private final ModelLedger rows;
  private final long openedNanos;
  private final TreeMap<LeaseId, Long> renewed = new TreeMap<>();
  private final TreeMap<LeaseId, Long> moved = new TreeMap<>();
  private final TreeMap<LeaseId, Long> progress = new TreeMap<>();
  private long tickedNanos;

  private long pausedNanos;

  LeaseLaws(SimulatedRun world, ModelLedger rows) {
    this.world = world;
    this.plan = world.plan();
    this.rows = rows;
    this.openedNanos = world.time().nanos();
    this.tickedNanos = openedNanos;
  }

  /// By how much pauses of the process have moved deadlines, at most.
  long pausedNanos() {
    return pausedNanos;
  }

  void heard(Input input) {
    long now = world.time().nanos();
    switch (input) {
      case Input.Heartbeat(_, _, var named) ->
          named.forEach((lease, count) -> {
            renewed.put(lease, now);
            Long before = progress.put(lease, count);
            if (before == null || count > before) {
              moved.put(lease, now);
            }
          });
      case Input.Tick() -> {
        long gap = now - tickedNanos;
        long shortest =
            Math.min(
                plan.rollout().leaseTtl().toNanos(), plan.rollout().progressTimeout().toNanos());
        if (3 * gap > shortest) {
          pausedNanos += gap;
        }
        tickedNanos = now;
      }
      default -> {}
    }
  }

  /// A lease was granted.
  void granted(GroupRow row) {
    renewed.put(row.lease(), world.time().nanos());
    moved.put(row.lease(), world.time().nanos());
  }

  /// After a tick.
  void ticked() {
    for (var id : rows.openGroups()) {
      GroupRow group = rows.group(id).orElseThrow();
      if (group.state() == GroupState.LEASED) {
        isInTime(group, renewed, plan.rollout().leaseTtl(), "named");
        isInTime(group, moved, plan.rollout().progressTimeout(), "moved");
      }
    }
  }

  private void isInTime(GroupRow group, Map<LeaseId, Long> last, Duration allowed, String what) {
    long since = Math.max(openedNanos, last.getOrDefault(group.lease(), openedNanos));
    long silent = world.time().nanos() - since - pausedNanos;
    Violation.unless(
        silent < allowed.toNanos(),
        "G7: the lease of %s was last %s %s ago, and %s are allowed",
        group,
        what,
        Duration.ofNanos(silent),
        allowed);
  }
}
