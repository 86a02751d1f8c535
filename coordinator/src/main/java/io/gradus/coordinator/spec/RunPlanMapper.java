package io.gradus.coordinator.spec;

import com.google.protobuf.InvalidProtocolBufferException;
import io.gradus.coordinator.pool.PoolShare;
import io.gradus.core.run.RunPlan;
import io.gradus.core.task.TaskFamily;
import io.gradus.core.task.WithHints;
import io.gradus.run.v1.Arms;
import io.gradus.run.v1.Resources;
import io.gradus.run.v1.RoundStart;
import io.gradus.run.v1.RunSpec;
import io.gradus.run.v1.Schedule;
import io.gradus.run.v1.StarWeights;
import io.gradus.run.v1.TaskSource;
import java.time.Duration;
import java.util.Optional;

/// What the decider must know of an effective spec.
public final class RunPlanMapper {

  private RunPlanMapper() {}

  /// The plan of a serialized effective spec.
  public static RunPlan planOf(byte[] spec) {
    return planOf(parsed(spec));
  }

  /// The share of a pool that a serialized effective spec asks for.
  public static PoolShare shareOf(byte[] spec) {
    return shareOf(parsed(spec));
  }

  /// The share of a pool that a spec asks for; one of an older release asks for nothing special.
  public static PoolShare shareOf(RunSpec spec) {
    Resources resources = spec.getResources();
    return new PoolShare(
        poolOf(resources.getPool()), resources.hasShare() ? resources.getShare() : 1);
  }

  /// The pool that a name means.
  public static String poolOf(String name) {
    return name.isEmpty() ? PoolShare.DEFAULT_POOL : name;
  }

  private static RunSpec parsed(byte[] spec) {
    try {
      return RunSpec.parseFrom(spec);
    } catch (InvalidProtocolBufferException damaged) {
      throw new IllegalArgumentException("the ledger's spec of the run is no RunSpec", damaged);
    }
  }

  /// The plan of a spec whose defaults are filled in and which [SpecChecks] passes.
  public static RunPlan planOf(RunSpec spec) {
    boolean isLikelihood = spec.getObjective().hasStar();
    var curriculum = spec.getCurriculum();
    var rollout = spec.getRollout();
    return new RunPlan(
        spec.getTasksList().stream().map(RunPlanMapper::source).toList(),
        spec.hasWarmUp()
            ? Optional.of(
                new RunPlan.WarmUp(
                    spec.getWarmUp().getBatches(),
                    spec.getWarmUp().getSequences(),
                    spec.getWarmUp().getLastStratum()))
            : Optional.empty(),
        new RunPlan.Curriculum(
            curriculum.getArms() == Arms.ARMS_UNIFORM,
            curriculum.getEpsilon(),
            curriculum.getDecay(),
            curriculum.getMastered(),
            curriculum.getMasteredFloor(),
            curriculum.getWindow()),
        new RunPlan.Rollout(
            rollout.getGroupSize(),
            rollout.getConcurrency(),
            rollout.getSchedule() == Schedule.SCHEDULE_LOCKSTEP,
            rollout.getMaxStaleness(),
            duration(rollout.getLeaseTtl()),
            duration(rollout.getProgressTimeout()),
            rollout.getMaxAttempts()),
        isLikelihood ? RunPlan.Unit.TRAJECTORY : RunPlan.Unit.GROUP,
        draw(spec),
        new RunPlan.BatchShape(
            spec.getBatch().getGroups(),
            spec.getBatch().getMinibatches(),
            spec.getBatch().getEpochs()),
        spec.hasRounds()
            ? Optional.of(
                new RunPlan.Rounds(
                    spec.getRounds().getSamplesPerStratum(),
                    spec.getRounds().getFirstBatches(),
                    spec.getRounds().getGrowth(),
                    spec.getRounds().getBarrier(),
                    spec.getRounds().getStart() == RoundStart.ROUND_START_BASE))
            : Optional.empty(),
        new RunPlan.Replay(
            spec.getReplay().getWindow(),
            spec.getReplay().getMaxUses(),
            isLikelihood ? spec.getReplay().getDrawsPerSample() : 1),
        new RunPlan.Publication(
            spec.getPublication().getEvery(), spec.getPublication().getDurableEvery()),
        spec.hasEvaluation()
            ? Optional.of(
                new RunPlan.Evaluation(
                    spec.getEvaluation().getLastStratum(),
                    spec.getEvaluation().getProblems(),
                    spec.getEvaluation().getEvery(),
                    spec.getEvaluation().getConfirm(),
                    spec.getEvaluation().getThreshold(),
                    spec.getEvaluation().getStopBelow()))
            : Optional.empty(),
        new RunPlan.Stop(
            spec.getStop().hasBatches()
                ? Optional.of(spec.getStop().getBatches())
                : Optional.empty(),
            spec.getStop().hasWallTime()
                ? Optional.of(duration(spec.getStop().getWallTime()))
                : Optional.empty(),
            spec.getStop().hasDigitsHandled()
                ? Optional.of(spec.getStop().getDigitsHandled())
                : Optional.empty()),
        spec.getSeed());
  }

  private static RunPlan.Source source(TaskSource source) {
    TaskFamily plain = Strata.family(source);
    TaskFamily family = source.getHintedShare() > 0 ? new WithHints(plain) : plain;
    return new RunPlan.Source(
        family.generator(),
        family.version(),
        Strata.first(source),
        Strata.last(source),
        source.getHintedShare());
  }

  private static RunPlan.Draw draw(RunSpec spec) {
    if (!spec.getObjective().hasStar()) {
      return RunPlan.Draw.OLDEST_FIRST;
    }
    return spec.getObjective().getStar().getWeights() == StarWeights.STAR_WEIGHTS_BALANCED
        ? RunPlan.Draw.STRATUM_EQUAL
        : RunPlan.Draw.UNIFORM;
  }

  private static Duration duration(com.google.protobuf.Duration duration) {
    return Duration.ofSeconds(duration.getSeconds(), duration.getNanos());
  }
}
