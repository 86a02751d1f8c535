package io.gradus.benchmarks;

import io.gradus.core.task.Addition;
import io.gradus.core.task.ArithmeticFormat;
import io.gradus.core.task.GoldText;
import io.gradus.policy.AttentionShape;
import io.gradus.policy.CharacterVocabulary;
import io.gradus.policy.Decoder;
import io.gradus.policy.Initialization;
import io.gradus.policy.ModelConfig;
import io.gradus.policy.PositionIds;
import io.gradus.policy.Rope;
import io.gradus.policy.training.TrainingRow;
import java.util.ArrayList;
import java.util.List;

/// The decoder of `examples/addition.yaml` with random weights, and sums to feed it.
final class AdditionModel {

  private static final CharacterVocabulary VOCABULARY = CharacterVocabulary.of("0123456789+=#!*");
  private static final Addition SUMS = new Addition(ArithmeticFormat.DIRECT);

  private AdditionModel() {}

  static Decoder decoder() {
    return Decoder.initialize(
        ModelConfig.llama(
            VOCABULARY.size(),
            64,
            2,
            AttentionShape.llama(4, 4, 16, Rope.plain(10_000)),
            176,
            1e-5,
            true,
            256,
            PositionIds.DIGIT_COUPLED,
            VOCABULARY),
        new Initialization(0.1, true),
        1);
  }

  /// Prompts of sums, as many of each length from 1 to `longest` as fit.
  static List<int[]> prompts(int count, int longest) {
    var prompts = new ArrayList<int[]>();
    for (int i = 0; i < count; i++) {
      prompts.add(ids(SUMS.gold(1, 1 + i % longest, i).prompt(), false));
    }
    return prompts;
  }

  /// Sums with their answers, likewise.
  static List<TrainingRow> rows(int count, int longest) {
    var rows = new ArrayList<TrainingRow>();
    for (int i = 0; i < count; i++) {
      GoldText gold = SUMS.gold(1, 1 + i % longest, i);
      rows.add(
          TrainingRow.of(
              ids(gold.prompt() + gold.completion(), true), 1 + gold.prompt().length(), 1));
    }
    return rows;
  }

  private static int[] ids(String text, boolean isWhole) {
    int[] encoded = VOCABULARY.encode(text);
    var ids = new int[1 + encoded.length + (isWhole ? 1 : 0)];
    ids[0] = VOCABULARY.bos();
    System.arraycopy(encoded, 0, ids, 1, encoded.length);
    if (isWhole) {
      ids[ids.length - 1] = VOCABULARY.eos();
    }
    return ids;
  }
}
