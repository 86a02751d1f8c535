package io.gradus.learner.run;

import io.gradus.core.batch.GoldRange;
import io.gradus.core.task.Addition;
import io.gradus.core.task.ArithmeticFormat;
import io.gradus.core.task.Multiplication;
import io.gradus.core.task.TaskFamily;
import io.gradus.learner.objective.Grpo;
import io.gradus.learner.objective.Objective;
import io.gradus.learner.objective.Star;
import io.gradus.learner.schedule.LearningRates;
import io.gradus.policy.AttentionShape;
import io.gradus.policy.CharacterVocabulary;
import io.gradus.policy.Initialization;
import io.gradus.policy.ModelConfig;
import io.gradus.policy.PositionIds;
import io.gradus.policy.Rope;
import io.gradus.policy.training.OptimizerConfig;
import io.gradus.run.v1.Correction;
import io.gradus.run.v1.Optimizer;
import io.gradus.run.v1.RunSpec;
import io.gradus.run.v1.Schedule;
import io.gradus.run.v1.ScratchModel;
import io.gradus.run.v1.TaskSource;
import java.nio.file.Path;

/// Reads an effective spec. A field that the coordinator should have filled in and did not is an
/// error: a default of protobuf's own, such as a learning rate of 0, would silently train nothing.
public final class RunSpecMapper {

  private static final int CANARY_SEQUENCES = 48;

  /// Far beyond any index that warm-up reaches: the canary is text that nobody trains on.
  private static final long CANARY_FIRST_INDEX = 1L << 40;

  private RunSpecMapper() {}

  /// What the learner must know of a run.
  ///
  /// @throws IllegalArgumentException if the spec is not effective or not known to this build
  public static LearningPlan plan(RunSpec spec) {
    require(spec.hasSeed(), "seed");
    return new LearningPlan(
        firstWeights(spec),
        objective(spec.getObjective()),
        optimizer(spec.getOptimizer()),
        learningRates(spec),
        spec.getSeed(),
        spec.getRollout().getSchedule() == Schedule.SCHEDULE_LOCKSTEP,
        canary(spec));
  }

  private static FirstWeights firstWeights(RunSpec spec) {
    return switch (spec.getModel().getSourceCase()) {
      case SCRATCH -> scratch(spec.getModel().getScratch());
      case DIRECTORY -> new FirstWeights.Directory(Path.of(spec.getModel().getDirectory()));
      case SOURCE_NOT_SET -> throw new IllegalArgumentException("model has no source");
    };
  }

  private static FirstWeights scratch(ScratchModel model) {
    require(model.hasHiddenSize(), "model.scratch.hidden_size");
    require(model.hasLayers(), "model.scratch.layers");
    require(model.hasHeads(), "model.scratch.heads");
    require(model.hasKeyValueHeads(), "model.scratch.key_value_heads");
    require(model.hasHeadDim(), "model.scratch.head_dim");
    require(model.hasFeedForwardSize(), "model.scratch.feed_forward_size");
    require(model.hasRopeTheta(), "model.scratch.rope_theta");
    require(model.hasRmsNormEpsilon(), "model.scratch.rms_norm_epsilon");
    require(model.hasTiedEmbedding(), "model.scratch.tied_embedding");
    require(model.hasCharacters(), "model.scratch.characters");
    require(model.hasEmbeddingStd(), "model.scratch.embedding_std");
    require(model.hasMaxPositions(), "model.scratch.max_positions");
    CharacterVocabulary vocabulary = CharacterVocabulary.of(model.getCharacters());
    PositionIds positionIds =
        switch (model.getPositionIds()) {
          case POSITION_IDS_UNSPECIFIED, POSITION_IDS_SEQUENTIAL -> PositionIds.SEQUENTIAL;
          case POSITION_IDS_DIGIT_COUPLED -> PositionIds.DIGIT_COUPLED;
          case UNRECOGNIZED ->
              throw unknown("model.scratch.position_ids", model.getPositionIdsValue());
        };
    return new FirstWeights.Scratch(
        ModelConfig.llama(
            vocabulary.size(),
            model.getHiddenSize(),
            model.getLayers(),
            AttentionShape.llama(
                model.getHeads(),
                model.getKeyValueHeads(),
                model.getHeadDim(),
                Rope.plain(model.getRopeTheta())),
            model.getFeedForwardSize(),
            model.getRmsNormEpsilon(),
            model.getTiedEmbedding(),
            model.getMaxPositions(),
            positionIds,
            vocabulary),
        new Initialization(model.getEmbeddingStd(), true));
  }

  private static Objective objective(io.gradus.run.v1.Objective objective) {
    return switch (objective.getKindCase()) {
      case STAR ->
          switch (objective.getStar().getWeights()) {
            case STAR_WEIGHTS_UNSPECIFIED, STAR_WEIGHTS_UNIFORM, STAR_WEIGHTS_BALANCED ->
                new Star(Star.Weighting.ONE);
            case STAR_WEIGHTS_QUIET_STAR -> new Star(Star.Weighting.REWARD_ABOVE_PASS_RATE);
            case UNRECOGNIZED ->
                throw unknown("objective.star.weights", objective.getStar().getWeightsValue());
          };
      case GRPO -> grpo(objective.getGrpo());
      case KIND_NOT_SET ->
          throw new IllegalArgumentException(
              "the objective is one that this build does not know; use builds of one version");
    };
  }

