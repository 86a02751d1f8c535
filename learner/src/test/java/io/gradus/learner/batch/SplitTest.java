package io.gradus.learner.batch;

import static org.assertj.core.api.Assertions.assertThat;

import io.gradus.core.batch.BatchDigest;
import io.gradus.core.batch.BatchNumber;
import io.gradus.learner.objective.Example;
import io.gradus.learner.objective.Star;
import io.gradus.policy.training.TrainingRow;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class SplitTest {

  static LongStream seeds() {
    return LongStream.range(0, 50);
  }

  @ParameterizedTest(name = "seed {0}")
  @MethodSource("seeds")
  void everyPassUsesEveryUnitOnceAndKeepsItWhole(long seed) {
    int units = 1 + (int) (seed % 13);
    int minibatches = 1 + (int) (seed % 5);
    TrainingBatch batch = batch(seed + 1, units, minibatches, 3);

    List<List<Example>> steps = Split.steps(batch, seed);

    int parts = Math.min(units, minibatches);
    assertThat(steps).hasSize(3 * parts);
    for (int pass = 0; pass < 3; pass++) {
      var seen = new ArrayList<Integer>();
      for (List<Example> step : steps.subList(pass * parts, (pass + 1) * parts)) {
        assertThat(step.size() / 2).isBetween(units / parts, (units + parts - 1) / parts);
        for (int i = 0; i < step.size(); i += 2) {
          assertThat(id(step.get(i + 1))).as("its unit's other half").isEqualTo(id(step.get(i)));
          seen.add(id(step.get(i)));
        }
      }
      assertThat(seen).doesNotHaveDuplicates().hasSize(units);
    }
  }

  @Test
  void isAPureFunctionOfSeedAndNumber() {
    List<Integer> first = ids(Split.steps(batch(9, 20, 4, 2), 5));

    assertThat(ids(Split.steps(batch(9, 20, 4, 2), 5))).isEqualTo(first);
    assertThat(ids(Split.steps(batch(10, 20, 4, 2), 5))).isNotEqualTo(first);
    assertThat(ids(Split.steps(batch(9, 20, 4, 2), 6))).isNotEqualTo(first);
    assertThat(first.subList(0, 40)).as("passes differ").isNotEqualTo(first.subList(40, 80));
  }

  @Test
  void keepsTheOrderOfTheDrawInOneStep() {
    assertThat(ids(Split.steps(batch(3, 3, 1, 1), 5))).containsExactly(0, 0, 1, 1, 2, 2);
  }

  private static List<Integer> ids(List<List<Example>> steps) {
    return steps.stream().flatMap(List::stream).map(SplitTest::id).toList();
  }

  private static int id(Example example) {
    return example.row().ids()[0];
  }

  private static TrainingBatch batch(long number, int units, int minibatches, int epochs) {
    var all = new ArrayList<List<Example>>();
    for (int unit = 0; unit < units; unit++) {
      Example example = Example.gold(TrainingRow.of(new int[] {unit, 1}, 1, 1));
      all.add(List.of(example, example));
    }
    return new TrainingBatch(
        new BatchNumber(number),
        new BatchDigest("0".repeat(64)),
        false,
        Star.likelihood(),
        all,
        minibatches,
        epochs,
        0,
        0,
        0,
        false,
        false,
        false);
  }
}
