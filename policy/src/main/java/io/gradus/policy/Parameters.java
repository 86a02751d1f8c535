package io.gradus.policy;

import io.gradus.policy.nativememory.NativeMemory;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/// One flat buffer of fp32 numbers, and views on it for every parameter of a decoder; it holds
/// either weights or gradients.
///
/// The query, key and value projections of a layer are neighbours, as are gate and up, so that one
/// view serves one matrix product; and a step of the optimizer is a handful of operations on the
/// whole buffer. The views share its storage. Between parameters there may be padding, which is 0
/// and stays 0 under AdamW because its gradient is.
public final class Parameters implements AutoCloseable {

  /// Parameters (or neighbours that one view spans) start on a cache line.
  private static final long ALIGNMENT_FLOATS = 16;

  private final List<Tensor> owned = new ArrayList<>();
  private final Map<String, Tensor> byName = new LinkedHashMap<>();
  private final Tensor flat;
  private final Tensor embedding;
  private final Tensor finalNorm;
  private final Tensor outputProjection;
  private final List<Layer> layers = new ArrayList<>();

  /// Views on the parameters of one block.
  ///
  /// @param qkv query, key and value projections, `[A + 2K, H]`
  /// @param output projection of the heads back to the residual stream, `[H, A]`
  /// @param gateUp gate and up projections, `[2F, H]`
  /// @param down `[H, F]`
  /// @param inputNorm gains before attention, `[H]`
  /// @param postNorm gains before the feed-forward block, `[H]`
  record Layer(
      Tensor qkv, Tensor output, Tensor gateUp, Tensor down, Tensor inputNorm, Tensor postNorm) {}

  private Parameters(ModelConfig config, Supplier<Tensor> buffer) {
    try (var _ = new PointerScope()) {
      flat = own(buffer.get());
      var cursor = new Cursor();
      int h = config.hiddenSize();
      int a = config.attentionSize();
      int k = config.keyValueSize();
      int f = config.feedForwardSize();
      embedding = named(cursor, "model.embed_tokens.weight", config.vocabSize(), h);
      for (int l = 0; l < config.layers(); l++) {
        String prefix = "model.layers." + l + ".";
        cursor.align();
        Tensor qkv = view(cursor.offset, a + 2L * k, h);
        named(cursor, prefix + "self_attn.q_proj.weight", a, h);
        named(cursor, prefix + "self_attn.k_proj.weight", k, h);
        named(cursor, prefix + "self_attn.v_proj.weight", k, h);
        cursor.align();
        Tensor output = named(cursor, prefix + "self_attn.o_proj.weight", h, a);
        cursor.align();
        Tensor gateUp = view(cursor.offset, 2L * f, h);
        named(cursor, prefix + "mlp.gate_proj.weight", f, h);
        named(cursor, prefix + "mlp.up_proj.weight", f, h);
        cursor.align();
        Tensor down = named(cursor, prefix + "mlp.down_proj.weight", h, f);
        cursor.align();
        Tensor inputNorm = named(cursor, prefix + "input_layernorm.weight", h);
        cursor.align();
        Tensor postNorm = named(cursor, prefix + "post_attention_layernorm.weight", h);
        layers.add(new Layer(qkv, output, gateUp, down, inputNorm, postNorm));
      }
      cursor.align();
      finalNorm = named(cursor, "model.norm.weight", h);
      cursor.align();
      outputProjection =
          config.tiedEmbedding()
              ? embedding
              : named(cursor, "lm_head.weight", config.vocabSize(), h);
    }
  }

  /// A new buffer of zeros for a model of this shape.
  static Parameters zeros(ModelConfig config) {
    NativeMemory.load();
    return new Parameters(config, () -> torch.zeros(flatSize(config)));
  }

  /// Other handles on the same storage, which lives until the last of them is closed.
  static Parameters sharing(ModelConfig config, Parameters other) {
    return over(config, other.flat);
  }

  /// Views on a buffer of the right size, whose storage lives until its last handle is closed.
  static Parameters over(ModelConfig config, Tensor flat) {
    return new Parameters(config, flat::detach);
  }

  /// Numbers in the flat buffer, padding included.
  static long flatSize(ModelConfig config) {
    long qkv = (config.attentionSize() + 2L * config.keyValueSize()) * config.hiddenSize();
    long h = config.hiddenSize();
    long f = config.feedForwardSize();
    long perLayer =
        aligned(qkv)
            + aligned(h * config.attentionSize())
            + aligned(2 * f * h)
            + aligned(h * f)
            + 2 * aligned(h);
    long vocabulary = aligned(config.vocabSize() * h);
    return vocabulary
        + config.layers() * perLayer
        + aligned(h)
        + (config.tiedEmbedding() ? 0 : vocabulary);
  }

  /// The whole buffer, `[flatSize]`.
  public Tensor flat() {
    return flat;
  }

  /// Views by their Hugging Face names, in the order of transformers' `named_parameters()`; a tied
  /// output projection is not among them.
  public Map<String, Tensor> byName() {
    return Collections.unmodifiableMap(byName);
  }

  Tensor embedding() {
    return embedding;
  }

  Tensor finalNorm() {
    return finalNorm;
  }

  /// The matrix that makes logits, `[V, H]`; the embedding itself if that is tied.
  Tensor outputProjection() {
    return outputProjection;
  }

  Layer layer(int index) {
    return layers.get(index);
  }

  @Override
  public void close() {
    for (Tensor tensor : owned.reversed()) {
      tensor.close();
    }
    owned.clear();
  }

  private Tensor named(Cursor cursor, String name, long... shape) {
    long size = 1;
    for (long dimension : shape) {
      size *= dimension;
    }
    Tensor view = view(cursor.offset, shape);
    byName.put(name, view);
    cursor.offset += size;
    return view;
  }

  private Tensor view(long offset, long... shape) {
    long size = 1;
    for (long dimension : shape) {
      size *= dimension;
    }
    return own(flat.narrow(0, offset, size).view(shape));
  }

  private Tensor own(Tensor tensor) {
    tensor.retainReference();
    owned.add(tensor);
    return tensor;
  }

  private static long aligned(long size) {
    return (size + ALIGNMENT_FLOATS - 1) / ALIGNMENT_FLOATS * ALIGNMENT_FLOATS;
  }

  private static final class Cursor {
    private long offset;

    void align() {
      offset = aligned(offset);
    }
  }
}
