package io.gradus.learner.objective;

import io.gradus.policy.nativememory.NativeMemory;
import io.gradus.policy.training.LeafTensors;
import io.gradus.policy.training.LossValue;
import io.gradus.policy.training.TokenLoss;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.AutoGradMode;
import org.bytedeco.pytorch.Tensor;

/// Evaluates a loss on given log-probabilities, without a model.
final class Leaves {

  /// A loss, its gradients by log-probabilities and entropies, and what it reported.
  @SuppressWarnings("ArrayRecordComponent") // Compared by nobody.
  record Evaluated(double loss, double[] byLogprob, double[] byEntropy, Map<String, Double> sums) {}

  private Leaves() {}

  /// @param logprobs one array a row, of its tokens that carry loss
  /// @param entropies likewise
  static Evaluated evaluate(TokenLoss loss, List<float[]> logprobs, List<float[]> entropies) {
    int[] rows = IntStream.range(0, logprobs.size()).toArray();
    int tokens = logprobs.stream().mapToInt(row -> row.length).sum();
    return evaluate(loss, logprobs, entropies, rows, tokens);
  }

  /// Of some rows, in the order given, as a micro-batch of a step of `batchTokens` tokens.
  static Evaluated evaluate(
      TokenLoss loss,
      List<float[]> logprobs,
      List<float[]> entropies,
      int[] rows,
      long batchTokens) {
    NativeMemory.prepareThread();
    try (var _ = new PointerScope();
        var _ = new AutoGradMode(true)) {
      Tensor logp = Tensor.create(flat(logprobs, rows)).set_requires_grad(true);
      Tensor entropy = Tensor.create(flat(entropies, rows)).set_requires_grad(true);
      int[] counts = Arrays.stream(rows).map(row -> logprobs.get(row).length).toArray();
      LossValue value =
          loss.evaluate(new LeafTensors(logp, entropy, rows, counts, batchTokens, logprobs.size()));
      value.loss().backward();
      return new Evaluated(
          value.loss().item_double(), gradient(logp), gradient(entropy), value.sums());
    }
  }

  private static float[] flat(List<float[]> values, int[] rows) {
    int size = Arrays.stream(rows).map(row -> values.get(row).length).sum();
    var flat = new float[size];
    int at = 0;
    for (int row : rows) {
      System.arraycopy(values.get(row), 0, flat, at, values.get(row).length);
      at += values.get(row).length;
    }
    return flat;
  }

  private static double[] gradient(Tensor leaf) {
    var result = new double[Math.toIntExact(leaf.numel())];
    Tensor gradient = leaf.grad();
    if (gradient.defined()) {
      var pointer = new FloatPointer(gradient.contiguous().data_ptr_float());
      for (int i = 0; i < result.length; i++) {
        result[i] = pointer.get(i);
      }
    }
    return result;
  }
}
