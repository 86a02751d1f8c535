package io.gradus.core.run.simulation;

import io.gradus.core.batch.BatchNumber;
import io.gradus.core.group.GroupState;
import io.gradus.core.group.LeaseId;
import io.gradus.core.ledger.BatchRow;
import io.gradus.core.ledger.GroupRow;
import io.gradus.core.ledger.RunRow;
import io.gradus.core.ledger.RunState;
import io.gradus.core.run.RunPlan;
import io.gradus.core.run.RunView;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.Supplier;

/// Groups under way whose samples would be too old for every batch after the next one are waited
/// for, so that batches do not prefer short completions, but not for ever (G4).
final class StragglerLaws {

  private final SimulatedRun world;
  private final RunPlan plan;
  private final ModelLedger rows;

  /// The batch of the newest version when a lease was granted. Those of older incarnations are not
  /// known to this one.
  private final TreeMap<LeaseId, Long> versionAt = new TreeMap<>();

  /// Since when a batch is held up.
  private record Waiting(BatchNumber batch, long sinceNanos) {}

  private Optional<Waiting> waiting = Optional.empty();

  StragglerLaws(SimulatedRun world, ModelLedger rows) {
    this.world = world;
    this.plan = world.plan();
    this.rows = rows;
  }

  /// A lease was granted.
  void granted(GroupRow row) {
    versionAt.put(row.lease(), rows.publishedBatch());
  }

  /// A leased group is called stale before anything was submitted.
  void givenUp(GroupRow row) {
    Violation.unless(
        isStraggler(row.lease(), rows.nextNumber()),
        "G4: %s, leased after batch %s, is called stale before %s; %d are allowed",
        row,
        Optional.ofNullable(versionAt.get(row.lease())),
        rows.nextNumber(),
        plan.rollout().maxStaleness());
  }

  private boolean isStraggler(LeaseId lease, BatchNumber next) {
    return plan.unit() == RunPlan.Unit.GROUP
        && Optional.ofNullable(versionAt.get(lease))
            .filter(batch -> next.value() - batch > plan.rollout().maxStaleness())
            .isPresent();
  }

  private List<GroupRow> stragglers(BatchNumber next) {
    return rows.openGroups().stream()
        .map(id -> rows.group(id).orElseThrow())
        .filter(group -> group.state() == GroupState.LEASED && group.purpose().isTraining())
        .filter(group -> isStraggler(group.lease(), next))
        .toList();
  }

  /// A batch is bound.
  void bound(BatchRow row) {
    List<GroupRow> left = stragglers(row.number());
    Violation.unless(
        row.gold().isPresent() || left.isEmpty(),
        "G4: %s is bound without waiting for %s",
        row,
        left);
  }

  /// After a decision.
  ///
  /// @param pausedNanos by how much pauses have moved deadlines, at most
  void decided(Supplier<RunView> view, LearnerLaws learner, long pausedNanos) {
    BatchNumber next = rows.nextNumber();
    boolean isWaiting =
        learner.wants(next.value())
            && rows.run().map(RunRow::state).filter(RunState.RUNNING::equals).isPresent()
            && next.value() > plan.warmUp().map(RunPlan.WarmUp::batches).orElse(0)
            && plan.stop().batches().map(last -> next.value() <= last).orElse(true)
            && !stragglers(next).isEmpty()
            && view.get().strata().stream().mapToInt(RunView.Stratum::inReplay).sum()
                >= plan.batch().units();
    if (!isWaiting) {
      waiting = Optional.empty();
      return;
    }
    long now = world.time().nanos();
    long since =
        waiting.filter(held -> held.batch().equals(next)).map(Waiting::sinceNanos).orElse(now);
    waiting = Optional.of(new Waiting(next, since));
    Violation.unless(
        now - since - pausedNanos < plan.rollout().leaseTtl().toNanos(),
        "G4: %s is held up for %s by %s",
        next,
        Duration.ofNanos(now - since),
        stragglers(next));
  }
}
