package io.gradus.learner.objective;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.within;

import io.gradus.learner.objective.Leaves.Evaluated;
import io.gradus.policy.training.TokenLoss;
import io.gradus.policy.training.TrainingRow;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.ToDoubleFunction;
import org.junit.jupiter.api.Test;

/// Against plain double loops, and their finite differences.
class ObjectivesTest {

  private static final int ROWS = 5;
  private static final Grpo GRPO = new Grpo(0.2, 0.28, true, 0.03);

  private final SplittableRandom random = new SplittableRandom(3);
  private final List<float[]> behavior = new ArrayList<>();
  private final List<float[]> logprobs = new ArrayList<>();
  private final List<float[]> entropies = new ArrayList<>();
  private final List<Example> examples = new ArrayList<>();

  ObjectivesTest() {
    for (int row = 0; row < ROWS; row++) {
      int tokens = 2 + row;
      var recorded = new float[tokens];
      var current = new float[tokens];
      var entropy = new float[tokens];
      for (int t = 0; t < tokens; t++) {
        recorded[t] = (float) -random.nextDouble(0.1, 3);
        current[t] = recorded[t] + (float) random.nextDouble(-0.6, 0.6);
        entropy[t] = (float) random.nextDouble(0, 2);
      }
      behavior.add(recorded);
      logprobs.add(current);
      entropies.add(entropy);
      examples.add(example(tokens, (float) random.nextDouble(-1.5, 1.5), recorded));
    }
  }

  private static Example example(int tokens, float coefficient, float[] behavior) {
    var mask = new boolean[tokens + 1];
    Arrays.fill(mask, 1, tokens + 1, true);
    return new Example(new TrainingRow(new int[tokens + 1], mask, 1), coefficient, behavior);
  }

  @Test
  void likelihoodIsTheMeanOverAllTokensOfTheStep() {
    List<Example> gold = examples.stream().map(e -> Example.gold(e.row())).toList();

    Evaluated found = Leaves.evaluate(Star.likelihood().loss(gold), logprobs, entropies);

    assertThat(found.loss()).isCloseTo(mean((row, t, logp) -> -logp), within(1e-6));
    assertGradient(found.byLogprob(), (row, t, logp) -> -logp, logprobs);
  }

  @Test
  void quietStarWeighsEachTrajectory() {
    Evaluated found =
        Leaves.evaluate(
            new Star(Star.Weighting.REWARD_ABOVE_PASS_RATE).loss(examples), logprobs, entropies);

    Term term = (row, t, logp) -> -examples.get(row).coefficient() * logp;
    assertThat(found.loss()).isCloseTo(mean(term), within(1e-6));
    assertGradient(found.byLogprob(), term, logprobs);
  }

  @Test
  void grpoIsTheClippedLossWithAnEntropyBonus() {
    Evaluated found = Leaves.evaluate(GRPO.loss(examples), logprobs, entropies);

    Term term = (row, t, logp) -> clipped(row, t, logp) - 0.03 * entropies.get(row)[t];
    assertThat(found.loss()).isCloseTo(mean(term), within(1e-6));
    assertGradient(found.byLogprob(), term, logprobs);
    for (double gradient : found.byEntropy()) {
      assertThat(gradient).isCloseTo(-0.03 / tokens(), within(1e-7));
    }
    long clipped =
        count((row, t) -> {
          double ratio = Math.exp(logprobs.get(row)[t] - behavior.get(row)[t]);
          float advantage = examples.get(row).coefficient();
          return advantage > 0 ? ratio > 1.28 : ratio < 0.8;
        });
    assertThat(clipped).as("a test that clips nothing tests nothing").isPositive();
    assertThat(found.sums().getOrDefault("clipped", Double.NaN)).isEqualTo((double) clipped);
  }

  private double clipped(int row, int t, double logp) {
    double ratio = Math.exp(logp - behavior.get(row)[t]);
    double advantage = examples.get(row).coefficient();
    return -Math.min(ratio * advantage, Math.min(Math.max(ratio, 1 - 0.2), 1 + 0.28) * advantage);
  }

  /// What peers call the test of any policy gradient: at ratio 1 all of them are REINFORCE.
  @Test
  void onPolicyTheGradientIsMinusTheAdvantage() {
    Evaluated found =
        Leaves.evaluate(new Grpo(0.2, 0.28, false, 0).loss(examples), behavior, entropies);

    int at = 0;
    for (int row = 0; row < ROWS; row++) {
      for (int t = 0; t < behavior.get(row).length; t++) {
        assertThat(found.byLogprob()[at++])
            .isCloseTo(-examples.get(row).coefficient() / tokens(), within(1e-6));
      }
    }
    assertThat(found.sums().getOrDefault("kl", Double.NaN)).isZero();
  }

