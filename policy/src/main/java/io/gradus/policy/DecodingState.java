package io.gradus.policy;

import io.gradus.policy.nativememory.Scoped;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.bytedeco.pytorch.LongOptional;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;

/* How rows of different lengths are decoded together, and why the cache is laid out as it is.
 *
 * A step of a small model is bound by the number of calls into libtorch, not by arithmetic: twelve
 * batches of twenty rows take three times as long as one of 256. So rows share a batch whatever the
 * lengths of their prompts. The last tokens are aligned: slot `length` takes the next token of every
 * row, and the slots before a shorter row's first token are masked.
 *
 * The fused attention kernel works one row and head at a time, with two calls into BLAS for each:
 * 1.15 ms for 256 rows of 30 tokens and 4 heads of width 16. With the rows innermost, attention of
 * one query a row is a handful of elementwise operations and sums over outer dimensions, which run
 * over contiguous memory whatever the width of a head: 0.40 ms. The price is a temporary as large
 * as the keys, which makes this a layout for caches that fit the processor's.
 */

/// Rows that are being decoded, and the keys and values of their tokens.
///
/// It owns its cache and borrows the weights. The cache of a block is `[capacity, 2K, B]` and grows
/// by half when it is full.
public final class DecodingState implements AutoCloseable {

  private static final int SPARE_POSITIONS = 32;

  /// Rows are copied run by run where runs are this long on average, else gathered one by one.
  private static final int LONG_RUN = 8;

  private final FusedWeights weights;
  private final ModelConfig config;
  private final List<Tensor> cache = new ArrayList<>();

  /// Slots before the first token, for each row.
  private int[] paddingB;

  /// Additive mask over the padded slots, `[P, 1, 1, B]`; null where no row is padded.
  private @Nullable Tensor mask;

  private int length;
  private int capacity;

  private DecodingState(FusedWeights weights, int[] paddingB, int length) {
    this.weights = weights;
    this.paddingB = paddingB;
    this.length = length;
    config = weights.decoder().config();
    capacity = length + SPARE_POSITIONS;
    mask = maskOf(paddingB);
  }

  /// The state behind prompts, with the logits of their last tokens.
  ///
  /// @param logitsBV next-token logits; belongs to the caller's scope
  public record Prefill(DecodingState state, Tensor logitsBV) {}

  /// Runs prompts through the decoder.
  ///
  /// @param prompts the different prompts, shorter ones first
  /// @param promptOfRow for each row to decode the index of its prompt; rows of shorter prompts
  ///   first
  public static Prefill prefill(FusedWeights weights, List<int[]> prompts, int[] promptOfRow) {
    var firstNeeded = new int[prompts.size()];
    Arrays.setAll(firstNeeded, i -> prompts.get(i).length - 1);
    int longest = prompts.getLast().length;
    var paddingB = new int[promptOfRow.length];
    Arrays.setAll(paddingB, row -> longest - prompts.get(promptOfRow[row]).length);
    for (int row = 1; row < paddingB.length; row++) {
      if (paddingB[row] > paddingB[row - 1]) {
        throw new IllegalArgumentException(
            "row %d has a shorter prompt than row %d; shorter ones come first"
                .formatted(row, row - 1));
      }
    }
    PackedRows packed = PackedRows.of(weights.decoder().config(), prompts, firstNeeded);
    var pass = new DecoderPass(weights, packed, DecoderPass.Purpose.INFERENCE);
    Tensor logits = weights.logits(pass.forward());
    var state = new DecodingState(weights, paddingB, longest);
    for (int l = 0; l < state.config.layers(); l++) {
      Tensor keysValues = pass.keyValues(l);
      state.cache.add(
          Scoped.keepingResult(() -> state.filled(keysValues, packed, prompts, promptOfRow)));
    }
    boolean repeated = promptOfRow.length != prompts.size();
    return new Prefill(
        state, repeated ? logits.index_select(0, Tensor.create(longs(promptOfRow))) : logits);
  }

