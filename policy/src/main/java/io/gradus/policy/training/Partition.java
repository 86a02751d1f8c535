package io.gradus.policy.training;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;

/// Splits the rows of a batch among replicas, and those of a replica into micro-batches.
final class Partition {

  private Partition() {}

  /// For each replica its micro-batches, each a list of row numbers.
  ///
  /// Rows are dealt out in the order of their length, back and forth, so that replicas have nearly
  /// the same number of tokens and the same lengths. Rows without loss are left out. A micro-batch
  /// holds rows of neighbouring lengths and at most `tokensPerMicrobatch` tokens, unless a single
  /// row has more.
  static List<List<int[]>> of(List<TrainingRow> rows, int replicas, int tokensPerMicrobatch) {
    var order = new ArrayList<Integer>();
    for (int i = 0; i < rows.size(); i++) {
      if (rows.get(i).lossTokens() > 0) {
        order.add(i);
      }
    }
    order.sort(Comparator.comparingInt(i -> rows.get(i).ids().length));
    var result = new ArrayList<List<int[]>>();
    for (int r = 0; r < replicas; r++) {
      var microBatches = new ArrayList<int[]>();
      var current = new int[order.size()];
      int count = 0;
      int tokens = 0;
      for (int i = 0; i < order.size(); i++) {
        int round = i / replicas;
        int owner = round % 2 == 0 ? i % replicas : replicas - 1 - i % replicas;
        if (owner != r) {
          continue;
        }
        int length = rows.get(order.get(i)).ids().length;
        if (count > 0 && tokens + length > tokensPerMicrobatch) {
          microBatches.add(Arrays.copyOf(current, count));
          count = 0;
          tokens = 0;
        }
        current[count++] = order.get(i);
        tokens += length;
      }
      if (count > 0) {
        microBatches.add(Arrays.copyOf(current, count));
      }
      result.add(microBatches);
    }
    return result;
  }
}
