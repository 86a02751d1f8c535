package io.gradus.policy;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;

/* The forms of the weights that a pass multiplies with.
 *
 * Three rewritings, none of which changes the function:
 *
 *  1. The gain of an RMSNorm multiplies the columns of the matrix behind it: W (g * x) = (W diag g) x.
 *     One product over the small matrix replaces one over all tokens, forwards and backwards.
 *  2. The rows of the query and key projections are permuted inside each head from transformers'
 *     half-split order (x_0 .. x_{d/2-1}, y_0 .. y_{d/2-1}) to pairs (x_0, y_0, x_1, y_1, ..), so that
 *     the rotary embedding is one multiplication of complex numbers. Scores are dot products of
 *     queries with keys, which a common permutation leaves alone.
 *  3. What the first block's query, key and value projections see depends on the token alone, so
 *     for a small vocabulary they are computed once for each token of it and looked up.
 */

/// Weights as a pass wants them: gains folded in, heads in pairs, the first projections tabulated.
///
/// A snapshot: it does not follow later changes of the weights. Whoever makes one closes it.
public final class FusedWeights implements AutoCloseable {

  /// Above this many tokens the table of first projections costs more than it saves.
  private static final int LARGEST_TABULATED_VOCABULARY = 1024;

  private final List<Pointer> owned = new ArrayList<>();
  private final Decoder decoder;
  private final Tensor embedding;
  private final List<Layer> layers = new ArrayList<>();
  private final Tensor outputVH;
  private final Tensor outputHV;

  /// Operands of every norm, made once: at these sizes an allocation counts.
  private final Scalar two;

  private final Scalar reciprocalWidth;
  private final Scalar reciprocalHeadDim;
  private final Tensor epsilon;

  /// The table of rewriting 3, if there is one.
  private final @Nullable FirstProjection firstProjection;

  /// One block's matrices and their transposed views, and what else it has; null what it does not.
  ///
  /// @param headGains gains of the norms of all query heads, then of all key heads, `[heads + key
  ///   heads, D]`, in pairs like the heads
  record Layer(
      Tensor qkv,
      Tensor qkvT,
      @Nullable Tensor qkvBias,
      @Nullable Tensor headGains,
      Tensor output,
      Tensor outputT,
      @Nullable Tensor outputBias,
      Tensor gateUp,
      Tensor gateUpT,
      @Nullable Tensor gateUpBias,
      Tensor down,
      Tensor downT,
      @Nullable Tensor downBias) {}

  /// The first block's normed embedding and its projections, for each token of the vocabulary.
  ///
  /// @param scaleV reciprocal root mean square of each embedding, `[V, 1]`
  /// @param normedVH embedding times scale
  /// @param qkv `[V, A + 2K]`, before the rotary embedding
  record FirstProjection(Tensor scaleV, Tensor normedVH, Tensor qkv) {}

  FusedWeights(Decoder decoder) {
    this.decoder = decoder;
    ModelConfig config = decoder.config();
    Parameters weights = decoder.weights();
    try (var _ = new PointerScope()) {
      two = own(new Scalar(2.0));
      reciprocalWidth = own(new Scalar(1.0 / config.hiddenSize()));
      reciprocalHeadDim = own(new Scalar(1.0 / config.attention().headDim()));
      epsilon = own(Tensor.create((float) config.rmsNormEpsilon()));
      embedding = weights.embedding();
      for (int l = 0; l < config.layers(); l++) {
        Parameters.Layer layer = weights.layer(l);
        Tensor qkv = own(layer.qkv().index_select(0, decoder.pairedRows()).mul_(layer.inputNorm()));
        Tensor gateUp = own(layer.gateUp().mul(layer.postNorm()));
        Tensor bias = layer.qkvBias();
        layers.add(
            new Layer(
                qkv,
                own(qkv.t()),
                bias == null ? null : own(bias.index_select(0, decoder.pairedRows())),
                headGains(layer),
                layer.output(),
                own(layer.output().t()),
                layer.outputBias(),
                gateUp,
                own(gateUp.t()),
                layer.gateUpBias(),
                layer.down(),
                own(layer.down().t()),
                layer.downBias()));
      }
      outputVH = own(weights.outputProjection().mul(weights.finalNorm()));
      outputHV = own(outputVH.t());
      if (config.vocabSize() <= LARGEST_TABULATED_VOCABULARY) {
        Tensor scale = own(reciprocalRms(embedding));
        Tensor normed = own(embedding.mul(scale));
        Layer first = layers.getFirst();
        Tensor qkv = own(product(normed, first.qkvT(), first.qkvBias()));
        firstProjection = new FirstProjection(scale, normed, qkv);
      } else {
        firstProjection = null;
      }
    }
  }

  Layer layer(int index) {
    return layers.get(index);
  }

  /// The table of first projections, if the vocabulary is small enough to have one.
  Optional<FirstProjection> firstProjection() {
    return Optional.ofNullable(firstProjection);
  }

  /// Token embeddings, `[V, H]`.
  Tensor embedding() {
    return embedding;
  }

  /// The matrix behind the last norm with its gain folded in, `[V, H]`.
  Tensor outputVH() {
    return outputVH;
  }

  Decoder decoder() {
    return decoder;
  }

  /// Logits of hidden states that a pass returned, `[S, V]`.
  public Tensor logits(Tensor hiddenSH) {
    return hiddenSH.mm(outputHV);
  }

  /// `x W + b`, rows of `x` by a transposed matrix, with the bias where there is one.
  static Tensor product(Tensor x, Tensor matrixT, @Nullable Tensor bias) {
    return bias == null ? x.mm(matrixT) : torch.addmm(bias, x, matrixT);
  }

  /// `1 / sqrt(mean(x²) + epsilon)` of each row of `x`, `[rows, 1]`.
  Tensor reciprocalRms(Tensor x) {
    return reciprocalRms(x, reciprocalWidth);
  }

  /// The same of each head of `x`, `[rows, heads, D]`: `[rows, heads, 1]`.
  Tensor reciprocalRmsOfHeads(Tensor x) {
    return reciprocalRms(x, reciprocalHeadDim);
  }

  private Tensor reciprocalRms(Tensor x, Scalar reciprocal) {
    Tensor norm = torch.linalg_vector_norm(x, two, new long[] {-1}, true, new ScalarTypeOptional());
    return epsilon.addcmul(norm, norm, reciprocal).rsqrt_();
  }

  private @Nullable Tensor headGains(Parameters.Layer layer) {
    Tensor query = layer.queryNorm();
    Tensor key = layer.keyNorm();
    if (query == null || key == null) {
      return null;
    }
    AttentionShape attention = decoder.config().attention();
    // The first rows of the pairing are those of one head.
    Tensor paired = decoder.pairedRows().narrow(0, 0, attention.headDim());
    Tensor ofQueries = query.index_select(0, paired).view(1, -1);
    Tensor ofKeys = key.index_select(0, paired).view(1, -1);
    return own(
        torch.cat(
            new TensorVector(
                ofQueries.expand(attention.heads(), attention.headDim()),
                ofKeys.expand(attention.keyValueHeads(), attention.headDim()))));
  }

  @Override
  public void close() {
    for (Pointer pointer : owned.reversed()) {
      pointer.close();
    }
    owned.clear();
  }

  private <P extends Pointer> P own(P pointer) {
    pointer.retainReference();
    owned.add(pointer);
    return pointer;
  }
}
