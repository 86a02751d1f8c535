package io.gradus.coordinator.spec;

import com.google.protobuf.Duration;
import io.gradus.run.v1.Addition;
import io.gradus.run.v1.ArithmeticFormat;
import io.gradus.run.v1.Arms;
import io.gradus.run.v1.Batch;
import io.gradus.run.v1.Correction;
import io.gradus.run.v1.Curriculum;
import io.gradus.run.v1.Durability;
import io.gradus.run.v1.Evaluation;
import io.gradus.run.v1.Grpo;
import io.gradus.run.v1.LearningRateSchedule;
import io.gradus.run.v1.Multiplication;
import io.gradus.run.v1.Objective;
import io.gradus.run.v1.Optimizer;
import io.gradus.run.v1.PositionIds;
import io.gradus.run.v1.Publication;
import io.gradus.run.v1.Replay;
import io.gradus.run.v1.Resources;
import io.gradus.run.v1.Rewards;
import io.gradus.run.v1.Rollout;
import io.gradus.run.v1.RoundStart;
import io.gradus.run.v1.Rounds;
import io.gradus.run.v1.RunSpec;
import io.gradus.run.v1.Schedule;
import io.gradus.run.v1.ScratchModel;
import io.gradus.run.v1.Star;
import io.gradus.run.v1.StarWeights;
import io.gradus.run.v1.TaskSource;
import io.gradus.run.v1.Truncated;
import io.gradus.run.v1.WarmUp;

/// Fills every default into a spec.
///
/// What is left absent means that the feature is off: `warm_up`, `rounds`, `evaluation`, bounds of
/// `stop`. `rollout.max_tokens` is left absent too: its default differs from task to task.
public final class SpecDefaults {

  private static final String CHARACTERS = "0123456789+=#!*";

  private SpecDefaults() {}

  /// The effective spec of `spec`. Filling it again changes nothing.
  ///
  /// @param processors of the machine that an embedded run uses
  public static RunSpec fill(RunSpec spec, int processors) {
    boolean isLikelihood = spec.getObjective().hasStar();
    RunSpec.Builder filled = spec.toBuilder();
    if (spec.getModel().hasScratch()) {
      filled.getModelBuilder().setScratch(scratch(spec.getModel().getScratch()));
    }
    filled.setOptimizer(optimizer(spec));
    if (spec.hasWarmUp()) {
      filled.setWarmUp(warmUp(spec.getWarmUp(), filled.getOptimizer()));
    }
    for (int index = 0; index < spec.getTasksCount(); index++) {
      filled.setTasks(index, task(spec.getTasks(index)));
    }
    filled.setCurriculum(curriculum(spec.getCurriculum()));
    filled.setRollout(rollout(spec.getRollout(), isLikelihood));
    filled.setRewards(rewards(spec.getRewards()));
    filled.setObjective(objective(spec.getObjective()));
    filled.setBatch(batch(spec.getBatch()));
    if (spec.hasRounds()) {
      filled.setRounds(rounds(spec.getRounds()));
    }
    filled.setReplay(replay(spec.getReplay(), isLikelihood));
    filled.setPublication(
        publication(spec.getPublication(), isLikelihood, filled.getRollout().getMaxStaleness()));
    filled.setResources(resources(spec.getResources(), processors));
    if (spec.hasEvaluation()) {
      filled.setEvaluation(evaluation(spec.getEvaluation(), filled));
    }
    if (!spec.hasSeed()) {
      filled.setSeed(1);
    }
    if (spec.getDurability() == Durability.DURABILITY_UNSPECIFIED) {
      filled.setDurability(Durability.DURABILITY_HOST);
    }
    return filled.build();
  }

