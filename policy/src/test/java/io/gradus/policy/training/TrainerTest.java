package io.gradus.policy.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.offset;
import static org.assertj.core.api.Assertions.within;

import io.gradus.policy.Decoder;
import io.gradus.policy.ModelConfig;
import io.gradus.policy.PositionIds;
import io.gradus.policy.ReferenceDecoder;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class TrainerTest {

  private static final TokenLoss LIKELIHOOD =
      leaves -> LossValue.of(leaves.logp().sum().mul(new Scalar(-1.0 / leaves.batchTokens())));

  /// Weighted likelihood, a square, and an entropy term, so that every part of the head has a
  /// gradient.
  private static final class Mixed implements TokenLoss {
    private static final double ENTROPY = 0.3;

    @Override
    public LossValue evaluate(LeafTensors leaves) {
      Tensor weight = leaves.perRow(new float[] {1, -0.5f, 2, 0.25f});
      Tensor logp = leaves.logp();
      Tensor loss =
          logp.mul(weight)
              .add(logp.mul(logp).mul(new Scalar(0.1)))
              .add(leaves.entropy().mul(new Scalar(ENTROPY)))
              .sum()
              .div(new Scalar((double) leaves.batchTokens()));
      return LossValue.of(loss);
    }

    @Override
    public boolean needsEntropy() {
      return true;
    }

    static double reference(ReferenceDecoder decoder, List<TrainingRow> rows) {
      double[] weights = {1, -0.5, 2, 0.25};
      double sum = 0;
      int tokens = 0;
      for (int r = 0; r < rows.size(); r++) {
        TrainingRow row = rows.get(r);
        double[][] logprobs = decoder.logprobs(row.ids(), row.temperature());
        for (int t = 1; t < row.ids().length; t++) {
          if (row.lossMask()[t]) {
            double logp = logprobs[t - 1][row.ids()[t]];
            double entropy = 0;
            for (double value : logprobs[t - 1]) {
              entropy -= Math.exp(value) * value;
            }
            sum += weights[r] * logp + 0.1 * logp * logp + ENTROPY * entropy;
            tokens++;
          }
        }
      }
      return sum / tokens;
    }
  }

  static Stream<ModelConfig> configs() {
    return Stream.of(
        ReferenceDecoder.smallConfig(16, 2, 4, true, PositionIds.DIGIT_COUPLED),
        ReferenceDecoder.smallConfig(16, 1, 2, false, PositionIds.DIGIT_COUPLED),
        ReferenceDecoder.smallConfig(20, 3, 1, true, PositionIds.SEQUENTIAL),
        ReferenceDecoder.smallConfig(1100, 2, 2, true, PositionIds.SEQUENTIAL),
        ReferenceDecoder.smallConfig(1100, 1, 4, false, PositionIds.SEQUENTIAL),
        ReferenceDecoder.fullConfig(16, 2, 2),
        ReferenceDecoder.fullConfig(1100, 3, 1));
  }

  @ParameterizedTest
  @MethodSource("configs")
  void agreesWithFiniteDifferencesOfPlainLoops(ModelConfig config) {
    List<TrainingRow> rows = rowsWithHoles();
    Decoder decoder = ReferenceDecoder.decoderWithGains(config, 5);
    try (var trainer = new Trainer(decoder, OptimizerConfig.defaults(), 1)) {
      var reference = new ReferenceDecoder(decoder);
      var random = new SplittableRandom(9);

      Trainer.Sum sum = trainer.gradients(rows, new Mixed());

      assertThat(sum.loss()).isCloseTo(Mixed.reference(reference, rows), within(2e-5));
      for (Map.Entry<String, Tensor> entry : decoder.gradients().byName().entrySet()) {
        double[] gradient = ReferenceDecoder.doubles(entry.getValue());
        double[] weights = reference.weight(entry.getKey());
        for (int trial = 0; trial < 6; trial++) {
          int at = random.nextInt(weights.length);
          double kept = weights[at];
          weights[at] = kept + 1e-5;
          double above = Mixed.reference(reference, rows);
          weights[at] = kept - 1e-5;
          double below = Mixed.reference(reference, rows);
          weights[at] = kept;
          double expected = (above - below) / 2e-5;
          // fp32 against double: relative to the size of gradients here, which is up to 1.
          assertThat(gradient[at])
              .as("%s[%d]", entry.getKey(), at)
              .isCloseTo(expected, offset(1e-5 + 2e-4 * Math.abs(expected)));
        }
      }
    }
  }

  @Test
  void addsUpToTheSameGradientOnTwoReplicasAndInMicroBatches() {
    ModelConfig config = ReferenceDecoder.smallConfig(16, 2, 2, true, PositionIds.DIGIT_COUPLED);
    double[] whole = gradient(config, 1, 1 << 14);

    // Only the order of fp32 additions differs.
    assertThat(distance(gradient(config, 2, 1 << 14), whole)).isLessThan(1e-6);
    assertThat(distance(gradient(config, 3, 12), whole)).isLessThan(1e-6);
  }

  /// L2 norm of the difference over that of `b`.
  private static double distance(double[] a, double[] b) {
    double difference = 0;
    double norm = 0;
    for (int i = 0; i < b.length; i++) {
      difference += (a[i] - b[i]) * (a[i] - b[i]);
      norm += b[i] * b[i];
    }
    return Math.sqrt(difference / norm);
  }

  private static double[] gradient(ModelConfig config, int replicas, int tokensPerMicrobatch) {
    Decoder decoder = ReferenceDecoder.decoderWithGains(config, 5);
    try (var trainer =
        new Trainer(decoder, OptimizerConfig.defaults(), replicas, tokensPerMicrobatch)) {
      trainer.gradients(rowsWithHoles(), new Mixed());
      return ReferenceDecoder.doubles(decoder.gradients().flat());
    }
  }

  @Test
  void leavesWeightsAloneWhenTheLossIsNotFinite() {
    ModelConfig config = ReferenceDecoder.smallConfig(16, 1, 2, true, PositionIds.DIGIT_COUPLED);
    Decoder decoder = ReferenceDecoder.decoderWithGains(config, 5);
    try (var trainer = new Trainer(decoder, OptimizerConfig.defaults(), 1)) {
      double[] before = ReferenceDecoder.doubles(decoder.weights().flat());

      StepResult result =
          trainer.step(
              rowsWithHoles(),
              leaves -> LossValue.of(leaves.logp().sum().div(new Scalar(0.0))),
              0.1);

      assertThat(result.skippedNonFinite()).isTrue();
      assertThat(trainer.steps()).isZero();
      assertThat(ReferenceDecoder.doubles(decoder.weights().flat())).isEqualTo(before);
      assertThat(trainer.step(rowsWithHoles(), LIKELIHOOD, 0.1).skippedNonFinite()).isFalse();
    }
  }

  @Test
  void lowersTheLossOfABatchItSeesAgain() {
    ModelConfig config = ReferenceDecoder.smallConfig(16, 2, 4, true, PositionIds.DIGIT_COUPLED);
    Decoder decoder = ReferenceDecoder.decoderWithGains(config, 5);
    try (var trainer = new Trainer(decoder, OptimizerConfig.defaults(), 2)) {
      double first = trainer.step(rowsWithHoles(), LIKELIHOOD, 1e-2).loss();
      StepResult last = trainer.step(rowsWithHoles(), LIKELIHOOD, 1e-2);
      for (int step = 0; step < 60; step++) {
        last = trainer.step(rowsWithHoles(), LIKELIHOOD, 1e-2);
      }

      assertThat(last.loss()).isLessThan(first / 4);
      assertThat(last.tokens()).isEqualTo(13);
      assertThat(last.meanEntropy()).isNaN();
    }
  }

  @Test
  void goesOnFromSavedStateWithTheSameBits(@TempDir Path directory) throws IOException {
    ModelConfig config = ReferenceDecoder.smallConfig(16, 2, 4, true, PositionIds.DIGIT_COUPLED);
    Path file = directory.resolve("optimizer.safetensors");
    Decoder decoder = ReferenceDecoder.decoderWithGains(config, 5);
    try (Decoder saved = Decoder.zeros(config);
        var trainer = new Trainer(decoder, OptimizerConfig.defaults(), 1)) {
      for (int step = 0; step < 3; step++) {
        trainer.step(rowsWithHoles(), LIKELIHOOD, 1e-2);
      }
      saved.copyFrom(decoder);
      trainer.saveOptimizer(file, Map.of("random", "42"));
      trainer.step(rowsWithHoles(), LIKELIHOOD, 1e-2);

      Decoder resumedDecoder = Decoder.zeros(config);
      try (var resumed = new Trainer(resumedDecoder, OptimizerConfig.defaults(), 1)) {
        resumedDecoder.copyFrom(saved);
        assertThat(resumed.loadOptimizer(file)).containsEntry("random", "42");
        resumed.step(rowsWithHoles(), LIKELIHOOD, 1e-2);

        assertThat(resumed.steps()).isEqualTo(4);
        assertThat(ReferenceDecoder.doubles(resumedDecoder.weights().flat()))
            .isEqualTo(ReferenceDecoder.doubles(decoder.weights().flat()));
      }
    }
  }

  @Test
  void aSnapshotStaysAsItWasWhileTrainingGoesOn(@TempDir Path directory) throws IOException {
    ModelConfig config = ReferenceDecoder.smallConfig(16, 2, 4, true, PositionIds.DIGIT_COUPLED);
    Path file = directory.resolve("optimizer.safetensors");
    Decoder decoder = ReferenceDecoder.decoderWithGains(config, 5);
    Decoder resumedDecoder = Decoder.zeros(config);
    try (var trainer = new Trainer(decoder, OptimizerConfig.defaults(), 1);
        var resumed = new Trainer(resumedDecoder, OptimizerConfig.defaults(), 1)) {
      trainer.step(rowsWithHoles(), LIKELIHOOD, 1e-2);
      try (TrainerSnapshot snapshot = trainer.snapshot(true)) {
        trainer.step(rowsWithHoles(), LIKELIHOOD, 1e-2);

        assertThat(snapshot.hasOptimizer()).isTrue();
        resumedDecoder.copyFrom(snapshot.decoder());
        snapshot.saveOptimizer(file, Map.of());
      }
      resumed.loadOptimizer(file);
      resumed.step(rowsWithHoles(), LIKELIHOOD, 1e-2);

      assertThat(resumed.steps()).isEqualTo(2);
      assertThat(ReferenceDecoder.doubles(resumedDecoder.weights().flat()))
          .isEqualTo(ReferenceDecoder.doubles(decoder.weights().flat()));
    }
  }

  @Test
  void aSnapshotSaysWhetherAWeightIsNotFinite() {
    ModelConfig config = ReferenceDecoder.smallConfig(16, 1, 2, true, PositionIds.DIGIT_COUPLED);
    Decoder decoder = ReferenceDecoder.decoderWithGains(config, 5);
    try (var trainer = new Trainer(decoder, OptimizerConfig.defaults(), 1);
        TrainerSnapshot sound = trainer.snapshot(false)) {
      assertThat(sound.isFinite()).isTrue();
      assertThat(sound.hasOptimizer()).isFalse();

      try (TrainerSnapshot damaged = trainer.snapshot(false);
          Tensor last = damaged.decoder().weights().flat().narrow(0, 7, 1)) {
        last.fill_(new Scalar(Double.NEGATIVE_INFINITY)).close();

        assertThat(damaged.isFinite()).isFalse();
      }
    }
  }

  @Test
  void beginsAnewWhenTheOptimizerIsReset() {
    ModelConfig config = ReferenceDecoder.smallConfig(16, 1, 2, true, PositionIds.DIGIT_COUPLED);
    Decoder decoder = ReferenceDecoder.decoderWithGains(config, 5);
    try (var trainer = new Trainer(decoder, OptimizerConfig.defaults(), 1);
        Decoder base = Decoder.zeros(config)) {
      base.copyFrom(decoder);
      trainer.step(rowsWithHoles(), LIKELIHOOD, 1e-2);
      double[] first = ReferenceDecoder.doubles(decoder.weights().flat());

      decoder.copyFrom(base);
      trainer.resetOptimizer();
      trainer.step(rowsWithHoles(), LIKELIHOOD, 1e-2);

      assertThat(ReferenceDecoder.doubles(decoder.weights().flat())).isEqualTo(first);
    }
  }

  @Test
  void takesTheSameStepWithOneReplicaHoweverManyThereAre() {
    ModelConfig config = ReferenceDecoder.smallConfig(16, 2, 4, true, PositionIds.DIGIT_COUPLED);
    Decoder alone = ReferenceDecoder.decoderWithGains(config, 5);
    Decoder shared = ReferenceDecoder.decoderWithGains(config, 5);
    try (var one = new Trainer(alone, OptimizerConfig.defaults(), 1);
        var three = new Trainer(shared, OptimizerConfig.defaults(), 3)) {
      // The others have gradients of their own, which must not be added a second time.
      three.step(rowsWithHoles(), LIKELIHOOD, 0, 3);
      three.resetOptimizer();
      one.step(rowsWithHoles(), LIKELIHOOD, 1e-2);

      StepResult result = three.step(rowsWithHoles(), LIKELIHOOD, 1e-2, 1);

      assertThat(result.tokens()).isEqualTo(13);
      assertThat(ReferenceDecoder.doubles(shared.weights().flat()))
          .isEqualTo(ReferenceDecoder.doubles(alone.weights().flat()));
      assertThatIllegalArgumentException()
          .isThrownBy(() -> three.step(rowsWithHoles(), LIKELIHOOD, 1e-2, 4))
          .withMessageContaining("[1, 3]");
    }
  }

  @Test
  void passesOnWhatAnObjectiveThrowsAndSumsWhatItReports() {
    ModelConfig config = ReferenceDecoder.smallConfig(16, 1, 2, true, PositionIds.DIGIT_COUPLED);
    try (var trainer =
        new Trainer(
            ReferenceDecoder.decoderWithGains(config, 5), OptimizerConfig.defaults(), 2, 12)) {
      assertThatIllegalArgumentException()
          .isThrownBy(() ->
              trainer.step(
                  rowsWithHoles(),
                  _ -> {
                    throw new IllegalArgumentException("no");
                  },
                  0.1))
          .withMessage("no");

      StepResult result =
          trainer.step(
              rowsWithHoles(),
              leaves ->
                  new LossValue(leaves.logp().sum(), Map.of("rows", (double) leaves.rowCount())),
              0);
      assertThat(result.sums()).containsExactly(Map.entry("rows", 4.0));
    }
  }

  @Test
  void scoresTokensAsPlainLoopsDo() {
    ModelConfig config = ReferenceDecoder.smallConfig(16, 2, 2, false, PositionIds.DIGIT_COUPLED);
    try (Decoder decoder = ReferenceDecoder.decoderWithGains(config, 5)) {
      var reference = new ReferenceDecoder(decoder);
      List<TrainingRow> rows = rowsWithHoles();

      List<float[]> scores = new TokenScorer(decoder, 12).score(rows);

      for (int r = 0; r < rows.size(); r++) {
        TrainingRow row = rows.get(r);
        double[][] logprobs = reference.logprobs(row.ids(), row.temperature());
        int at = 0;
        for (int t = 1; t < row.ids().length; t++) {
          if (row.lossMask()[t]) {
            assertThat((double) scores.get(r)[at++])
                .isCloseTo(logprobs[t - 1][row.ids()[t]], within(2e-5));
          }
        }
        assertThat(scores.get(r)).hasSize(at);
      }
    }
  }

  @Test
  void dealsEveryRowToOneReplicaAndBalancesTokens() {
    var rows = new ArrayList<TrainingRow>();
    var random = new SplittableRandom(3);
    for (int i = 0; i < 128; i++) {
      rows.add(TrainingRow.of(new int[random.nextInt(8, 42)], 2, 1));
    }

    List<List<int[]>> parts = Partition.of(rows, 2, 500);

    var seen = new boolean[rows.size()];
    var tokens = new int[2];
    for (int r = 0; r < 2; r++) {
      for (int[] microBatch : parts.get(r)) {
        int sum = 0;
        for (int row : microBatch) {
          assertThat(seen[row]).isFalse();
          seen[row] = true;
          sum += rows.get(row).ids().length;
        }
        assertThat(sum).isLessThanOrEqualTo(500);
        tokens[r] += sum;
      }
    }
    assertThat(seen).doesNotContain(false);
    assertThat(Math.abs(tokens[0] - tokens[1])).isLessThan(42);
  }

  /// Rows of three lengths; in one a token inside the completion carries no loss.
  private static List<TrainingRow> rowsWithHoles() {
    List<int[]> ids = ReferenceDecoder.rows();
    var hole = new boolean[11];
    for (int t : new int[] {5, 6, 8, 10}) {
      hole[t] = true;
    }
    return List.of(
        TrainingRow.of(ids.get(0), 7, 1),
        TrainingRow.of(ids.get(1), 5, 0.7),
        new TrainingRow(ids.get(2), hole, 1.3),
        TrainingRow.of(ids.get(3), 1, 1));
  }
}
