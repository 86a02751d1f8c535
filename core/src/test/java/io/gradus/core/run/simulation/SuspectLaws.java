package io.gradus.core.run.simulation;

import io.gradus.core.group.GroupState;
import io.gradus.core.group.LeaseId;
import io.gradus.core.group.SessionId;
import io.gradus.core.group.StateReason;
import io.gradus.core.group.WorkerId;
import io.gradus.core.ledger.GroupRow;
import io.gradus.core.run.Input;
import io.gradus.core.run.RunPlan;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeSet;

/// G1: a task that kills its workers is not sampled for ever, and a group that only shared a worker
/// with it is not taken for it.
final class SuspectLaws {

  private final RunPlan plan;
  private final ModelLedger rows;
  private final Map<SessionId, WorkerId> workers = new HashMap<>();
  private final Map<WorkerId, Integer> slots = new HashMap<>();

  /// Leases that a session of this incarnation is known to hold. Those of an older one belong to
  /// nobody before a worker names them.
  private final TreeSet<LeaseId> held = new TreeSet<>();

  /// Suspects of the worker that is about to be lost.
  private int atStake;

  SuspectLaws(RunPlan plan, ModelLedger rows) {
    this.plan = plan;
    this.rows = rows;
  }

  void heard(Input input) {
    switch (input) {
      case Input.WorkerJoined(var session, var worker, var count) -> {
        workers.put(session, worker);
        slots.put(worker, count);
        if (plan.rollout().lockstep()) {
          leased().stream()
              .filter(row -> row.worker().equals(worker))
              .forEach(row -> held.add(row.lease()));
        }
      }
      case Input.Heartbeat(var session, _, var named) ->
          leased().stream()
              .filter(row -> named.containsKey(row.lease()))
              .filter(row -> row.worker().equals(workers.get(session)))
              .forEach(row -> held.add(row.lease()));
      case Input.WorkerLeft(var session, _) ->
          atStake = suspectsOf(Optional.ofNullable(workers.get(session)));
      default -> {}
    }
  }

  private List<GroupRow> leased() {
    return rows.openGroups().stream()
        .map(id -> rows.group(id).orElseThrow())
        .filter(row -> row.state() == GroupState.LEASED)
        .toList();
  }

  private int suspectsOf(Optional<WorkerId> worker) {
    return (int)
        leased().stream()
            .filter(row -> row.reason() == StateReason.SUSPECT)
            .filter(row -> worker.filter(row.worker()::equals).isPresent())
            .filter(row -> held.contains(row.lease()))
            .count();
  }

  /// A lease was granted for the first time.
  void created(GroupRow row) {
    held.add(row.lease());
  }

  /// A group is about to be leased once more.
  void leasedAgain(GroupRow before, GroupRow row) {
    boolean isBlamed =
        before.reason() == StateReason.WORKER_DIED || before.reason() == StateReason.SUSPECT;
    Violation.unless(
        row.reason() == (isBlamed ? before.reason() : StateReason.NONE),
        "G1: %s is leased again as %s; workers lost with it are forgotten, or made up",
        before,
        row);
    if (row.reason() == StateReason.SUSPECT) {
      int there = suspectsOf(Optional.of(row.worker()));
      int most = before.attempts() == 2 ? Math.max(1, slots.getOrDefault(row.worker(), 1) / 16) : 1;
      Violation.unless(
          there < most,
          "G1: %s is granted to a worker that has %d suspects, at most %d",
          row,
          there,
          most);
    }
    held.add(row.lease());
  }

  /// A lease is lost: its group waits, or has failed.
  void lost(GroupRow before, GroupRow row, Input input) {
    boolean isBlamed =
        before.reason() == StateReason.WORKER_DIED || before.reason() == StateReason.SUSPECT;
    if (input instanceof Input.WorkerLeft(_, var departure)
        && departure == Input.Departure.LOST
        && held.contains(before.lease())) {
      boolean isGuilty = before.reason() == StateReason.SUSPECT && atStake == 1;
      StateReason expected =
          isGuilty
              ? StateReason.POISON_TASK
              : row.state() == GroupState.FAILED
                  ? StateReason.WORKER_LOST
                  : isBlamed ? StateReason.SUSPECT : StateReason.WORKER_DIED;
      Violation.unless(
          row.reason() == expected && (row.state() == GroupState.FAILED || !isGuilty),
          "G1: the worker of %s is lost with %d suspects, and it becomes %s",
          before,
          atStake,
          row);
      return;
    }
    Violation.unless(
        row.reason() != StateReason.POISON_TASK
            && ((row.reason() != StateReason.WORKER_DIED && row.reason() != StateReason.SUSPECT)
                || row.reason() == before.reason()),
        "G1: %s becomes %s, and no worker was lost with it",
        before,
        row);
  }
}
