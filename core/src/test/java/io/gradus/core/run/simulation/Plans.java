package io.gradus.core.run.simulation;

import io.gradus.core.run.RunPlan;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// Draws plans over all that a spec allows, small enough for a simulation.
final class Plans {

  private Plans() {}

  static RunPlan draw(VirtualTime time, long seed) {
    return time.chance(0.45) ? policyGradient(time, seed) : likelihood(time, seed);
  }

  /// A plan in lockstep whose leases live long. Its window displaces no trajectory: recovery knows
  /// of groups that have left replay, not of single trajectories.
  static RunPlan lockstep(VirtualTime time, long seed, Duration leaseTtl) {
    RunPlan plan = draw(time, seed);
    RunPlan.Rollout rollout = plan.rollout();
    return new RunPlan(
        plan.sources(),
        plan.warmUp(),
        plan.curriculum(),
        new RunPlan.Rollout(
            rollout.groupSize(),
            rollout.concurrency(),
            true,
            rollout.maxStaleness(),
            leaseTtl,
            leaseTtl,
            rollout.maxAttempts()),
        plan.unit(),
        plan.draw(),
        plan.batch(),
        plan.rounds(),
        new RunPlan.Replay(10_000, plan.replay().maxUses(), plan.replay().drawsPerSample()),
        plan.publication(),
        plan.evaluation(),
        new RunPlan.Stop(
            Optional.of(plan.stop().batches().orElse(10L)),
            Optional.empty(),
            plan.stop().digitsHandled()),
        seed);
  }

  private static RunPlan policyGradient(VirtualTime time, long seed) {
    int staleness = time.between(0, 8);
    int every = time.between(1, Math.min(3, staleness + 1));
    return plan(
        time,
        seed,
        RunPlan.Unit.GROUP,
        RunPlan.Draw.OLDEST_FIRST,
        time.between(2, 4),
        staleness,
        new RunPlan.Replay(time.between(8, 64), 1, 1),
        every,
        false);
  }

  private static RunPlan likelihood(VirtualTime time, long seed) {
    int maxUses = time.oneOf(List.of(1, 2, 3, 4, 16));
    double draws = Math.min(maxUses, time.oneOf(List.of(0.5, 1.0, 2.0, 3.0, 5.0)));
    return plan(
        time,
        seed,
        RunPlan.Unit.TRAJECTORY,
        time.chance(0.5) ? RunPlan.Draw.UNIFORM : RunPlan.Draw.STRATUM_EQUAL,
        time.between(1, 4),
        time.oneOf(List.of(0, 1, 4, 8, 16, 64)),
        new RunPlan.Replay(time.between(5, time.oneOf(List.of(8, 48))), maxUses, draws),
        time.between(1, 4),
        time.chance(0.4));
  }

  private static RunPlan plan(
      VirtualTime time,
      long seed,
      RunPlan.Unit unit,
      RunPlan.Draw draw,
      int groupSize,
      int staleness,
      RunPlan.Replay replay,
      int every,
      boolean isHinted) {
    var sources = new ArrayList<RunPlan.Source>();
    int count = time.oneOf(List.of(1, 1, 2, 3));
    for (int source = 0; source < count; source++) {
      int first = time.between(1, 2);
      sources.add(
          new RunPlan.Source(
              "addition/carry",
              1,
              first,
              first + time.between(0, 3),
              isHinted && source % 2 == 0 ? 0.4 : 0));
    }
    boolean isLockstep = time.chance(0.2);
    Optional<RunPlan.WarmUp> warmUp =
        time.chance(0.4)
            ? Optional.of(
                new RunPlan.WarmUp(time.between(1, 4), time.between(1, 4), time.between(2, 3)))
            : Optional.empty();
    Optional<RunPlan.Rounds> rounds =
        unit == RunPlan.Unit.TRAJECTORY && time.chance(0.4)
            ? Optional.of(
                new RunPlan.Rounds(
                    groupSize * time.between(1, 4),
                    time.between(1, 4),
                    time.oneOf(List.of(1.0, 1.2, 1.5)),
                    time.chance(0.6),
                    time.chance(0.4)))
            : Optional.empty();
    Optional<RunPlan.Evaluation> evaluation =
        time.chance(0.45)
            ? Optional.of(
                new RunPlan.Evaluation(
                    time.between(2, 4),
                    time.between(1, 4),
                    time.between(1, 4),
                    time.oneOf(List.of(0, 1, 3)),
                    time.oneOf(List.of(0.3, 0.5, 0.9)),
                    time.oneOf(List.of(0.0, 0.0, 0.3))))
            : Optional.empty();
    int last = warmUp.map(RunPlan.WarmUp::batches).orElse(0) + time.between(3, 14);
    boolean hasWallTime = !isLockstep && time.chance(0.15);
    boolean hasBatches = !hasWallTime || time.chance(0.5);
    Optional<Integer> target =
        evaluation.isPresent() && time.chance(0.5)
            ? Optional.of(time.between(1, evaluation.get().lastStratum()))
            : Optional.empty();
    int units = time.between(1, 5);
    return new RunPlan(
        sources,
        warmUp,
        new RunPlan.Curriculum(
            time.chance(0.2),
            time.oneOf(List.of(0.03, 0.2)),
            time.oneOf(List.of(0.8, 0.95, 1.0)),
            time.oneOf(List.of(0.6, 0.9)),
            time.oneOf(List.of(0.0, 0.15, 0.5)),
            time.between(1, 4)),
        new RunPlan.Rollout(
            groupSize,
            time.oneOf(List.of(1, 2, 4, 8, 16, 64)),
            isLockstep,
            staleness,
            time.millis(1500, 6000),
            time.millis(2000, 9000),
            time.oneOf(List.of(1, 2, 3, 4, 1, 2, 3, 50))),
        unit,
        draw,
        new RunPlan.BatchShape(units, time.between(1, Math.min(2, units)), time.between(1, 2)),
        rounds,
        replay,
        new RunPlan.Publication(every, every * time.between(1, 3)),
        evaluation,
        new RunPlan.Stop(
            hasBatches ? Optional.of((long) last) : Optional.empty(),
            hasWallTime ? Optional.of(Duration.ofSeconds(time.between(4, 40))) : Optional.empty(),
            target),
        seed);
  }
}
