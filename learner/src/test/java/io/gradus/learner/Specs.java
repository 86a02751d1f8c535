package io.gradus.learner;

import io.gradus.run.v1.Addition;
import io.gradus.run.v1.ArithmeticFormat;
import io.gradus.run.v1.Grpo;
import io.gradus.run.v1.LearningRateSchedule;
import io.gradus.run.v1.Model;
import io.gradus.run.v1.Objective;
import io.gradus.run.v1.Optimizer;
import io.gradus.run.v1.PositionIds;
import io.gradus.run.v1.RunSpec;
import io.gradus.run.v1.ScratchModel;
import io.gradus.run.v1.StarWeights;
import io.gradus.run.v1.TaskSource;
import io.gradus.run.v1.WarmUp;

/// Effective specs.
public final class Specs {

  /// Batches of gold text.
  public static final int WARM_UP = 4;

  /// A policy gradient with the usual clips.
  public static final Objective GRPO =
      Objective.newBuilder()
          .setGrpo(
              Grpo.newBuilder()
                  .setClipLow(0.2)
                  .setClipHigh(0.28)
                  .setScaleByStd(false)
                  .setEntropyCoefficient(0))
          .build();

  private Specs() {}

  /// An effective spec of a model that takes a millisecond a step.
  public static RunSpec.Builder tiny() {
    return RunSpec.newBuilder()
        .setSeed(7)
        .setModel(
            Model.newBuilder()
                .setScratch(
                    ScratchModel.newBuilder()
                        .setHiddenSize(16)
                        .setLayers(1)
                        .setHeads(2)
                        .setKeyValueHeads(2)
                        .setHeadDim(8)
                        .setFeedForwardSize(32)
                        .setRopeTheta(10_000)
                        .setRmsNormEpsilon(1e-5)
                        .setTiedEmbedding(true)
                        .setPositionIds(PositionIds.POSITION_IDS_DIGIT_COUPLED)
                        .setCharacters("0123456789+=#!*")
                        .setEmbeddingStd(0.1)
                        .setMaxPositions(64)))
        .setWarmUp(
            WarmUp.newBuilder()
                .setBatches(WARM_UP)
                .setSequences(8)
                .setLastStratum(2)
                .setRampSteps(2)
                .setLearningRate(0.003))
        .addTasks(
            TaskSource.newBuilder()
                .setAddition(
                    Addition.newBuilder()
                        .setFirstDigits(1)
                        .setLastDigits(4)
                        .setFormat(ArithmeticFormat.ARITHMETIC_FORMAT_DIRECT)))
        .setObjective(
            Objective.newBuilder()
                .setStar(
                    io.gradus.run.v1.Star.newBuilder()
                        .setWeights(StarWeights.STAR_WEIGHTS_BALANCED)))
        .setOptimizer(
            Optimizer.newBuilder()
                .setLearningRate(0.003)
                .setBeta1(0.9)
                .setBeta2(0.999)
                .setEpsilon(1e-8)
                .setWeightDecay(0.01)
                .setGradientClip(1)
                .setSchedule(LearningRateSchedule.LEARNING_RATE_SCHEDULE_CYCLE)
                .setCycleBatches(4)
                .setFinalShare(0.1));
  }
}
