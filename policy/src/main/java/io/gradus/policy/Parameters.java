package io.gradus.policy;

import io.gradus.policy.nativememory.NativeMemory;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;

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

  /// Views on the parameters of one block; null what it does not have.
  ///
  /// @param qkv query, key and value projections, `[A + 2K, H]`
  /// @param qkvBias `[A + 2K]`
  /// @param queryNorm gains of the norm of each query head, `[D]`
  /// @param keyNorm the same of key heads
  /// @param output projection of the heads back to the residual stream, `[H, A]`
  /// @param outputBias `[H]`
  /// @param gateUp gate and up projections, `[2F, H]`
  /// @param gateUpBias `[2F]`
  /// @param down `[H, F]`
  /// @param downBias `[H]`
  /// @param inputNorm gains before attention, `[H]`
  /// @param postNorm gains before the feed-forward block, `[H]`
  record Layer(
      Tensor qkv,
      @Nullable Tensor qkvBias,
      @Nullable Tensor queryNorm,
      @Nullable Tensor keyNorm,
      Tensor output,
      @Nullable Tensor outputBias,
      Tensor gateUp,
      @Nullable Tensor gateUpBias,
      Tensor down,
      @Nullable Tensor downBias,
      Tensor inputNorm,
      Tensor postNorm) {}

  private Parameters(ModelConfig config, Supplier<Tensor> buffer) {
    try (var _ = new PointerScope()) {
      flat = own(buffer.get());
      var layout = new Layout(config);
      embedding = layout.view("model.embed_tokens.weight");
      for (int l = 0; l < config.layers(); l++) {
        layers.add(layout.layer("model.layers." + l + "."));
      }
      finalNorm = layout.view("model.norm.weight");
      outputProjection = config.tiedEmbedding() ? embedding : layout.view("lm_head.weight");
      // In the order of transformers, which is not that of the buffer.
      config.parameterShapes().keySet().forEach(name -> byName.put(name, layout.view(name)));
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
    return Placement.of(config).size();
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

  private Tensor own(Tensor tensor) {
    tensor.retainReference();
    owned.add(tensor);
    return tensor;
  }

  /// Where each parameter begins in the buffer.
  private record Placement(Map<String, Long> offsets, long size) {

    /// Names of projections that one view spans.
    private static final List<String> FUSED =
        List.of("self_attn.k_proj", "self_attn.v_proj", "mlp.up_proj");

    static Placement of(ModelConfig config) {
      var offsets = new HashMap<String, Long>();
      long end = 0;
      for (String kind : List.of(".weight", ".bias")) {
        for (Map.Entry<String, List<Long>> parameter : config.parameterShapes().entrySet()) {
          String name = parameter.getKey();
          if (!name.endsWith(kind)) {
            continue;
          }
          if (FUSED.stream().noneMatch(fused -> name.endsWith(fused + kind))) {
            end = aligned(end);
          }
          offsets.put(name, end);
          end += parameter.getValue().stream().reduce(1L, Math::multiplyExact);
        }
      }
      return new Placement(offsets, aligned(end));
    }

    private static long aligned(long size) {
      return (size + ALIGNMENT_FLOATS - 1) / ALIGNMENT_FLOATS * ALIGNMENT_FLOATS;
    }
  }

  /// Makes the views.
  private final class Layout {
    private final Map<String, List<Long>> shapes;
    private final Placement placement;

    Layout(ModelConfig config) {
      shapes = config.parameterShapes();
      placement = Placement.of(config);
    }

    Layer layer(String prefix) {
      String attention = prefix + "self_attn.";
      String mlp = prefix + "mlp.";
      return new Layer(
          view(
              attention + "q_proj.weight",
              attention + "k_proj.weight",
              attention + "v_proj.weight"),
          present(attention + "q_proj.bias", attention + "k_proj.bias", attention + "v_proj.bias"),
          present(attention + "q_norm.weight"),
          present(attention + "k_norm.weight"),
          view(attention + "o_proj.weight"),
          present(attention + "o_proj.bias"),
          view(mlp + "gate_proj.weight", mlp + "up_proj.weight"),
          present(mlp + "gate_proj.bias", mlp + "up_proj.bias"),
          view(mlp + "down_proj.weight"),
          present(mlp + "down_proj.bias"),
          view(prefix + "input_layernorm.weight"),
          view(prefix + "post_attention_layernorm.weight"));
    }

    private @Nullable Tensor present(String... names) {
      return shapes.containsKey(names[0]) ? view(names) : null;
    }

    /// A view on neighbours, one below the other.
    Tensor view(String... names) {
      long[] shape = shape(names[0]);
      for (int i = 1; i < names.length; i++) {
        shape[0] += shape(names[i])[0];
      }
      long size = Arrays.stream(shape).reduce(1, Math::multiplyExact);
      return own(flat.narrow(0, offset(names[0]), size).view(shape));
    }

    private long[] shape(String name) {
      return required(shapes, name).stream().mapToLong(Long::longValue).toArray();
    }

    private long offset(String name) {
      return required(placement.offsets(), name);
    }

    private static <T> T required(Map<String, T> values, String name) {
      T value = values.get(name);
      if (value == null) {
        throw new IllegalStateException("the model has no parameter " + name);
      }
      return value;
    }
  }
}
