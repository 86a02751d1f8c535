package io.gradus.policy.training;

/// An objective, as a function of the log-probabilities and entropies of the tokens that carry
/// loss.
///
/// It is called once a micro-batch, with gradients enabled, possibly on several threads at once,
/// and must not keep a tensor.
public interface TokenLoss {

  /// The loss of a micro-batch: one summand of the loss of the whole batch.
  LossValue evaluate(LeafTensors leaves);

  /// Whether [LeafTensors#entropy] will be asked for; entropies cost a pass over the vocabulary.
  default boolean needsEntropy() {
    return false;
  }
}
