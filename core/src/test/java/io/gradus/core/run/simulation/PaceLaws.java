package io.gradus.core.run.simulation;

import io.gradus.core.batch.BatchState;
import io.gradus.core.group.GroupState;
import io.gradus.core.ledger.BatchRow;
import io.gradus.core.ledger.GroupRow;
import io.gradus.core.ledger.RunRow;
import io.gradus.core.ledger.RunState;
import io.gradus.core.run.RunPlan;
import io.gradus.core.run.RunView;

/// G4: how many groups may be under way, and that it is never none while the learner waits.
final class PaceLaws {

  private final RunPlan plan;
  private final ModelLedger rows;

  PaceLaws(RunPlan plan, ModelLedger rows) {
    this.plan = plan;
    this.rows = rows;
  }

  /// Leases were granted.
  ///
  /// @param created whether a training group was created
  /// @param view what replay holds, where newer units may have displaced older ones
  void granted(boolean created, RunView view) {
    long leased = count(GroupState.LEASED);
    Violation.unless(
        leased <= plan.rollout().concurrency(),
        "G4: %d groups are leased, at most %d may be",
        leased,
        plan.rollout().concurrency());
    if (created && hasBarrier()) {
      roundIsOver();
    }
    if (created && plan.rounds().isEmpty()) {
      switch (plan.unit()) {
        case GROUP -> groupsFit();
        case TRAJECTORY -> trajectoriesFit(view);
      }
    }
  }

  /// A batch is about to be bound.
  void binds(BatchRow row) {
    if (row.gold().isPresent()) {
      return;
    }
    Violation.unless(
        !plan.rollout().lockstep() || count(GroupState.LEASED) + count(GroupState.PENDING) == 0,
        "G4: %s is bound in lockstep while groups are under way",
        row);
    Violation.unless(
        !hasBarrier() || running() == 0,
        "G4: %s is bound while groups of its round are under way",
        row);
  }

  /// Batches were bound, numbers that had none before.
  void bound() {
    Violation.unless(
        plan.unit() == RunPlan.Unit.GROUP
            || plan.rounds().isPresent()
            || rows.acceptedUnits() * plan.replay().drawsPerSample() >= drawn() - 1e-9,
        "G4: %s draws are bound, and %d units pay for %s each",
        drawn(),
        rows.acceptedUnits(),
        plan.replay().drawsPerSample());
  }

  /// A lease is about to be granted.
  ///
  /// @param before leases granted before it in the same decision
  void grants(GroupRow row, int before) {
    Violation.unless(
        !plan.rollout().lockstep() || count(GroupState.LEASED) == before,
        "G4: %s is granted in lockstep while other groups are under way",
        row);
  }

  private boolean hasBarrier() {
    return plan.rounds().map(RunPlan.Rounds::barrier).orElse(false);
  }

  /// What was learned from the round before is published.
  private void roundIsOver() {
    int round = rows.run().map(RunRow::round).orElse(0);
    rows.batches()
        .values()
        .forEach(row ->
            Violation.unless(
                row.round() == 0
                    || row.round() >= round
                    || row.number().value() <= rows.publishedBatch(),
                "G4: round %d is sampled before %s is published",
                round,
                row));
  }

  private long count(GroupState state) {
    return rows.openGroups().stream()
        .map(id -> rows.group(id).orElseThrow())
        .filter(group -> group.state() == state)
        .count();
  }

  private long running() {
    return rows.openGroups().stream()
        .map(id -> rows.group(id).orElseThrow())
        .filter(group -> group.purpose().isTraining() && group.state() != GroupState.ACCEPTED)
        .count();
  }

  private long waiting() {
    return rows.openGroups().stream()
        .map(id -> rows.group(id).orElseThrow())
        .filter(group -> group.state() == GroupState.ACCEPTED && rows.isUnused(group.id()))
        .count();
  }

  /// Samples of the newest version may be in batches up to b_v + 1 + η.
  private void groupsFit() {
    long ahead =
        rows.publishedBatch() + plan.rollout().maxStaleness() + 1 - (rows.nextNumber().value() - 1);
    Violation.unless(
        waiting() + running() <= plan.batch().units() * ahead,
        "G4: %d groups wait and %d run, for %d batches of %d",
        waiting(),
        running(),
        ahead,
        plan.batch().units());
  }

  /// Rollouts are ahead of the batches bound by at most η + 1 batches' worth of units, unless
  /// replay cannot fill a batch.
  private void trajectoriesFit(RunView view) {
    int inReplay = view.strata().stream().mapToInt(RunView.Stratum::inReplay).sum();
    double ahead =
        rows.acceptedUnits()
            + (double) (running() - 1) * plan.rollout().groupSize()
            - drawn() / plan.replay().drawsPerSample();
    double most =
        plan.batch().units() / plan.replay().drawsPerSample() * (plan.rollout().maxStaleness() + 1);
    Violation.unless(
        ahead < most + 1e-6 || inReplay < plan.batch().units(),
        "G4: rollouts are %s units ahead, at most %s",
        ahead,
        most);
  }

  private double drawn() {
    long warmUp = plan.warmUp().map(RunPlan.WarmUp::batches).orElse(0);
    return (double) Math.max(0, rows.lastNumber() - warmUp) * plan.batch().units();
  }

  /// While the learner waits, all that was bound is applied and published, and nothing is under
  /// way, something may be granted.
  void moves(RunView view, LearnerLaws learner) {
    long next = rows.nextNumber().value();
    boolean isDue =
        rows.run().map(RunRow::state).orElse(RunState.RUNNING) == RunState.RUNNING
            && !rows.versions().isEmpty()
            && learner.wants(next)
            && plan.stop().batches().map(last -> next <= last).orElse(true)
            && next > plan.warmUp().map(RunPlan.WarmUp::batches).orElse(0)
            && rows.openGroups().stream()
                .map(id -> rows.group(id).orElseThrow())
                .allMatch(group -> group.state() == GroupState.ACCEPTED)
            && rows.evaluations().values().stream()
                .allMatch(row -> row.finished() || row.abandoned())
            && isPublished();
    Violation.unless(
        !isDue || view.capacity() > 0,
        "G4: the learner waits for batch %d, nothing is under way, and nothing may be granted: %s",
        next,
        view);
  }

  private boolean isPublished() {
    for (BatchRow row : rows.batches().values()) {
      if (row.state() == BatchState.BOUND
          || (row.state() == BatchState.APPLIED
              && row.publish()
              && row.number().value() > rows.publishedBatch())) {
        return false;
      }
    }
    return true;
  }
}
