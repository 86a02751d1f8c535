package io.gradus.policy;

import io.gradus.policy.PackedRows.Bucket;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.bytedeco.pytorch.AutoGradMode;
import org.bytedeco.pytorch.BoolOptional;
import org.bytedeco.pytorch.DoubleOptional;
import org.bytedeco.pytorch.LongOptional;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;

/* One forward pass over packed rows, and the backward pass through it, written out by hand.
 *
 * Why not let autograd differentiate the whole: at 100,000 parameters a step is a few milliseconds,
 * and the time goes into memory traffic and intermediate tensors rather than into products. By hand,
 * gradients are added where they belong (views on one flat buffer), an RMSNorm costs two operations
 * backwards instead of ten, rows are not padded, the first projections are looked up by token, and
 * the last block works on selected tokens only. Attention alone is differentiated by autograd, one
 * bucket at a time, because ATen's fused kernel keeps what its own backward needs.
 *
 * With x a row of the residual stream, s = 1/sqrt(mean(x²) + ε), n = s x, y = W n (the gain is folded
 * into W) and g = dL/dn:   dL/dx = s (g - n mean(g n)).
 */

/// One pass through a decoder: hidden states of the selected tokens, then gradients.
///
/// Everything it creates belongs to the pointer scope of the caller, which therefore spans forward
/// and backward. Gradients are added to [Decoder#gradients], not stored over them.
public final class DecoderPass {

  private final FusedWeights weights;
  private final ModelConfig config;
  private final PackedRows rows;
  private final boolean keepsTape;
  private final Tensor idsN;
  private final Tensor turnNC;
  private final Tensor turnSC;
  private final @Nullable Tensor selectedS;
  private final List<Block> tape = new ArrayList<>();
  private final List<Tensor> keyValues = new ArrayList<>();
  private @Nullable Tensor finalScaleS1;
  private @Nullable Tensor finalNormedSH;

  /// What one block leaves behind for its backward pass.
  ///
  /// @param input its scale and normed rows over all N tokens; absent where they were looked up
  /// @param selectedNormed normed rows of the selected tokens, if these are fewer
  /// @param headNorms normed queries and keys before their gains, where the block norms them
  /// @param attention one differentiable attention a bucket
  private record Block(
      Optional<Normed> input,
      @Nullable Tensor selectedNormed,
      List<Normed> headNorms,
      List<Attention> attention,
      Tensor headsSA,
      Normed middle,
      Tensor gateUpS2F,
      Tensor activatedSF,
      Tensor productSF) {}

  /// Scale `[rows, 1]` and normed rows `[rows, H]`; of heads `[rows, heads, 1]` and `[rows, heads,
  /// D]`.
  record Normed(Tensor scale, Tensor rows) {}

  /// A bucket's attention: leaves of a small autograd graph and its result.
  private record Attention(Bucket bucket, Tensor query, Tensor key, Tensor value, Tensor result) {}

  /// Whether a backward pass will follow.
  public enum Purpose {
    INFERENCE,
    TRAINING
  }

  public DecoderPass(FusedWeights weights, PackedRows rows, Purpose purpose) {
    this.weights = weights;
    this.rows = rows;
    config = weights.decoder().config();
    keepsTape = purpose == Purpose.TRAINING;
    idsN = Tensor.create(rows.idsN());
    long largest = 0;
    for (long position : rows.positionsN()) {
      largest = Math.max(largest, position);
    }
    Tensor table = weights.decoder().rotary(largest).turnPC();
    turnNC = table.index_select(0, Tensor.create(rows.positionsN()));
    if (rows.selected() == rows.tokens()) {
      selectedS = null;
      turnSC = turnNC;
    } else {
      selectedS = Tensor.create(rows.selectedS());
      turnSC = turnNC.narrow(1, 0, config.attentionSize() / 2).index_select(0, selectedS);
    }
  }

