package io.gradus.learner.batch;

import io.gradus.core.batch.GoldRange;
import io.gradus.core.task.GoldBatch;
import io.gradus.core.task.GoldText;
import io.gradus.policy.CharacterVocabulary;
import io.gradus.policy.training.TrainingRow;
import java.util.ArrayList;
import java.util.List;

/// Gold text as rows: BOS and prompt, then completion and EOS, which carry loss.
public final class GoldRows {

  private GoldRows() {}

  /// The rows of a range, in order.
  ///
  /// @throws IllegalArgumentException if this build has no such generator, or the vocabulary lacks
  ///   a character of its text
  public static List<TrainingRow> of(GoldRange range, CharacterVocabulary vocabulary) {
    var rows = new ArrayList<TrainingRow>(range.count());
    for (GoldText text : GoldBatch.sequences(range)) {
      int[] prompt = vocabulary.encode(text.prompt());
      int[] completion = vocabulary.encode(text.completion());
      var ids = new int[prompt.length + completion.length + 2];
      ids[0] = vocabulary.bos();
      System.arraycopy(prompt, 0, ids, 1, prompt.length);
      System.arraycopy(completion, 0, ids, 1 + prompt.length, completion.length);
      ids[ids.length - 1] = vocabulary.eos();
      rows.add(TrainingRow.of(ids, 1 + prompt.length, 1));
    }
    return rows;
  }
}