  private static ScratchModel scratch(ScratchModel model) {
    ScratchModel.Builder filled = model.toBuilder();
    if (!model.hasHiddenSize()) {
      filled.setHiddenSize(64);
    }
    if (!model.hasLayers()) {
      filled.setLayers(2);
    }
    if (!model.hasHeads()) {
      filled.setHeads(4);
    }
    if (!model.hasKeyValueHeads()) {
      filled.setKeyValueHeads(filled.getHeads());
    }
    if (!model.hasHeadDim()) {
      filled.setHeadDim(Math.max(1, filled.getHiddenSize() / Math.max(1, filled.getHeads())));
    }
    if (!model.hasFeedForwardSize()) {
      filled.setFeedForwardSize((int) Math.round(2.75 * filled.getHiddenSize()));
    }
    if (!model.hasRopeTheta()) {
      filled.setRopeTheta(10_000);
    }
    if (!model.hasRmsNormEpsilon()) {
      filled.setRmsNormEpsilon(1e-5);
    }
    if (!model.hasTiedEmbedding()) {
      filled.setTiedEmbedding(true);
    }
    if (model.getPositionIds() == PositionIds.POSITION_IDS_UNSPECIFIED) {
      filled.setPositionIds(PositionIds.POSITION_IDS_SEQUENTIAL);
    }
    if (!model.hasCharacters()) {
      filled.setCharacters(CHARACTERS);
    }
    if (!model.hasEmbeddingStd()) {
      filled.setEmbeddingStd(0.1);
    }
    if (!model.hasMaxPositions()) {
      filled.setMaxPositions(256);
    }
    return filled.build();
  }

  private static WarmUp warmUp(WarmUp warmUp, Optimizer optimizer) {
    WarmUp.Builder filled = warmUp.toBuilder();
    if (!warmUp.hasBatches()) {
      filled.setBatches(500);
    }
    if (!warmUp.hasSequences()) {
      filled.setSequences(128);
    }
    if (!warmUp.hasLastStratum()) {
      filled.setLastStratum(3);
    }
    if (!warmUp.hasRampSteps()) {
      filled.setRampSteps(50);
    }
    if (!warmUp.hasLearningRate()) {
      filled.setLearningRate(optimizer.getLearningRate());
    }
    return filled.build();
  }

  private static TaskSource task(TaskSource source) {
    TaskSource.Builder filled = source.toBuilder();
    switch (source.getFamilyCase()) {
      case ADDITION -> {
        Addition.Builder addition = source.getAddition().toBuilder();
        if (!addition.hasFirstDigits()) {
          addition.setFirstDigits(1);
        }
        if (!addition.hasLastDigits()) {
          addition.setLastDigits(12);
        }
        if (addition.getFormat() == ArithmeticFormat.ARITHMETIC_FORMAT_UNSPECIFIED) {
          addition.setFormat(ArithmeticFormat.ARITHMETIC_FORMAT_DIRECT);
        }
        filled.setAddition(addition);
      }
      case MULTIPLICATION -> {
        Multiplication.Builder multiplication = source.getMultiplication().toBuilder();
        if (!multiplication.hasFirstDigits()) {
          multiplication.setFirstDigits(1);
        }
        if (!multiplication.hasLastDigits()) {
          multiplication.setLastDigits(6);
        }
        if (!multiplication.hasSecondDigits()) {
          multiplication.setSecondDigits(1);
        }
        if (multiplication.getFormat() == ArithmeticFormat.ARITHMETIC_FORMAT_UNSPECIFIED) {
          multiplication.setFormat(ArithmeticFormat.ARITHMETIC_FORMAT_CARRY);
        }
        filled.setMultiplication(multiplication);
      }
      case FAMILY_NOT_SET -> {}
    }
    if (!source.hasHintedShare()) {
      filled.setHintedShare(0);
    }
    return filled.build();
  }

  private static Curriculum curriculum(Curriculum curriculum) {
    Curriculum.Builder filled = curriculum.toBuilder();
    if (!curriculum.hasEpsilon()) {
      filled.setEpsilon(0.03);
    }
    if (!curriculum.hasDecay()) {
      filled.setDecay(0.9);
    }
    if (!curriculum.hasMastered()) {
      filled.setMastered(0.9);
    }
    if (!curriculum.hasMasteredFloor()) {
      filled.setMasteredFloor(0.15);
    }
    if (!curriculum.hasWindow()) {
      filled.setWindow(5);
    }
    if (curriculum.getArms() == Arms.ARMS_UNSPECIFIED) {
      filled.setArms(Arms.ARMS_PASS_RATE);
    }
    return filled.build();
  }