  /// Runs the blocks and returns the normed hidden states of the selected tokens, `[S, H]`, without
  /// the gain of the last norm, which [FusedWeights#logits] applies.
  public Tensor forward() {
    try (var _ = new NoGradGuard()) {
      Tensor x = weights.embedding().index_select(0, idsN);
      for (int l = 0; l < config.layers(); l++) {
        x = block(l, x);
      }
      Tensor scale = weights.reciprocalRms(x);
      finalScaleS1 = scale;
      Tensor normed = x.mul(scale);
      finalNormedSH = normed;
      return normed;
    }
  }

  /// Turned keys and values of a block for all tokens, `[N, 2K]`, of which rows may be strided.
  public Tensor keyValues(int layer) {
    return keyValues.get(layer);
  }

  private Tensor block(int l, Tensor xNH) {
    FusedWeights.Layer layer = weights.layer(l);
    int a = config.attentionSize();
    int k = config.keyValueSize();
    int queryHeads = config.attention().heads();
    int keyHeads = config.attention().keyValueHeads();
    Tensor selected = l == config.layers() - 1 ? selectedS : null;
    Tensor queries;
    Tensor keysValues;
    Optional<Normed> input = Optional.empty();
    Tensor selectedNormed = null;
    var headNorms = new ArrayList<Normed>();
    Optional<FusedWeights.FirstProjection> table =
        l == 0 ? weights.firstProjection() : Optional.empty();
    if (selected == null) {
      Tensor qkv;
      if (table.isPresent()) {
        qkv = table.get().qkv().index_select(0, idsN);
      } else {
        Normed normed = normed(xNH);
        input = Optional.of(normed);
        qkv = FusedWeights.product(normed.rows, layer.qkvT(), layer.qkvBias());
      }
      normHeads(weights, l, qkv, 0, queryHeads + keyHeads).ifPresent(headNorms::add);
      turn(qkv, 0, a + k, turnNC);
      queries = qkv.narrow(1, 0, a);
      keysValues = qkv.narrow(1, a, 2L * k);
    } else {
      if (table.isPresent()) {
        Tensor qkv = table.get().qkv();
        queries = qkv.narrow(1, 0, a).index_select(0, idsN.index_select(0, selected));
        keysValues = qkv.narrow(1, a, 2L * k).index_select(0, idsN);
      } else {
        Normed normed = normed(xNH);
        input = Optional.of(normed);
        selectedNormed = normed.rows.index_select(0, selected);
        Tensor bias = layer.qkvBias();
        queries =
            FusedWeights.product(
                selectedNormed,
                layer.qkvT().narrow(1, 0, a),
                bias == null ? null : bias.narrow(0, 0, a));
        keysValues =
            FusedWeights.product(
                normed.rows,
                layer.qkvT().narrow(1, a, 2L * k),
                bias == null ? null : bias.narrow(0, a, 2L * k));
      }
      normHeads(weights, l, queries, 0, queryHeads).ifPresent(headNorms::add);
      normHeads(weights, l, keysValues, queryHeads, keyHeads).ifPresent(headNorms::add);
      turn(queries, 0, a, turnSC);
      turn(keysValues, 0, k, turnNC);
    }
    if (!keepsTape) {
      keyValues.add(keysValues);
    }

    List<Attention> attentions = new ArrayList<>();
    Tensor heads = attend(l, queries, keysValues, selected != null, attentions);

    Tensor residual = selected == null ? xNH : xNH.index_select(0, selected);
    Tensor middle = withBias(residual.addmm(heads, layer.outputT()), layer.outputBias());
    Normed normed = normed(middle);
    int f = config.feedForwardSize();
    Tensor gateUp = FusedWeights.product(normed.rows, layer.gateUpT(), layer.gateUpBias());
    Tensor activated = torch.silu(gateUp.narrow(1, 0, f));
    Tensor product =
        keepsTape ? activated.mul(gateUp.narrow(1, f, f)) : activated.mul_(gateUp.narrow(1, f, f));
    if (keepsTape) {
      tape.add(
          new Block(
              input,
              selectedNormed,
              headNorms,
              attentions,
              heads,
              normed,
              gateUp,
              activated,
              product));
    }
    return withBias(
        keepsTape ? middle.addmm(product, layer.downT()) : middle.addmm_(product, layer.downT()),
        layer.downBias());
  }

