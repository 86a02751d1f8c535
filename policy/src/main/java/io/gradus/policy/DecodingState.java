package io.gradus.policy;

import io.gradus.policy.nativememory.Scoped;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.DoubleOptional;
import org.bytedeco.pytorch.LongOptional;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch;

/// Rows that are being decoded, all of the same length so far, and the keys and values of their
/// tokens.
///
/// It owns its cache and borrows the weights. The cache of a block is `[B, capacity, 2K]` and grows
/// by half when it is full.
public final class DecodingState implements AutoCloseable {

  private static final int SPARE_POSITIONS = 32;

  private final FusedWeights weights;
  private final ModelConfig config;
  private final List<Tensor> cache = new ArrayList<>();
  private int rows;
  private int length;
  private int capacity;

  private DecodingState(FusedWeights weights, int rows, int length) {
    this.weights = weights;
    this.rows = rows;
    this.length = length;
    config = weights.decoder().config();
    capacity = length + SPARE_POSITIONS;
  }

  /// The state behind prompts, with the logits of their last tokens.
  ///
  /// @param logitsBV next-token logits; belongs to the caller's scope
  public record Prefill(DecodingState state, Tensor logitsBV) {}

  /// Runs prompts of one length through the decoder.
  ///
  /// @param prompts the different prompts
  /// @param promptOfRow for each row to decode the index of its prompt
  public static Prefill prefill(FusedWeights weights, List<int[]> prompts, int[] promptOfRow) {
    int length = prompts.getFirst().length;
    var firstNeeded = new int[prompts.size()];
    Arrays.fill(firstNeeded, length - 1);
    PackedRows packed = PackedRows.of(weights.decoder().config(), prompts, firstNeeded);
    if (packed.buckets().size() != 1) {
      throw new IllegalArgumentException("the prompts of a prefill must have one length");
    }
    var pass = new DecoderPass(weights, packed, DecoderPass.Purpose.INFERENCE);
    Tensor logits = weights.logits(pass.forward());
    var state = new DecodingState(weights, promptOfRow.length, length);
    boolean repeated = promptOfRow.length != prompts.size();
    Tensor index = repeated ? Tensor.create(longs(promptOfRow)) : null;
    for (int l = 0; l < state.config.layers(); l++) {
      Tensor packedKv = pass.keyValues(l);
      long stride = packedKv.stride(0);
      long width = packedKv.size(1);
      Tensor kv =
          packedKv.as_strided(
              new long[] {prompts.size(), length, width},
              new long[] {length * stride, stride, 1},
              new LongOptional(packedKv.storage_offset()));
      Tensor source = index == null ? kv : kv.index_select(0, index);
      state.cache.add(state.enlarged(source));
    }
    return new Prefill(state, index == null ? logits : logits.index_select(0, index));
  }

  /// Appends one token to each row and returns the logits behind it, `[B, V]`, which belong to the
  /// caller's scope.
  public Tensor step(long[] idsB, long[] positionsB) {
    if (idsB.length != rows || positionsB.length != rows) {
      throw new IllegalArgumentException(
          "%d ids and %d positions for %d rows".formatted(idsB.length, positionsB.length, rows));
    }
    if (length == capacity) {
      grow();
    }
    try (var _ = new NoGradGuard()) {
      Tensor ids = Tensor.create(idsB);
      long largest = 0;
      for (long position : positionsB) {
        largest = Math.max(largest, position);
      }
      Tensor turn =
          weights.decoder().rotary(largest).turnPC().index_select(0, Tensor.create(positionsB));
      Tensor x = weights.embedding().index_select(0, ids);
      for (int l = 0; l < config.layers(); l++) {
        x = block(l, x, ids, turn);
      }
      length++;
      return weights.logits(x.mul(FusedWeights.reciprocalRms(x, config)));
    }
  }

  /// Goes on with some of the rows only.
  ///
  /// @param kept indexes of the rows that stay, ascending
  public void keep(int[] kept) {
    try (var _ = new PointerScope()) {
      Tensor index = Tensor.create(longs(kept));
      for (int l = 0; l < cache.size(); l++) {
        Tensor old = cache.get(l);
        cache.set(l, enlarged(old.narrow(1, 0, length).index_select(0, index)));
        old.close();
      }
    }
    rows = kept.length;
  }

  public int rows() {
    return rows;
  }

  /// Tokens of each row so far.
  public int length() {
    return length;
  }

  @Override
  public void close() {
    cache.forEach(Tensor::close);
    cache.clear();
  }

  private Tensor block(int l, Tensor xBH, Tensor ids, Tensor turn) {
    FusedWeights.Layer layer = weights.layer(l);
    int a = config.attentionSize();
    int k = config.keyValueSize();
    int d = config.headDim();
    int f = config.feedForwardSize();
    var table = weights.firstProjection();
    Tensor qkv =
        l == 0 && table.isPresent()
            ? table.get().qkv().index_select(0, ids)
            : xBH.mul(FusedWeights.reciprocalRms(xBH, config)).mm(layer.qkvT());
    DecoderPass.turn(qkv, 0, a + k, turn);
    Tensor kv = cache.get(l);
    kv.select(1, length).copy_(qkv.narrow(1, a, 2L * k));

    // Query heads that share a key head are its queries: no key is copied for them.
    int kvHeads = config.keyValueHeads();
    int shared = config.heads() / kvHeads;
    Tensor q =
        qkv.as_strided(
            new long[] {rows, kvHeads, shared, d},
            new long[] {a + 2L * k, (long) shared * d, d, 1},
            new LongOptional(qkv.storage_offset()));
    long[] shape = {rows, kvHeads, length + 1L, d};
    long[] strides = {capacity * 2L * k, d, 2L * k, 1};
    Tensor keys = kv.as_strided(shape, strides, new LongOptional(0));
    Tensor values = kv.as_strided(shape, strides, new LongOptional(k));
    Tensor heads =
        torch
            .scaled_dot_product_attention(
                q, keys, values, new TensorOptional(), 0, false, new DoubleOptional(), false)
            .reshape(rows, a);
    Tensor middle = xBH.addmm(heads, layer.outputT());
    Tensor gateUp = middle.mul(FusedWeights.reciprocalRms(middle, config)).mm(layer.gateUpT());
    Tensor product = torch.silu(gateUp.narrow(1, 0, f)).mul_(gateUp.narrow(1, f, f));
    return middle.addmm_(product, layer.downT());
  }

  private void grow() {
    capacity = Math.max(length + SPARE_POSITIONS, length + length / 2);
    try (var _ = new PointerScope()) {
      for (int l = 0; l < cache.size(); l++) {
        Tensor old = cache.get(l);
        cache.set(l, enlarged(old));
        old.close();
      }
    }
  }

  /// A cache with room for `capacity` positions whose first ones are those of `source`.
  private Tensor enlarged(Tensor source) {
    return Scoped.keepingResult(() -> {
      Tensor target = torch.empty(source.size(0), capacity, source.size(2));
      target.narrow(1, 0, source.size(1)).copy_(source);
      return target;
    });
  }

  private static long[] longs(int[] values) {
    return Arrays.stream(values).asLongStream().toArray();
  }
}