  private static Rollout rollout(Rollout rollout, boolean isLikelihood) {
    Rollout.Builder filled = rollout.toBuilder();
    if (!rollout.hasGroupSize()) {
      filled.setGroupSize(isLikelihood ? 1 : 8);
    }
    if (!rollout.hasTemperature()) {
      filled.setTemperature(1);
    }
    if (!rollout.hasConcurrency()) {
      filled.setConcurrency(512);
    }
    if (rollout.getSchedule() == Schedule.SCHEDULE_UNSPECIFIED) {
      filled.setSchedule(Schedule.SCHEDULE_FREE);
    }
    if (!rollout.hasMaxStaleness()) {
      filled.setMaxStaleness(4);
    }
    if (!rollout.hasLeaseTtl()) {
      filled.setLeaseTtl(Duration.newBuilder().setSeconds(15));
    }
    if (!rollout.hasProgressTimeout()) {
      filled.setProgressTimeout(Duration.newBuilder().setSeconds(60));
    }
    if (!rollout.hasMaxAttempts()) {
      filled.setMaxAttempts(4);
    }
    if (!rollout.hasTopK()) {
      filled.setTopK(0);
    }
    if (!rollout.hasTopP()) {
      filled.setTopP(1);
    }
    return filled.build();
  }

  private static Rewards rewards(Rewards rewards) {
    Rewards.Builder filled = rewards.toBuilder();
    if (!rewards.hasRight()) {
      filled.setRight(1);
    }
    if (!rewards.hasWrong()) {
      filled.setWrong(0);
    }
    if (!rewards.hasUndecided()) {
      filled.setUndecided(0);
    }
    if (rewards.getTruncated() == Truncated.TRUNCATED_UNSPECIFIED) {
      filled.setTruncated(Truncated.TRUNCATED_VERIFY);
    }
    return filled.build();
  }

  private static Objective objective(Objective objective) {
    Objective.Builder filled = objective.toBuilder();
    switch (objective.getKindCase()) {
      case STAR -> {
        if (objective.getStar().getWeights() == StarWeights.STAR_WEIGHTS_UNSPECIFIED) {
          filled.setStar(Star.newBuilder().setWeights(StarWeights.STAR_WEIGHTS_BALANCED));
        }
      }
      case GRPO -> {
        Grpo grpo = objective.getGrpo();
        Grpo.Builder builder = grpo.toBuilder();
        if (!grpo.hasClipLow()) {
          builder.setClipLow(0.2);
        }
        if (!grpo.hasClipHigh()) {
          builder.setClipHigh(0.28);
        }
        if (!grpo.hasScaleByStd()) {
          builder.setScaleByStd(false);
        }
        if (!grpo.hasEntropyCoefficient()) {
          builder.setEntropyCoefficient(0);
        }
        if (grpo.getCorrection() == Correction.CORRECTION_UNSPECIFIED) {
          builder.setCorrection(Correction.CORRECTION_BEHAVIOR_RATIO);
        }
        filled.setGrpo(builder);
      }
      case KIND_NOT_SET -> {}
    }
    return filled.build();
  }

  private static Batch batch(Batch batch) {
    Batch.Builder filled = batch.toBuilder();
    if (!batch.hasGroups()) {
      filled.setGroups(128);
    }
    if (!batch.hasMinibatches()) {
      filled.setMinibatches(1);
    }
    if (!batch.hasEpochs()) {
      filled.setEpochs(1);
    }
    return filled.build();
  }