  static Tensor withBias(Tensor x, @Nullable Tensor bias) {
    return bias == null ? x : x.add_(bias);
  }

  /// Norms heads in place, where the block norms them, and multiplies them with their gains.
  ///
  /// @param x `[rows, ...]`, of which the first columns are the heads
  /// @param first which of the query and key heads the first one is
  /// @return scale and normed heads before the gains
  static Optional<Normed> normHeads(
      FusedWeights weights, int layer, Tensor x, int first, int count) {
    Tensor gains = weights.layer(layer).headGains();
    if (gains == null) {
      return Optional.empty();
    }
    Tensor heads = headsIn(x, count, gains.size(1));
    Tensor scale = weights.reciprocalRmsOfHeads(heads);
    Tensor normed = heads.mul(scale);
    torch.mul_out(heads, normed, gains.narrow(0, first, count));
    return Optional.of(new Normed(scale, normed));
  }

  /// The first columns of `x` as heads, `[rows, count, D]`, without copying.
  private static Tensor headsIn(Tensor x, int count, long headDim) {
    return x.as_strided(
        new long[] {x.size(0), count, headDim},
        new long[] {x.stride(0), headDim, 1},
        new LongOptional(x.storage_offset()));
  }

  private Normed normed(Tensor x) {
    Tensor scale = weights.reciprocalRms(x);
    return new Normed(scale, x.mul(scale));
  }

  /// Multiplies `width` columns from `first` on, in place, as complex pairs.
  static void turn(Tensor x, int first, int width, Tensor turnC) {
    long stride = x.stride(0);
    Tensor pairs =
        torch.view_as_complex(
            x.as_strided(
                new long[] {x.size(0), width / 2, 2},
                new long[] {stride, 2, 1},
                new LongOptional(x.storage_offset() + first)));
    pairs.mul_(turnC.size(1) == width / 2 ? turnC : turnC.narrow(1, 0, width / 2));
  }

  /// Causal attention of each bucket, heads side by side, `[S, A]` (or `[N, A]`).
  private Tensor attend(
      int layer, Tensor queries, Tensor keysValues, boolean selected, List<Attention> attentions) {
    int d = config.attention().headDim();
    int kvHeads = config.attention().keyValueHeads();
    int window = config.attention().window(layer);
    Tensor heads = torch.empty(queries.size(0), config.attentionSize());
    for (Bucket bucket : rows.buckets()) {
      int count = selected ? bucket.queries() : bucket.length();
      int first = selected ? bucket.firstSelected() : bucket.firstToken();
      Tensor q = headsOf(queries, first, bucket.rows(), count, config.attention().heads(), 0);
      Tensor k =
          headsOf(keysValues, bucket.firstToken(), bucket.rows(), bucket.length(), kvHeads, 0);
      Tensor v =
          headsOf(
              keysValues,
              bucket.firstToken(),
              bucket.rows(),
              bucket.length(),
              kvHeads,
              kvHeads * d);
      Tensor result;
      if (keepsTape) {
        q = q.detach().set_requires_grad(true);
        k = k.detach().set_requires_grad(true);
        v = v.detach().set_requires_grad(true);
        try (var _ = new AutoGradMode(true)) {
          result = attention(q, k, v, window);
        }
        attentions.add(new Attention(bucket, q, k, v, result));
      } else {
        result = attention(q, k, v, window);
      }
      headsOf(heads, first, bucket.rows(), count, config.attention().heads(), 0)
          .copy_(result.detach());
    }
    return heads;
  }

  /// Rows of a packed tensor as `[rows, heads, count, d]`, without copying.
  private Tensor headsOf(
      Tensor packed, int first, int rowCount, int count, int heads, int firstColumn) {
    long stride = packed.stride(0);
    int d = config.attention().headDim();
    return packed.as_strided(
        new long[] {rowCount, heads, count, d},
        new long[] {count * stride, d, stride, 1},
        new LongOptional(packed.storage_offset() + first * stride + firstColumn));
  }

