package io.gradus.policy.training;

import io.gradus.policy.DecoderPass;
import io.gradus.policy.DecoderPass.Purpose;
import io.gradus.policy.FusedWeights;
import io.gradus.policy.ModelConfig;
import io.gradus.policy.PackedRows;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.pytorch.AutoGradMode;
import org.bytedeco.pytorch.BoolOptional;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;

/// Rows that go through the decoder together, and the tokens of them that carry loss.
final class MicroBatch {

  private final PackedRows packed;
  private final int[] rowNumbers;
  private final int[] tokenCounts;
  private final long[] targetsN;
  private final long[] outputsN;
  private final float[] temperaturesN;
  private final boolean allSelected;
  private final boolean allAtOne;

  /// @param all the caller's rows
  /// @param numbers which of them, each with at least one token that carries loss
  MicroBatch(ModelConfig config, List<TrainingRow> all, int[] numbers) {
    var inputs = new ArrayList<int[]>(numbers.length);
    var firstNeeded = new int[numbers.length];
    int tokens = 0;
    for (int i = 0; i < numbers.length; i++) {
      TrainingRow row = all.get(numbers[i]);
      inputs.add(Arrays.copyOf(row.ids(), row.ids().length - 1));
      while (!row.lossMask()[firstNeeded[i] + 1]) {
        firstNeeded[i]++;
      }
      tokens += row.lossTokens();
    }
    packed = PackedRows.of(config, inputs, firstNeeded);
    rowNumbers = new int[numbers.length];
    tokenCounts = new int[numbers.length];
    targetsN = new long[tokens];
    outputsN = new long[tokens];
    temperaturesN = new float[tokens];
    int at = 0;
    boolean ones = true;
    for (int i = 0; i < numbers.length; i++) {
      int packedRow = packed.row(i);
      TrainingRow row = all.get(numbers[packedRow]);
      rowNumbers[i] = numbers[packedRow];
      for (int t = 1; t < row.ids().length; t++) {
        if (row.lossMask()[t]) {
          targetsN[at] = row.ids()[t];
          outputsN[at] = packed.selectedIndex(packedRow, t - 1);
          temperaturesN[at] = (float) row.temperature();
          at++;
          tokenCounts[i]++;
        }
      }
      ones &= row.temperature() == 1;
    }
    allAtOne = ones;
    allSelected = tokens == packed.selected();
  }

  /// What a backward pass found.
  record Outcome(double loss, double entropySum, LossValue value) {}

  /// Log-probabilities of the tokens that carry loss; with them what the gradient needs.
  private record Head(Tensor logprobsNV, Tensor targetsN1, Tensor logprobsN) {}

  /// Adds the gradient of `loss` to the decoder's; everything native belongs to the caller's scope.
  Outcome backward(FusedWeights weights, TokenLoss loss, long batchTokens, int batchRows) {
    var pass = new DecoderPass(weights, packed, Purpose.TRAINING);
    Tensor logprobs;
    Tensor entropies = null;
    Tensor entropyLeaf = null;
    Head head;
    try (var _ = new NoGradGuard()) {
      head = head(weights, pass.forward());
      logprobs = head.logprobsN.detach().set_requires_grad(true);
      if (loss.needsEntropy()) {
        entropies = entropies(head.logprobsNV);
        entropyLeaf = entropies.detach().set_requires_grad(true);
      }
    }
    LossValue value;
    try (var _ = new AutoGradMode(true)) {
      value =
          loss.evaluate(
              new LeafTensors(
                  logprobs, entropyLeaf, rowNumbers, tokenCounts, batchTokens, batchRows));
      if (value.loss().numel() != 1) {
        throw new IllegalArgumentException(
            "the loss has %d numbers but must be one".formatted(value.loss().numel()));
      }
      if (value.loss().requires_grad()) {
        var leaves =
            entropyLeaf == null
                ? new TensorVector(logprobs)
                : new TensorVector(logprobs, entropyLeaf);
        TensorVector found =
            torch.grad(
                new TensorVector(value.loss()),
                leaves,
                new TensorVector(),
                new BoolOptional(),
                false,
                true);
        backward(pass, head, found, entropies);
      }
    }
    double entropySum = entropies == null ? Double.NaN : entropies.sum().item_double();
    return new Outcome(value.loss().item_double(), entropySum, value);
  }

  /// The log-probabilities of the tokens that carry loss, and entropies, row by row of the
  /// caller's.
  void score(FusedWeights weights, List<float[]> logprobsOfRow) {
    var pass = new DecoderPass(weights, packed, Purpose.INFERENCE);
    try (var _ = new NoGradGuard()) {
      Head head = head(weights, pass.forward());
      var flat = new float[targetsN.length];
      new FloatPointer(head.logprobsN.data_ptr_float()).get(flat);
      int at = 0;
      for (int i = 0; i < rowNumbers.length; i++) {
        logprobsOfRow.set(rowNumbers[i], Arrays.copyOfRange(flat, at, at + tokenCounts[i]));
        at += tokenCounts[i];
      }
    }
  }

  private Head head(FusedWeights weights, Tensor hiddenSH) {
    Tensor needed = allSelected ? hiddenSH : hiddenSH.index_select(0, Tensor.create(outputsN));
    Tensor logits = weights.logits(needed);
    if (!allAtOne) {
      logits.div_(Tensor.create(temperaturesN, temperaturesN.length, 1));
    }
    Tensor logprobsNV = logits.log_softmax(-1);
    Tensor targets = Tensor.create(targetsN, targetsN.length, 1);
    return new Head(logprobsNV, targets, logprobsNV.gather(1, targets).view(-1));
  }

  private static Tensor entropies(Tensor logprobsNV) {
    return logprobsNV.exp().mul_(logprobsNV).sum(1).neg_();
  }

  /* With z the logits over temperature, p their softmax, H its entropy and y the token:
   * d log p_y / dz = 1_y - p and dH / dz_j = -p_j (log p_j + H). */
  private void backward(
      DecoderPass pass, Head head, TensorVector found, @Nullable Tensor entropies) {
    try (var _ = new NoGradGuard()) {
      Tensor probabilities = head.logprobsNV.exp();
      Tensor dLogits;
      if (found.get(0).defined()) {
        Tensor dLogprobs = found.get(0).view(-1, 1);
        dLogits = probabilities.mul(dLogprobs).neg_();
        dLogits.scatter_add_(1, head.targetsN1, dLogprobs);
      } else {
        dLogits = torch.zeros_like(probabilities);
      }
      if (entropies != null && found.get(1).defined()) {
        Tensor dEntropies = found.get(1).view(-1, 1);
        Tensor surprise = head.logprobsNV.add(entropies.view(-1, 1)).mul_(probabilities);
        dLogits.addcmul_(surprise, dEntropies, new Scalar(-1.0));
      }
      if (!allAtOne) {
        dLogits.div_(Tensor.create(temperaturesN, temperaturesN.length, 1));
      }
      if (!allSelected) {
        Tensor all = torch.zeros(packed.selected(), dLogits.size(1));
        dLogits = all.index_copy_(0, Tensor.create(outputsN), dLogits);
      }
      pass.backward(dLogits);
    }
  }
}
