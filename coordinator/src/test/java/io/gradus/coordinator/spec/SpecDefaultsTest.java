package io.gradus.coordinator.spec;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.protobuf.Descriptors.FieldDescriptor;
import com.google.protobuf.Message;
import io.gradus.core.run.RunPlan;
import io.gradus.run.v1.RunSpec;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class SpecDefaultsTest {

  private static final String ALL =
      "name: \"x\" tasks { addition {} } tasks { multiplication {} } warm_up {} rounds {}"
          + " evaluation {} stop { wall_time { seconds: 300 } digits_handled: 10 }";

  @Test
  void leavesNoFieldWithoutAValueButTheTokenLimit() {
    assertThat(unset(SpecDefaults.fill(Specs.star(ALL), 2), ""))
        .containsExactly("rollout.max_tokens");
    assertThat(unset(SpecDefaults.fill(Specs.grpo(ALL), 2), ""))
        .containsExactly("rollout.max_tokens", "replay.draws_per_sample");
  }

  private static List<String> unset(Message message, String path) {
    var unset = new ArrayList<String>();
    for (FieldDescriptor field : message.getDescriptorForType().getFields()) {
      String here = path + field.getName();
      if (field.isRepeated()) {
        for (int index = 0; index < message.getRepeatedFieldCount(field); index++) {
          unset.addAll(unset((Message) message.getRepeatedField(field, index), here + "."));
        }
      } else if (field.getContainingOneof() != null
          && field.getRealContainingOneof() != null
          && !message.hasField(field)) {
        // Another choice was made.
      } else if (field.getJavaType() == FieldDescriptor.JavaType.MESSAGE) {
        if (!message.hasField(field)) {
          unset.add(here);
        } else if (!field.getMessageType().getFullName().startsWith("google.")) {
          unset.addAll(unset((Message) message.getField(field), here + "."));
        }
      } else if (!message.hasField(field)) {
        unset.add(here);
      }
    }
    return unset;
  }

  @Test
  void changesNothingTheSecondTime() {
    RunSpec once = SpecDefaults.fill(Specs.star(ALL), 2);

    assertThat(SpecDefaults.fill(once, 2)).isEqualTo(once);
  }

  @Test
  void keepsWhatWasWritten() {
    RunSpec filled =
        SpecDefaults.fill(
            Specs.star(
                "tasks { addition { last_digits: 7 } } rollout { temperature: 0 } replay {"
                    + " max_uses: 3 draws_per_sample: 2 } seed: 0"),
            2);

    assertThat(filled.getTasks(0).getAddition().getLastDigits()).isEqualTo(7);
    assertThat(filled.getRollout().getTemperature()).isZero();
    assertThat(filled.getReplay().getMaxUses()).isEqualTo(3);
    assertThat(filled.getSeed()).isZero();
  }

  @Test
  void plansARunOfExpertIteration() {
    RunPlan plan = RunPlanMapper.planOf(SpecDefaults.fill(Specs.star(ALL), 2).toByteArray());

    assertThat(plan.sources())
        .containsExactly(
            new RunPlan.Source("addition/direct", 1, 1, 12, 0),
            new RunPlan.Source("multiplication/1/carry", 1, 1, 6, 0));
    assertThat(plan.warmUp()).contains(new RunPlan.WarmUp(500, 128, 3));
    assertThat(plan.curriculum()).isEqualTo(new RunPlan.Curriculum(false, 0.03, 0.9, 0.9, 0.15, 5));
    assertThat(plan.rollout())
        .isEqualTo(
            new RunPlan.Rollout(
                1, 512, false, 4, Duration.ofSeconds(15), Duration.ofMinutes(1), 4));
    assertThat(plan.unit()).isEqualTo(RunPlan.Unit.TRAJECTORY);
    assertThat(plan.draw()).isEqualTo(RunPlan.Draw.STRATUM_EQUAL);
    assertThat(plan.batch()).isEqualTo(new RunPlan.BatchShape(128, 1, 1));
    assertThat(plan.rounds()).contains(new RunPlan.Rounds(256, 60, 1, true, false));
    assertThat(plan.replay()).isEqualTo(new RunPlan.Replay(1024, 16, 5));
    assertThat(plan.publication()).isEqualTo(new RunPlan.Publication(10, 100));
    assertThat(plan.evaluation()).contains(new RunPlan.Evaluation(14, 100, 60, 400, 0.9, 0));
    assertThat(plan.stop())
        .isEqualTo(
            new RunPlan.Stop(
                Optional.of(1000L), Optional.of(Duration.ofMinutes(5)), Optional.of(10)));
    assertThat(plan.seed()).isEqualTo(1);
  }

  @Test
  void plansARunOfPolicyGradients() {
    RunPlan plan = RunPlanMapper.planOf(SpecDefaults.fill(Specs.grpo("tasks { addition {} }"), 2));

    assertThat(plan.unit()).isEqualTo(RunPlan.Unit.GROUP);
    assertThat(plan.draw()).isEqualTo(RunPlan.Draw.OLDEST_FIRST);
    assertThat(plan.rollout().groupSize()).isEqualTo(8);
    assertThat(plan.replay()).isEqualTo(new RunPlan.Replay(1024, 1, 1));
    assertThat(plan.publication()).isEqualTo(new RunPlan.Publication(5, 50));
    assertThat(plan.warmUp()).isEmpty();
    assertThat(plan.rounds()).isEmpty();
    assertThat(plan.evaluation()).isEmpty();
  }
}