  private Tensor attention(Tensor q, Tensor k, Tensor v, int window) {
    long queries = q.size(2);
    long keys = k.size(2);
    Tensor keys4 = repeated(k);
    Tensor values4 = repeated(v);
    boolean seesAll = keys <= window;
    if (queries == keys && seesAll) {
      return torch.scaled_dot_product_attention(
          q, keys4, values4, new TensorOptional(), 0, true, new DoubleOptional(), false);
    }
    if (queries == 1 && seesAll) {
      return torch.scaled_dot_product_attention(
          q, keys4, values4, new TensorOptional(), 0, false, new DoubleOptional(), false);
    }
    return torch.scaled_dot_product_attention(
        q,
        keys4,
        values4,
        new TensorOptional(mask(queries, keys, window)),
        0,
        false,
        new DoubleOptional(),
        false);
  }

  /// Keys or values with each head repeated for the query heads that share it.
  private Tensor repeated(Tensor k) {
    int shared = config.attention().heads() / config.attention().keyValueHeads();
    return shared == 1 ? k : k.repeat_interleave(shared, new LongOptional(1), new LongOptional());
  }

  /// 0 where a query that starts `keys - queries` later may look and -∞ elsewhere: behind it, and
  /// `window` tokens or more before it.
  private static Tensor mask(long queries, long keys, int window) {
    var mask = new float[Math.toIntExact(queries * keys)];
    for (int i = 0; i < queries; i++) {
      int self = (int) (keys - queries) + i;
      for (int j = 0; j < keys; j++) {
        if (j > self || self - j >= window) {
          mask[(int) (i * keys) + j] = Float.NEGATIVE_INFINITY;
        }
      }
    }
    return Tensor.create(mask, queries, keys);
  }

  /// Adds the gradients of everything behind `forward` to those of the decoder.
  ///
  /// @param logitGradientSV gradient of the loss with respect to the logits of the selected tokens
  public void backward(Tensor logitGradientSV) {
    try (var _ = new NoGradGuard()) {
      Tensor normed = required(finalNormedSH);
      Tensor scale = required(finalScaleS1);
      Parameters gradients = weights.decoder().gradients();
      Parameters values = weights.decoder().weights();
      Tensor dOutput = logitGradientSV.t().mm(normed);
      unfold(
          dOutput,
          values.outputProjection(),
          values.finalNorm(),
          gradients.outputProjection(),
          gradients.finalNorm());
      Tensor dNormed = logitGradientSV.mm(weights.outputVH());
      Tensor dx = torch.zeros_like(dNormed);
      addNormGradient(dx, dNormed, normed, scale);
      for (int l = config.layers() - 1; l >= 0; l--) {
        dx = blockBackward(l, dx, gradients.layer(l), values.layer(l), gradients);
      }
      gradients.embedding().index_add_(0, idsN, dx);
    }
  }

  private Tensor blockBackward(
      int l, Tensor dxSH, Parameters.Layer gradient, Parameters.Layer value, Parameters all) {
    FusedWeights.Layer layer = weights.layer(l);
    Block block = tape.get(l);
    int f = config.feedForwardSize();

    addColumnSums(gradient.downBias(), dxSH);
    gradient.down().addmm_(dxSH.t(), block.productSF);
    Tensor dProduct = dxSH.mm(layer.down());
    Tensor dGateUp = torch.empty_like(block.gateUpS2F);
    torch.mul_out(dGateUp.narrow(1, f, f), dProduct, block.activatedSF);
    dProduct.mul_(block.gateUpS2F.narrow(1, f, f));
    torch.silu_backward_out(dGateUp.narrow(1, 0, f), dProduct, block.gateUpS2F.narrow(1, 0, f));
    addColumnSums(gradient.gateUpBias(), dGateUp);
    Tensor dFolded = dGateUp.t().mm(block.middle.rows);
    unfold(dFolded, value.gateUp(), value.postNorm(), gradient.gateUp(), gradient.postNorm());
    addNormGradient(dxSH, dGateUp.mm(layer.gateUp()), block.middle.rows, block.middle.scale);

    addColumnSums(gradient.outputBias(), dxSH);
    gradient.output().addmm_(dxSH.t(), block.headsSA);
    return attentionBackward(l, dxSH, gradient, value, all);
  }