  /// A cache that holds the packed keys and values `[N, 2K]` of the prompts, and 0 before them.
  private Tensor filled(
      Tensor keysValues, PackedRows packed, List<int[]> prompts, int[] promptOfRow) {
    int width = 2 * config.keyValueSize();
    Tensor target = torch.empty(capacity, width, rows());
    int widest = paddingB[0];
    if (widest > 0) {
      // Nothing but finite numbers may meet a masked weight of 0.
      target.narrow(0, 0, widest).zero_();
    }
    long stride = keysValues.stride(0);
    long firstPrompt = 0;
    int firstRow = 0;
    for (PackedRows.Bucket bucket : packed.buckets()) {
      long tokens = bucket.length();
      Tensor ofPrompts =
          keysValues.as_strided(
              new long[] {bucket.rows(), tokens, width},
              new long[] {stride * tokens, stride, 1},
              new LongOptional(keysValues.storage_offset() + bucket.firstToken() * stride));
      int endRow = firstRow;
      while (endRow < rows() && prompts.get(promptOfRow[endRow]).length == tokens) {
        endRow++;
      }
      var index = new long[endRow - firstRow];
      for (int i = 0; i < index.length; i++) {
        index[i] = promptOfRow[firstRow + i] - firstPrompt;
      }
      Tensor ofRows =
          isCounting(index) && index.length == bucket.rows()
              ? ofPrompts
              : ofPrompts.index_select(0, Tensor.create(index));
      target
          .narrow(0, length - tokens, tokens)
          .narrow(2, firstRow, index.length)
          .copy_(ofRows.permute(1, 2, 0));
      firstPrompt += bucket.rows();
      firstRow = endRow;
    }
    return target;
  }

  /// Appends one token to each row and returns the logits behind it, `[B, V]`, which belong to the
  /// caller's scope.
  public Tensor step(long[] idsB, long[] positionsB) {
    if (idsB.length != rows() || positionsB.length != rows()) {
      throw new IllegalArgumentException(
          "%d ids and %d positions for %d rows".formatted(idsB.length, positionsB.length, rows()));
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
      return weights.logits(x.mul(weights.reciprocalRms(x)));
    }
  }

  /// Goes on with some of the rows only.
  ///
  /// @param kept indexes of the rows that stay, ascending
  public void keep(int[] kept) {
    for (int l = 0; l < cache.size(); l++) {
      Tensor old = cache.get(l);
      cache.set(l, Scoped.keepingResult(() -> columns(old, kept)));
      old.close();
    }
    int[] before = paddingB;
    paddingB = Arrays.stream(kept).map(row -> before[row]).toArray();
    closeMask();
    mask = maskOf(paddingB);
  }

  public int rows() {
    return paddingB.length;
  }

  @Override
  public void close() {
    cache.forEach(Tensor::close);
    cache.clear();
    closeMask();
  }

  private Tensor block(int l, Tensor xBH, Tensor ids, Tensor turn) {
    FusedWeights.Layer layer = weights.layer(l);
    int a = config.attentionSize();
    int k = config.keyValueSize();
    int f = config.feedForwardSize();
    var table = weights.firstProjection();
    Tensor qkv =
        l == 0 && table.isPresent()
            ? table.get().qkv().index_select(0, ids)
            : FusedWeights.product(
                xBH.mul(weights.reciprocalRms(xBH)), layer.qkvT(), layer.qkvBias());
    int turned = config.attention().heads() + config.attention().keyValueHeads();
    var _ = DecoderPass.normHeads(weights, l, qkv, 0, turned);
    DecoderPass.turn(qkv, 0, a + k, turn);
    cache.get(l).select(0, length).copy_(qkv.narrow(1, a, 2L * k).t());
    Tensor heads = attend(cache.get(l), qkv.narrow(1, 0, a), config.attention().window(l));
    Tensor middle = DecoderPass.withBias(xBH.addmm(heads, layer.outputT()), layer.outputBias());
    Tensor gateUp =
        FusedWeights.product(
            middle.mul(weights.reciprocalRms(middle)), layer.gateUpT(), layer.gateUpBias());
    Tensor product = torch.silu(gateUp.narrow(1, 0, f)).mul_(gateUp.narrow(1, f, f));
    return DecoderPass.withBias(middle.addmm_(product, layer.downT()), layer.downBias());
  }

