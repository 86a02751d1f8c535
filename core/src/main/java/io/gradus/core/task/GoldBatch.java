package io.gradus.core.task;

import io.gradus.core.batch.GoldRange;
import java.util.ArrayList;
import java.util.List;

/// Makes the text of warm-up batches from their names, for the learner that trains on it and for
/// the audit that checks what it may have been.
public final class GoldBatch {

  private GoldBatch() {}

  /// The sequences of a range, in order. Sequence i of a seed takes its stratum from draw i of the
  /// strata and is gold text i of that stratum, so ranges that do not overlap share no sequence.
  ///
  /// @throws IllegalArgumentException if this build has no such generator in that version
  public static List<GoldText> sequences(GoldRange range) {
    TaskFamily family = TaskFamily.named(range.generator(), range.generatorVersion());
    int strata = range.lastStratum() - range.firstStratum() + 1;
    var sequences = new ArrayList<GoldText>(range.count());
    for (int i = 0; i < range.count(); i++) {
      long index = range.firstIndex() + i;
      int drawn = new Draws(range.seed(), Draws.Stream.GOLD_STRATUM, 0, index).below(strata);
      sequences.add(family.gold(range.seed(), range.firstStratum() + drawn, index));
    }
    return List.copyOf(sequences);
  }
}