  private Tensor attentionBackward(
      int l, Tensor dxSH, Parameters.Layer gradient, Parameters.Layer value, Parameters all) {
    FusedWeights.Layer layer = weights.layer(l);
    Block block = tape.get(l);
    int a = config.attentionSize();
    int k = config.keyValueSize();
    boolean selected = l == config.layers() - 1 && selectedS != null;
    Tensor dHeads = dxSH.mm(layer.output());
    Tensor turnBack = torch.conj_physical(turnNC);
    Tensor dQueries;
    Tensor dKeysValues;
    Tensor dQkv = null;
    if (selected) {
      dQueries = torch.empty_like(dHeads);
      dKeysValues = torch.empty(rows.tokens(), 2L * k);
    } else {
      dQkv = torch.empty(rows.tokens(), a + 2L * k);
      dQueries = dQkv.narrow(1, 0, a);
      dKeysValues = dQkv.narrow(1, a, 2L * k);
    }
    int queryHeads = config.attention().heads();
    int kvHeads = config.attention().keyValueHeads();
    for (Attention attention : block.attention) {
      Bucket bucket = attention.bucket;
      int count = selected ? bucket.queries() : bucket.length();
      int first = selected ? bucket.firstSelected() : bucket.firstToken();
      int n = bucket.rows();
      TensorVector leaves = new TensorVector(attention.query, attention.key, attention.value);
      TensorVector found =
          torch.grad(
              new TensorVector(attention.result),
              leaves,
              new TensorVector(headsOf(dHeads, first, n, count, config.attention().heads(), 0)),
              new BoolOptional(),
              false,
              false);
      headsOf(dQueries, first, n, count, config.attention().heads(), 0).copy_(found.get(0));
      int length = bucket.length();
      int token = bucket.firstToken();
      headsOf(dKeysValues, token, n, length, kvHeads, 0).copy_(found.get(1));
      headsOf(dKeysValues, token, n, length, kvHeads, k).copy_(found.get(2));
    }

    Tensor paired = torch.empty_like(layer.qkv());
    Tensor pairedBias = torch.zeros(a + 2L * k);
    Tensor dxNH;
    Optional<FusedWeights.FirstProjection> table =
        l == 0 ? weights.firstProjection() : Optional.empty();
    if (dQkv != null) {
      turn(dQkv, 0, a + k, turnBack);
      normHeadsBackward(l, gradient, dQkv, 0, queryHeads + kvHeads, block.headNorms, 0);
      dxNH = dxSH;
    } else {
      turn(dQueries, 0, a, torch.conj_physical(turnSC));
      turn(dKeysValues, 0, k, turnBack);
      normHeadsBackward(l, gradient, dQueries, 0, queryHeads, block.headNorms, 0);
      normHeadsBackward(l, gradient, dKeysValues, queryHeads, kvHeads, block.headNorms, 1);
      dxNH = torch.zeros(rows.tokens(), config.hiddenSize());
      dxNH.index_copy_(0, required(selectedS), dxSH);
    }
    if (layer.qkvBias() != null) {
      if (dQkv != null) {
        addColumnSums(pairedBias, dQkv);
      } else {
        addColumnSums(pairedBias.narrow(0, 0, a), dQueries);
        addColumnSums(pairedBias.narrow(0, a, 2L * k), dKeysValues);
      }
      required(gradient.qkvBias())
          .add_(pairedBias.index_select(0, weights.decoder().unpairedRows()));
    }
    if (table.isPresent()) {
      FusedWeights.FirstProjection first = table.get();
      Tensor dTable = torch.zeros_like(first.qkv());
      if (dQkv != null) {
        dTable.index_add_(0, idsN, dQkv);
      } else {
        Tensor idsS = idsN.index_select(0, required(selectedS));
        dTable.narrow(1, 0, a).index_add_(0, idsS, dQueries);
        dTable.narrow(1, a, 2L * k).index_add_(0, idsN, dKeysValues);
      }
      torch.mm_out(paired, dTable.t(), first.normedVH());
      addNormGradient(all.embedding(), dTable.mm(layer.qkv()), first.normedVH(), first.scaleV());
    } else {
      Normed input = block.input.orElseThrow();
      Tensor dNormed;
      if (dQkv != null) {
        torch.mm_out(paired, dQkv.t(), input.rows);
        dNormed = dQkv.mm(layer.qkv());
      } else {
        Tensor selectedNormed = required(block.selectedNormed);
        torch.mm_out(paired.narrow(0, 0, a), dQueries.t(), selectedNormed);
        torch.mm_out(paired.narrow(0, a, 2L * k), dKeysValues.t(), input.rows);
        dNormed = dKeysValues.mm(layer.qkv().narrow(0, a, 2L * k));
        dNormed.index_add_(0, required(selectedS), dQueries.mm(layer.qkv().narrow(0, 0, a)));
      }
      addNormGradient(dxNH, dNormed, input.rows, input.scale);
    }
    Tensor dFolded = paired.index_select(0, weights.decoder().unpairedRows());
    unfold(dFolded, value.qkv(), value.inputNorm(), gradient.qkv(), gradient.inputNorm());
    return dxNH;
  }

