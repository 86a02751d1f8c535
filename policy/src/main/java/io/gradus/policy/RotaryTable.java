package io.gradus.policy;

import io.gradus.policy.nativememory.Scoped;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/// The complex numbers `exp(i p f_j)`, f the frequencies of a [Rope], that turn the pairs of query
/// and key heads at position p.
///
/// Rows are positions; a row holds the d/2 numbers of one head, repeated for every query and key
/// head, so that one contiguous multiplication serves all. Angles are rounded to float the way
/// transformers rounds them, which matters at large positions: there the rounding of the angle
/// exceeds that of everything behind it.
///
/// @param turnPC `[positions, (A + K) / 2]`, complex64
/// @param turnBackPC its conjugate, for the backward pass
record RotaryTable(int positions, Tensor turnPC, Tensor turnBackPC) implements AutoCloseable {

  static RotaryTable of(ModelConfig config, int positions) {
    AttentionShape attention = config.attention();
    float[] frequencies = attention.rope().frequencies(attention.headDim());
    int pairs = frequencies.length;
    int heads = attention.heads() + attention.keyValueHeads();
    var turn = new float[positions * heads * pairs * 2];
    int at = 0;
    for (int p = 0; p < positions; p++) {
      int row = at;
      for (int j = 0; j < pairs; j++) {
        float angle = p * frequencies[j];
        turn[at++] = (float) Math.cos(angle);
        turn[at++] = (float) Math.sin(angle);
      }
      for (int h = 1; h < heads; h++, at += 2 * pairs) {
        System.arraycopy(turn, row, turn, at, 2 * pairs);
      }
    }
    long[] shape = {positions, (long) heads * pairs, 2};
    Tensor turnPC =
        Scoped.keepingResult(
            () -> torch.view_as_complex(Tensor.create(turn, shape)).contiguous().clone());
    return new RotaryTable(
        positions, turnPC, Scoped.keepingResult(() -> torch.conj_physical(turnPC)));
  }

  @Override
  public void close() {
    turnBackPC.close();
    turnPC.close();
  }
}
