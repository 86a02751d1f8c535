package io.gradus.coordinator.spec;

import static org.assertj.core.api.Assertions.assertThat;

import io.gradus.run.v1.RunSpec;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class SpecChecksTest {

  private static final String ADDITION = "tasks { addition {} } ";

  private static List<SpecProblem> problems(RunSpec spec) {
    return SpecChecks.of(SpecDefaults.fill(spec, 2));
  }

  @Test
  void findsNothingWrongWithTheDefaults() {
    assertThat(problems(Specs.star(ADDITION))).isEmpty();
    assertThat(problems(Specs.grpo(ADDITION))).isEmpty();
    assertThat(problems(Specs.star("tasks { multiplication {} } evaluation {} warm_up {}")))
        .isEmpty();
    assertThat(
            problems(
                Specs.star(
                    "tasks { multiplication { second_digits: 2 format:"
                        + " ARITHMETIC_FORMAT_PARTIAL_PRODUCTS } hinted_share: 0.3 }")))
        .isEmpty();
  }

  static Stream<Arguments> wrongSpecs() {
    return Stream.of(
        star("model { scratch { hidden_size: 64 heads: 3 } }", "model.scratch.head_dim"),
        star("model { scratch { head_dim: 8 } }", "model.scratch.head_dim"),
        star("model { scratch { hidden_size: 36 heads: 4 } }", "model.scratch.head_dim"),
        star("model { scratch { key_value_heads: 3 } }", "model.scratch.key_value_heads"),
        star("model { scratch { characters: \"01234567899+=\" } }", "model.scratch.characters"),
        star("model { scratch { characters: \"0123456789+\" } }", "model.scratch.characters"),
        star("model { scratch { max_positions: 40 } }", "model.scratch.max_positions"),
        star("rollout { max_tokens: 5 }", "rollout.max_tokens"),
        star("warm_up { ramp_steps: 600 }", "warm_up.ramp_steps"),
        star("warm_up { batches: 2000 }", "stop.batches"),
        star("rewards { right: 0 }", "rewards.right"),
        star("batch { groups: 4 minibatches: 8 }", "batch.minibatches"),
        star("replay { max_uses: 2 draws_per_sample: 3 }", "replay.draws_per_sample"),
        star("replay { window: 100 }", "replay.window"),
        star(
            "rollout { schedule: SCHEDULE_LOCKSTEP } resources { workers: 2 }",
            "resources.workers"),
        star("publication { every: 4 durable_every: 10 }", "publication.durable_every"),
        star("evaluation { stop_below: 0.95 }", "evaluation.stop_below"),
        star("stop { digits_handled: 10 }", "stop.digits_handled"),
        star("evaluation {} stop { digits_handled: 15 }", "stop.digits_handled"),
        star(
            "stop { wall_time { seconds: 9 } } rollout {" + " schedule: SCHEDULE_LOCKSTEP }",
            "stop.wall_time"),
        alone(
            "tasks { addition { first_digits: 5 last_digits: 4 } }",
            "tasks[0].addition.first_digits"),
        alone("tasks { addition {} hinted_share: 0.2 }", "tasks[0].hinted_share"),
        alone(
            "tasks { addition { format: ARITHMETIC_FORMAT_PARTIAL_PRODUCTS } }",
            "tasks[0].addition.format"),
        alone("tasks { multiplication { second_digits: 2 } }", "tasks[0].multiplication.format"),
        alone("tasks {}", "tasks[0]"),
        alone("tasks { addition { first_digits: 4 } } warm_up {}", "warm_up.last_stratum"),
        alone(
            "tasks { addition { first_digits: 4 } } evaluation { last_stratum: 3 }",
            "evaluation.last_stratum"),
        grpo("rollout { group_size: 1 }", "rollout.group_size"),
        grpo("rollout { temperature: 0 }", "rollout.temperature"),
        grpo("rollout { top_k: 4 }", "rollout.top_k"),
        grpo("rollout { top_p: 0.9 }", "rollout.top_p"),
        grpo("rollout { max_staleness: 9 }", "rollout.max_staleness"),
        grpo("objective { grpo { correction: CORRECTION_NONE } }", "objective.grpo.correction"),
        grpo("replay { max_uses: 2 }", "replay.max_uses"),
        grpo("replay { draws_per_sample: 2 }", "replay.draws_per_sample"),
        grpo("rounds {}", "rounds"),
        grpo("publication { every: 6 durable_every: 6 }", "publication.every"));
  }

  private static Arguments star(String more, String path) {
    return Arguments.of(Specs.star(ADDITION + more), path);
  }

  private static Arguments alone(String more, String path) {
    return Arguments.of(Specs.star(more), path);
  }

  private static Arguments grpo(String more, String path) {
    return Arguments.of(Specs.grpo(ADDITION + more), path);
  }

  @ParameterizedTest(name = "{1}: {0}")
  @MethodSource("wrongSpecs")
  void namesThePathOfAContradiction(RunSpec spec, String path) {
    assertThat(problems(spec)).extracting(SpecProblem::path).containsExactly(path);
    assertThat(problems(spec).getFirst().message()).isNotBlank().doesNotContain("%");
  }

  @Test
  void refusesHintsForPolicyGradients() {
    assertThat(
            problems(
                Specs.grpo(
                    "tasks { addition { format: ARITHMETIC_FORMAT_CARRY } hinted_share: 0.2 }")))
        .extracting(SpecProblem::path)
        .containsExactly("tasks[0].hinted_share");
  }

  @Test
  void allowsNoCorrectionOnPolicy() {
    assertThat(
            problems(
                Specs.grpo(
                    ADDITION
                        + "objective { grpo { correction: CORRECTION_NONE } } rollout {"
                        + " max_staleness: 0 } ")))
        .isEmpty();
  }
}