  /// Attention of one query a row, `[B, A]`, to the slots up to and with the present one.
  private Tensor attend(Tensor cacheC2KB, Tensor queryBA, int window) {
    // Query heads that share a key head are its queries: no key is copied for them.
    int d = config.attention().headDim();
    int kvHeads = config.attention().keyValueHeads();
    int shared = config.attention().heads() / kvHeads;
    int b = rows();
    // The slots of a window are the last ones, for every row.
    long first = Math.max(0, length + 1L - window);
    long[] shape = {length + 1L - first, kvHeads, 1, d, b};
    long[] strides = {2L * config.keyValueSize() * b, (long) d * b, 0, b, 1};
    long firstKey = first * strides[0];
    long firstValue = firstKey + (long) config.keyValueSize() * b;
    Tensor keys = cacheC2KB.as_strided(shape, strides, new LongOptional(firstKey));
    Tensor values = cacheC2KB.as_strided(shape, strides, new LongOptional(firstValue));
    Tensor query =
        queryBA.t().contiguous().mul_(new Scalar(1 / Math.sqrt(d))).view(kvHeads, shared, d, b);

    Tensor scores = keys.mul(query).sum(new long[] {3}, false, new ScalarTypeOptional());
    Tensor padding = mask;
    if (padding != null && padding.size(0) > first) {
      long padded = padding.size(0) - first;
      scores.narrow(0, 0, padded).add_(padding.narrow(0, first, padded));
    }
    return values
        .mul(scores.softmax(0).unsqueeze(3))
        .sum(new long[] {0}, false, new ScalarTypeOptional())
        .view(config.attentionSize(), b)
        .t();
  }

  private void grow() {
    capacity = Math.max(length + SPARE_POSITIONS, length + length / 2);
    for (int l = 0; l < cache.size(); l++) {
      Tensor old = cache.get(l);
      cache.set(
          l,
          Scoped.keepingResult(() -> {
            Tensor target = torch.empty(capacity, old.size(1), old.size(2));
            target.narrow(0, 0, length).copy_(old);
            return target;
          }));
      old.close();
    }
  }

  /// A cache of the columns `kept` of another.
  private Tensor columns(Tensor old, int[] kept) {
    Tensor target = torch.empty(capacity, old.size(1), kept.length);
    Tensor source = old.narrow(0, 0, length);
    int runs = 1;
    for (int i = 1; i < kept.length; i++) {
      runs += kept[i] == kept[i - 1] + 1 ? 0 : 1;
    }
    if (runs * LONG_RUN > kept.length) {
      target.narrow(0, 0, length).copy_(source.index_select(2, Tensor.create(longs(kept))));
      return target;
    }
    for (int first = 0; first < kept.length; ) {
      int end = first + 1;
      while (end < kept.length && kept[end] == kept[end - 1] + 1) {
        end++;
      }
      target
          .narrow(0, 0, length)
          .narrow(2, first, end - first)
          .copy_(source.narrow(2, kept[first], end - first));
      first = end;
    }
    return target;
  }

  private static @Nullable Tensor maskOf(int[] paddingB) {
    int widest = Arrays.stream(paddingB).max().orElse(0);
    if (widest == 0) {
      return null;
    }
    int rows = paddingB.length;
    var values = new float[widest * rows];
    for (int row = 0; row < rows; row++) {
      for (int slot = 0; slot < paddingB[row]; slot++) {
        values[slot * rows + row] = Float.NEGATIVE_INFINITY;
      }
    }
    return Scoped.keepingResult(() -> Tensor.create(values, widest, 1, 1, rows));
  }

  private void closeMask() {
    Tensor old = mask;
    if (old != null) {
      old.close();
      mask = null;
    }
  }

  private static boolean isCounting(long[] values) {
    for (int i = 0; i < values.length; i++) {
      if (values[i] != i) {
        return false;
      }
    }
    return true;
  }

  private static long[] longs(int[] values) {
    return Arrays.stream(values).asLongStream().toArray();
  }
}