  @Test
  void microBatchesAddUpToTheStep() {
    for (TokenLoss loss :
        List.of(
            GRPO.loss(examples), new Star(Star.Weighting.REWARD_ABOVE_PASS_RATE).loss(examples))) {
      Evaluated whole = Leaves.evaluate(loss, logprobs, entropies);

      Evaluated first = Leaves.evaluate(loss, logprobs, entropies, new int[] {3, 0}, tokens());
      Evaluated second = Leaves.evaluate(loss, logprobs, entropies, new int[] {4, 2, 1}, tokens());

      assertThat(first.loss() + second.loss()).isCloseTo(whole.loss(), within(1e-6));
      // Row 3 comes first in the first micro-batch and behind rows of 2, 3 and 4 tokens in all.
      for (int t = 0; t < logprobs.get(3).length; t++) {
        assertThat(first.byLogprob()[t]).isCloseTo(whole.byLogprob()[9 + t], within(1e-7));
      }
    }
  }

  @Test
  void groupsWithoutContrastGiveNoSignal() {
    assertThat(Advantages.of(new float[] {0.1f, 0.1f, 0.1f}, true)).containsOnly(0);
    assertThat(Advantages.of(new float[] {1}, true)).containsExactly(0);
    assertThat(Advantages.of(new float[] {1}, false)).containsExactly(0);
    assertThat(Advantages.of(new float[] {1, 0, 0, 1}, false))
        .containsExactly(0.5f, -0.5f, -0.5f, 0.5f);
  }

  @Test
  void grpoLearnsFromEveryMemberOfAGroup() {
    List<Example> unit =
        new Grpo(0.2, 0.2, false, 0)
            .examples(
                List.of(trajectory(0, 1, true), trajectory(2, 0, false), trajectory(3, 0, false)),
                -1,
                1.0 / 3);

    assertThat(unit).extracting(Example::coefficient).containsExactly(2 / 3f, -1 / 3f, -1 / 3f);
    assertThatIllegalArgumentException()
        .isThrownBy(() -> GRPO.examples(List.of(trajectory(0, 1, true)), 0, 1))
        .withMessageContaining("whole groups");
  }

  @Test
  void starLearnsFromRightTrajectoriesAlone() {
    List<RecordedTrajectory> group = List.of(trajectory(0, 0, false), trajectory(1, 1, true));
    var quiet = new Star(Star.Weighting.REWARD_ABOVE_PASS_RATE);

    assertThat(Star.likelihood().examples(group, 1, 0.5))
        .extracting(Example::coefficient)
        .containsExactly(1f);
    assertThat(quiet.examples(group, 1, 0.25))
        .extracting(Example::coefficient)
        .containsExactly(0.75f);
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Star.likelihood().examples(group, 0, 0.5))
        .withMessageContaining("not right");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Star.likelihood().examples(group, 7, 0.5))
        .withMessageContaining("member 7");
  }

  private static RecordedTrajectory trajectory(int member, float reward, boolean isRight) {
    return new RecordedTrajectory(
        member, TrainingRow.of(new int[] {1, 2, 3}, 1, 1), new float[] {-1, -2}, reward, isRight);
  }

  private interface Term {
    double at(int row, int token, double logprob);
  }

  private interface Condition {
    boolean holds(int row, int token);
  }

  private int tokens() {
    return logprobs.stream().mapToInt(row -> row.length).sum();
  }

  private long count(Condition condition) {
    long count = 0;
    for (int row = 0; row < ROWS; row++) {
      for (int t = 0; t < logprobs.get(row).length; t++) {
        count += condition.holds(row, t) ? 1 : 0;
      }
    }
    return count;
  }

  private double mean(Term term) {
    double sum = 0;
    for (int row = 0; row < ROWS; row++) {
      for (int t = 0; t < logprobs.get(row).length; t++) {
        sum += term.at(row, t, logprobs.get(row)[t]);
      }
    }
    return sum / tokens();
  }

  private void assertGradient(double[] found, Term term, List<float[]> at) {
    double h = 1e-6;
    int index = 0;
    for (int row = 0; row < ROWS; row++) {
      for (int t = 0; t < at.get(row).length; t++) {
        double logp = at.get(row)[t];
        int r = row;
        int token = t;
        ToDoubleFunction<Double> f = x -> term.at(r, token, x) / tokens();
        double expected = (f.applyAsDouble(logp + h) - f.applyAsDouble(logp - h)) / (2 * h);
        assertThat(found[index++]).as("row %d, token %d", row, t).isCloseTo(expected, within(1e-6));
      }
    }
  }
}