  private static Optimizer optimizer(RunSpec spec) {
    Optimizer optimizer = spec.getOptimizer();
    Optimizer.Builder filled = optimizer.toBuilder();
    if (!optimizer.hasLearningRate()) {
      filled.setLearningRate(spec.getModel().hasDirectory() ? 1e-6 : 0.003);
    }
    if (!optimizer.hasBeta1()) {
      filled.setBeta1(0.9);
    }
    if (!optimizer.hasBeta2()) {
      filled.setBeta2(0.999);
    }
    if (!optimizer.hasEpsilon()) {
      filled.setEpsilon(1e-8);
    }
    if (!optimizer.hasWeightDecay()) {
      filled.setWeightDecay(0.01);
    }
    if (!optimizer.hasGradientClip()) {
      filled.setGradientClip(1);
    }
    if (optimizer.getSchedule() == LearningRateSchedule.LEARNING_RATE_SCHEDULE_UNSPECIFIED) {
      filled.setSchedule(LearningRateSchedule.LEARNING_RATE_SCHEDULE_CONSTANT);
    }
    if (!optimizer.hasCycleBatches()) {
      filled.setCycleBatches(60);
    }
    if (!optimizer.hasFinalShare()) {
      filled.setFinalShare(0.1);
    }
    return filled.build();
  }

  private static Rounds rounds(Rounds rounds) {
    Rounds.Builder filled = rounds.toBuilder();
    if (!rounds.hasSamplesPerStratum()) {
      filled.setSamplesPerStratum(256);
    }
    if (!rounds.hasFirstBatches()) {
      filled.setFirstBatches(60);
    }
    if (!rounds.hasGrowth()) {
      filled.setGrowth(1);
    }
    if (!rounds.hasBarrier()) {
      filled.setBarrier(true);
    }
    if (rounds.getStart() == RoundStart.ROUND_START_UNSPECIFIED) {
      filled.setStart(RoundStart.ROUND_START_CONTINUE);
    }
    return filled.build();
  }

  private static Replay replay(Replay replay, boolean isLikelihood) {
    Replay.Builder filled = replay.toBuilder();
    if (!replay.hasWindow()) {
      filled.setWindow(1024);
    }
    if (!replay.hasMaxUses()) {
      filled.setMaxUses(isLikelihood ? 16 : 1);
    }
    if (!replay.hasDrawsPerSample() && isLikelihood) {
      filled.setDrawsPerSample(5);
    }
    return filled.build();
  }

  /// Policy gradients publish at least as often as their staleness allows: a larger default would
  /// contradict the default of `max_staleness`.
  private static Publication publication(
      Publication publication, boolean isLikelihood, int maxStaleness) {
    Publication.Builder filled = publication.toBuilder();
    if (!publication.hasEvery()) {
      filled.setEvery(isLikelihood ? 10 : Math.min(10, maxStaleness + 1));
    }
    if (!publication.hasDurableEvery()) {
      filled.setDurableEvery(10 * filled.getEvery());
    }
    return filled.build();
  }

  private static Resources resources(Resources resources, int processors) {
    Resources.Builder filled = resources.toBuilder();
    if (!resources.hasLearnerReplicas()) {
      filled.setLearnerReplicas(processors >= 2 ? 2 : 1);
    }
    if (!resources.hasWorkers()) {
      filled.setWorkers(1);
    }
    if (!resources.hasWorkerSlots()) {
      filled.setWorkerSlots(256);
    }
    if (resources.getPool().isEmpty()) {
      filled.setPool("default");
    }
    if (!resources.hasShare()) {
      filled.setShare(1);
    }
    return filled.build();
  }

  private static Evaluation evaluation(Evaluation evaluation, RunSpec.Builder spec) {
    Evaluation.Builder filled = evaluation.toBuilder();
    if (!evaluation.hasLastStratum()) {
      int hardest = spec.getTasksList().stream().mapToInt(Strata::last).max().orElse(1);
      filled.setLastStratum(hardest + 2);
    }
    if (!evaluation.hasProblems()) {
      filled.setProblems(100);
    }
    if (!evaluation.hasEvery()) {
      filled.setEvery(60);
    }
    if (!evaluation.hasConfirm()) {
      filled.setConfirm(400);
    }
    if (!evaluation.hasThreshold()) {
      filled.setThreshold(0.9);
    }
    if (!evaluation.hasStopBelow()) {
      filled.setStopBelow(0);
    }
    return filled.build();
  }
}
