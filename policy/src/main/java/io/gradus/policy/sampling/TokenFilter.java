package io.gradus.policy.sampling;

import org.bytedeco.pytorch.BoolOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.T_TensorTensor_T;
import org.bytedeco.pytorch.Tensor;

/// Leaves out improbable tokens: top-k, then top-p, then min-p, as transformers' warpers do.
///
/// Each works on what the one before left, renormalised. The most probable token always stays.
final class TokenFilter {

  private static final double REFUSED = Double.NEGATIVE_INFINITY;

  private final SamplingParameters parameters;

  TokenFilter(SamplingParameters parameters) {
    this.parameters = parameters;
  }

  /// A tensor like `logprobsBV` with -∞ at the tokens left out.
  Tensor apply(Tensor logprobsBV) {
    Tensor left = logprobsBV;
    if (parameters.topK() > 0 && parameters.topK() < logprobsBV.size(1)) {
      T_TensorTensor_T top = left.topk(parameters.topK(), -1, true, true);
      Tensor least = top.get0().narrow(1, parameters.topK() - 1L, 1);
      left = left.masked_fill(left.lt(least), new Scalar(REFUSED));
    }
    if (parameters.topP() < 1) {
      T_TensorTensor_T sorted = left.sort(new BoolOptional(true), -1, false);
      Tensor mass = sorted.get0().softmax(-1).cumsum(-1);
      // Ascending: a token goes when it and all below it hold no more than 1 - top_p.
      Tensor refusedInOrder = mass.le(new Scalar(1 - parameters.topP()));
      refusedInOrder.narrow(1, refusedInOrder.size(1) - 1, 1).fill_(new Scalar(0.0));
      Tensor refused = refusedInOrder.scatter(1, sorted.get1(), refusedInOrder);
      left = left.masked_fill(refused, new Scalar(REFUSED));
    }
    if (parameters.minP() > 0) {
      Tensor probabilities = left.softmax(-1);
      Tensor least = probabilities.amax(new long[] {-1}, true).mul_(new Scalar(parameters.minP()));
      left = left.masked_fill(probabilities.lt(least), new Scalar(REFUSED));
    }
    return left;
  }
}
