package io.gradus.policy;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.Tensor;
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
  private final Tensor epsilon;

  /// The table of rewriting 3, if there is one.
  private final @Nullable FirstProjection firstProjection;

  /// One block's matrices and their transposed views.
  record Layer(
      Tensor qkv,
      Tensor qkvT,
      Tensor output,
      Tensor outputT,
      Tensor gateUp,
      Tensor gateUpT,
      Tensor down,
      Tensor downT) {}

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
      epsilon = own(Tensor.create((float) config.rmsNormEpsilon()));
      embedding = weights.embedding();
      for (int l = 0; l < config.layers(); l++) {
        Parameters.Layer layer = weights.layer(l);
        Tensor qkv = own(layer.qkv().index_select(0, decoder.pairedRows()).mul_(layer.inputNorm()));
        Tensor gateUp = own(layer.gateUp().mul(layer.postNorm()));
        layers.add(
            new Layer(
                qkv,
                own(qkv.t()),
                layer.output(),
                own(layer.output().t()),
                gateUp,
                own(gateUp.t()),
                layer.down(),
                own(layer.down().t())));
      }
      outputVH = own(weights.outputProjection().mul(weights.finalNorm()));
      outputHV = own(outputVH.t());
      if (config.vocabSize() <= LARGEST_TABULATED_VOCABULARY) {
        Tensor scale = own(reciprocalRms(embedding));
        Tensor normed = own(embedding.mul(scale));
        Tensor qkv = own(normed.mm(layers.getFirst().qkvT()));
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

  /// `1 / sqrt(mean(x²) + epsilon)` of each row of `x`, `[rows, 1]`.
  Tensor reciprocalRms(Tensor x) {
    Tensor norm = torch.linalg_vector_norm(x, two, new long[] {-1}, true, new ScalarTypeOptional());
    return epsilon.addcmul(norm, norm, reciprocalWidth).rsqrt_();
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