  private static Objective grpo(io.gradus.run.v1.Grpo grpo) {
    require(grpo.hasClipLow(), "objective.grpo.clip_low");
    require(grpo.hasClipHigh(), "objective.grpo.clip_high");
    require(grpo.hasScaleByStd(), "objective.grpo.scale_by_std");
    require(grpo.hasEntropyCoefficient(), "objective.grpo.entropy_coefficient");
    if (grpo.getCorrection() == Correction.UNRECOGNIZED) {
      throw unknown("objective.grpo.correction", grpo.getCorrectionValue());
    }
    return new Grpo(
        grpo.getClipLow(), grpo.getClipHigh(), grpo.getScaleByStd(), grpo.getEntropyCoefficient());
  }

  private static OptimizerConfig optimizer(Optimizer optimizer) {
    require(optimizer.hasBeta1(), "optimizer.beta1");
    require(optimizer.hasBeta2(), "optimizer.beta2");
    require(optimizer.hasEpsilon(), "optimizer.epsilon");
    require(optimizer.hasWeightDecay(), "optimizer.weight_decay");
    require(optimizer.hasGradientClip(), "optimizer.gradient_clip");
    return new OptimizerConfig(
        optimizer.getBeta1(),
        optimizer.getBeta2(),
        optimizer.getEpsilon(),
        optimizer.getWeightDecay(),
        optimizer.getGradientClip());
  }

  private static LearningRates learningRates(RunSpec spec) {
    Optimizer optimizer = spec.getOptimizer();
    require(optimizer.hasLearningRate(), "optimizer.learning_rate");
    require(optimizer.hasCycleBatches(), "optimizer.cycle_batches");
    require(optimizer.hasFinalShare(), "optimizer.final_share");
    int cycleBatches =
        switch (optimizer.getSchedule()) {
          case LEARNING_RATE_SCHEDULE_UNSPECIFIED, LEARNING_RATE_SCHEDULE_CONSTANT -> 0;
          case LEARNING_RATE_SCHEDULE_CYCLE -> optimizer.getCycleBatches();
          case UNRECOGNIZED -> throw unknown("optimizer.schedule", optimizer.getScheduleValue());
        };
    if (spec.hasWarmUp()) {
      require(spec.getWarmUp().hasBatches(), "warm_up.batches");
      require(spec.getWarmUp().hasRampSteps(), "warm_up.ramp_steps");
      require(spec.getWarmUp().hasLearningRate(), "warm_up.learning_rate");
    }
    return new LearningRates(
        spec.getWarmUp().getBatches(),
        spec.getWarmUp().getRampSteps(),
        spec.hasWarmUp() ? spec.getWarmUp().getLearningRate() : optimizer.getLearningRate(),
        optimizer.getLearningRate(),
        cycleBatches,
        optimizer.getFinalShare());
  }

  /// The easiest tasks of the run's first source: those that any warm-up begins with.
  private static GoldRange canary(RunSpec spec) {
    require(spec.getTasksCount() > 0, "tasks");
    TaskFamily family = family(spec.getTasks(0));
    int first =
        spec.getTasks(0).hasAddition()
            ? spec.getTasks(0).getAddition().getFirstDigits()
            : spec.getTasks(0).getMultiplication().getFirstDigits();
    int last = spec.hasWarmUp() ? Math.max(first, spec.getWarmUp().getLastStratum()) : first;
    return new GoldRange(
        family.generator(),
        family.version(),
        0,
        spec.getSeed(),
        CANARY_FIRST_INDEX,
        CANARY_SEQUENCES,
        first,
        last);
  }

  private static TaskFamily family(TaskSource source) {
    return switch (source.getFamilyCase()) {
      case ADDITION ->
          new Addition(format(source.getAddition().getFormat(), ArithmeticFormat.DIRECT));
      case MULTIPLICATION ->
          new Multiplication(
              source.getMultiplication().getSecondDigits(),
              format(source.getMultiplication().getFormat(), ArithmeticFormat.CARRY));
      case FAMILY_NOT_SET -> throw new IllegalArgumentException("a task source has no family");
    };
  }

  private static ArithmeticFormat format(
      io.gradus.run.v1.ArithmeticFormat format, ArithmeticFormat otherwise) {
    return switch (format) {
      case ARITHMETIC_FORMAT_UNSPECIFIED -> otherwise;
      case ARITHMETIC_FORMAT_DIRECT -> ArithmeticFormat.DIRECT;
      case ARITHMETIC_FORMAT_CARRY -> ArithmeticFormat.CARRY;
      case ARITHMETIC_FORMAT_PARTIAL_PRODUCTS -> ArithmeticFormat.PARTIAL_PRODUCTS;
      case UNRECOGNIZED -> throw unknown("format", -1);
    };
  }

  private static void require(boolean set, String field) {
    if (!set) {
      throw new IllegalArgumentException(
          field + " is not set; the coordinator must send the effective spec");
    }
  }

  private static IllegalArgumentException unknown(String field, int value) {
    return new IllegalArgumentException(
        "%s has a value that this build does not know (%d); use builds of one version"
            .formatted(field, value));
  }
}