  /// Turns the gradient of heads behind norm and gain into that of what came in, in place, and adds
  /// that of the gains.
  private void normHeadsBackward(
      int l,
      Parameters.Layer gradient,
      Tensor dx,
      int first,
      int count,
      List<Normed> norms,
      int which) {
    Tensor gains = weights.layer(l).headGains();
    if (gains == null) {
      return;
    }
    int queryHeads = config.attention().heads();
    Normed norm = norms.get(which);
    Tensor d = headsIn(dx, count, gains.size(1));
    Tensor dGains = d.mul(norm.rows).sum(new long[] {0}, false, new ScalarTypeOptional());
    Tensor unpaired = weights.decoder().unpairedRows().narrow(0, 0, gains.size(1));
    int ofQueries = Math.clamp(queryHeads - first, 0, count);
    addColumnSums(gradient.queryNorm(), dGains.narrow(0, 0, ofQueries).index_select(1, unpaired));
    addColumnSums(
        gradient.keyNorm(),
        dGains.narrow(0, ofQueries, count - ofQueries).index_select(1, unpaired));
    d.mul_(gains.narrow(0, first, count));
    Tensor mean =
        d.mul(norm.rows)
            .sum(new long[] {2}, true, new ScalarTypeOptional())
            .mul_(new Scalar(-1.0 / gains.size(1)));
    d.addcmul_(norm.rows, mean).mul_(norm.scale);
  }

  private static void addColumnSums(@Nullable Tensor sums, Tensor x) {
    if (sums != null) {
      sums.add_(x.sum(new long[] {0}, false, new ScalarTypeOptional()));
    }
  }

  /// Adds to the gradients of a matrix W and a gain g what the gradient of `W diag(g)` says.
  private static void unfold(
      Tensor dFolded, Tensor matrix, Tensor gain, Tensor dMatrix, Tensor dGain) {
    dMatrix.addcmul_(dFolded, gain);
    dGain.add_(dFolded.mul_(matrix).sum(0));
  }

  /// `dx += scale · (g − n · mean(g n))` for each row; `g` is overwritten.
  private void addNormGradient(Tensor dx, Tensor g, Tensor n, Tensor scale) {
    Tensor mean =
        g.mul(n)
            .sum(new long[] {1}, true, new ScalarTypeOptional())
            .mul_(new Scalar(-1.0 / config.hiddenSize()));
    g.addcmul_(n, mean);
    dx.addcmul_(g, scale);
  }

  private static Tensor required(@Nullable Tensor tensor) {
    if (tensor == null) {
      throw new IllegalStateException("backward was called before forward");
    }
    return tensor;
  }
}
