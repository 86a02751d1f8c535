package io.gradus.learner.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import io.gradus.learner.Specs;
import io.gradus.learner.objective.Grpo;
import io.gradus.learner.objective.Star;
import io.gradus.policy.PositionIds;
import io.gradus.policy.training.OptimizerConfig;
import io.gradus.run.v1.LearningRateSchedule;
import io.gradus.run.v1.Model;
import io.gradus.run.v1.RunSpec;
import io.gradus.run.v1.StarWeights;
import java.nio.file.Path;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class RunSpecMapperTest {

  @Test
  void readsTheModelTheOptimizerAndTheSchedule() {
    LearningPlan plan = RunSpecMapper.plan(Specs.tiny().build());

    assertThat(plan.firstWeights())
        .isInstanceOfSatisfying(
            FirstWeights.Scratch.class,
            scratch -> {
              assertThat(scratch.config().vocabSize())
                  .as("15 characters, EOS and BOS")
                  .isEqualTo(17);
              assertThat(scratch.config().positionIds()).isEqualTo(PositionIds.DIGIT_COUPLED);
              assertThat(scratch.config().hiddenSize()).isEqualTo(16);
            });
    assertThat(plan.objective()).isEqualTo(new Star(Star.Weighting.ONE));
    assertThat(plan.optimizer()).isEqualTo(OptimizerConfig.defaults());
    assertThat(plan.learningRates().cycleBatches()).isEqualTo(4);
    assertThat(plan.lockstep()).isFalse();
    assertThat(plan.canary().generator()).isEqualTo("addition/direct");
    assertThat(plan.canary().lastStratum()).isEqualTo(2);
  }

  @Test
  void readsWeightsFromADirectoryAndAConstantRate() {
    RunSpec.Builder spec = Specs.tiny().setModel(Model.newBuilder().setDirectory("/models/one"));
    spec.getOptimizerBuilder().setSchedule(LearningRateSchedule.LEARNING_RATE_SCHEDULE_CONSTANT);

    LearningPlan plan = RunSpecMapper.plan(spec.clearWarmUp().build());

    assertThat(plan.firstWeights()).isEqualTo(new FirstWeights.Directory(Path.of("/models/one")));
    assertThat(plan.learningRates().cycleBatches()).isZero();
    assertThat(plan.learningRates().warmUpBatches()).isZero();
  }

  @Test
  void readsObjectives() {
    RunSpec.Builder quiet = Specs.tiny();
    quiet.getObjectiveBuilder().getStarBuilder().setWeights(StarWeights.STAR_WEIGHTS_QUIET_STAR);

    assertThat(RunSpecMapper.plan(quiet.build()).objective())
        .isEqualTo(new Star(Star.Weighting.REWARD_ABOVE_PASS_RATE));
    assertThat(RunSpecMapper.plan(Specs.tiny().setObjective(Specs.GRPO).build()).objective())
        .isEqualTo(new Grpo(0.2, 0.28, false, 0));
  }

  static Stream<Arguments> gaps() {
    return Stream.of(
        gap("seed", RunSpec.Builder::clearSeed),
        gap("optimizer.learning_rate", s -> s.getOptimizerBuilder().clearLearningRate()),
        gap("optimizer.gradient_clip", s -> s.getOptimizerBuilder().clearGradientClip()),
        gap("optimizer.final_share", s -> s.getOptimizerBuilder().clearFinalShare()),
        gap("warm_up.batches", s -> s.getWarmUpBuilder().clearBatches()),
        gap("warm_up.learning_rate", s -> s.getWarmUpBuilder().clearLearningRate()),
        gap("model.scratch.layers", s -> s.getModelBuilder().getScratchBuilder().clearLayers()),
        gap(
            "objective.grpo.clip_low",
            s -> s.setObjective(Specs.GRPO).getObjectiveBuilder().getGrpoBuilder().clearClipLow()),
        gap("objective", s -> s.getObjectiveBuilder().clear()),
        gap("model", s -> s.getModelBuilder().clear()),
        gap("tasks", RunSpec.Builder::clearTasks));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("gaps")
  void refusesASpecThatNobodyFilledIn(String field, RunSpec spec) {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> RunSpecMapper.plan(spec))
        .withMessageContaining(field);
  }

  private static Arguments gap(String field, Consumer<RunSpec.Builder> change) {
    RunSpec.Builder spec = Specs.tiny();
    change.accept(spec);
    return Arguments.of(field, spec.build());
  }
}
