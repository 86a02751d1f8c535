package io.gradus.learner.batch;

import io.gradus.learner.objective.Example;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

/// Splits a batch into optimizer steps, as a pure function of the run's seed and the batch's
/// number: a learner that applies a batch again takes the very same steps.
public final class Split {

  private static final long GOLDEN = 0x9E3779B97F4A7C15L;

  private Split() {}

  /// The examples of each optimizer step, in order: `epochs` passes of `minibatches` steps.
  ///
  /// Each pass deals the units out in an order of its own, into parts whose sizes differ by at most
  /// one; with more minibatches than units the last ones are left out. A pass in one step keeps the
  /// order of the draw.
  public static List<List<Example>> steps(TrainingBatch batch, long seed) {
    int units = batch.units().size();
    int parts = Math.min(batch.minibatches(), units);
    var steps = new ArrayList<List<Example>>(parts * batch.epochs());
    for (int epoch = 0; epoch < batch.epochs(); epoch++) {
      int[] order = order(units, parts, seed, batch.number().value(), epoch);
      for (int part = 0; part < parts; part++) {
        int from = (int) ((long) units * part / parts);
        int to = (int) ((long) units * (part + 1) / parts);
        var examples = new ArrayList<Example>();
        for (int i = from; i < to; i++) {
          examples.addAll(batch.units().get(order[i]));
        }
        steps.add(examples);
      }
    }
    return steps;
  }

  private static int[] order(int units, int parts, long seed, long batch, int epoch) {
    var order = new int[units];
    for (int i = 0; i < units; i++) {
      order[i] = i;
    }
    if (parts == 1) {
      return order;
    }
    // Multiplied by an odd constant each before they are added, so that neighbouring batches and
    // passes do not start from neighbouring states.
    var random = new SplittableRandom((seed * GOLDEN + batch) * GOLDEN + epoch);
    for (int i = units - 1; i > 0; i--) {
      int j = random.nextInt(i + 1);
      int kept = order[i];
      order[i] = order[j];
      order[j] = kept;
    }
    return order;
  }
}
