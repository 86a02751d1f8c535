package io.gradus.policy;

import io.gradus.policy.checkpoint.CheckpointDirectory;
import io.gradus.policy.checkpoint.ConfigFiles;
import io.gradus.policy.nativememory.NativeMemory;
import io.gradus.policy.nativememory.Scoped;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicLong;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.jspecify.annotations.Nullable;

/// A decoder of one of the families in [Family]: RMSNorm, rotary embedding, grouped-query
/// attention, SwiGLU, fp32 on the CPU.
///
/// It owns weights and, once asked for, gradients. A [#replica] shares the weights and has
/// gradients of its own; each of them is touched by one platform thread at a time. Whoever changes
/// weights while a replica computes gets a mixture of old and new ones: the trainer makes sure that
/// none computes during an optimizer step, and a sampler has a decoder to itself and loads new
/// weights between calls.
public final class Decoder implements AutoCloseable {

  private final ModelConfig config;
  private final Parameters weights;

  /// How often the shared weights changed. Atomic because replicas on other threads compare it with
  /// what they cached; the order of writes is given by whoever hands the work over.
  private final AtomicLong weightsVersion;

  private final Tensor pairedRows;
  private final Tensor unpairedRows;
  private @Nullable Parameters gradients;
  private @Nullable RotaryTable rotary;

  private Decoder(ModelConfig config, Parameters weights, AtomicLong weightsVersion) {
    this.config = config;
    this.weights = weights;
    this.weightsVersion = weightsVersion;
    long[] paired = pairing(config);
    var unpaired = new long[paired.length];
    for (int i = 0; i < paired.length; i++) {
      unpaired[(int) paired[i]] = i;
    }
    pairedRows = Scoped.keepingResult(() -> Tensor.create(paired));
    unpairedRows = Scoped.keepingResult(() -> Tensor.create(unpaired));
  }

  /// A decoder whose weights are drawn from `seed`; the same seed gives the same bits.
  public static Decoder initialize(ModelConfig config, Initialization initialization, long seed) {
    Decoder decoder = zeros(config);
    var random = new SplittableRandom(seed);
    double residual = initialization.scaleResidual() ? Math.sqrt(2.0 * config.layers()) : 1;
    for (Map.Entry<String, Tensor> entry : decoder.weights.byName().entrySet()) {
      String name = entry.getKey();
      Tensor parameter = entry.getValue();
      var values = new float[Math.toIntExact(parameter.numel())];
      if (name.endsWith("norm.weight")) {
        Arrays.fill(values, 1);
      } else if (name.endsWith(".weight")) {
        double std = 1 / Math.sqrt((double) parameter.size(1));
        if (name.equals("model.embed_tokens.weight")) {
          std = initialization.embeddingStd();
        } else if (name.endsWith("o_proj.weight") || name.endsWith("down_proj.weight")) {
          std /= residual;
        }
        for (int i = 0; i < values.length; i++) {
          values[i] = (float) (std * random.nextGaussian());
        }
      }
      try (var _ = new PointerScope()) {
        parameter.copy_(Tensor.create(values).view_as(parameter));
      }
    }
    return decoder;
  }

  /// A decoder of this shape whose weights are all zero, to be filled by [#copyFrom].
  public static Decoder zeros(ModelConfig config) {
    NativeMemory.prepareThread();
    return new Decoder(config, Parameters.zeros(config), new AtomicLong());
  }

  /// The decoder of the checkpoint in `checkpointDirectory`, in Hugging Face layout; weights of
  /// other formats become fp32.
  ///
  /// @throws io.gradus.policy.checkpoint.DamagedCheckpointException if a file is missing, damaged
  ///   or says something that this decoder does not do
  public static Decoder load(Path checkpointDirectory) throws IOException {
    Decoder decoder = zeros(ConfigFiles.read(checkpointDirectory));
    boolean loaded = false;
    try {
      CheckpointDirectory.loadWeights(checkpointDirectory, decoder);
      loaded = true;
    } finally {
      if (!loaded) {
        decoder.close();
      }
    }
    return decoder;
  }

  /// Overwrites the weights, in place, with those of a checkpoint of the same shape.
  ///
  /// All headers and shapes are checked before the first weight changes.
  public void loadFrom(Path checkpointDirectory) throws IOException {
    CheckpointDirectory.loadWeights(checkpointDirectory, this);
    weightsChanged();
  }

  public ModelConfig config() {
    return config;
  }

  /// The weights by their Hugging Face names, in transformers' order: views that this decoder owns.
  public Map<String, Tensor> parameters() {
    return weights.byName();
  }

  /// Another decoder on the same weights, with gradients of its own. The weights live until the
  /// last of them is closed.
  public Decoder replica() {
    return new Decoder(config, Parameters.sharing(config, weights), weightsVersion);
  }

  /// Overwrites the weights, in place, with those of a decoder of the same shape.
  public void copyFrom(Decoder other) {
    if (Parameters.flatSize(config) != Parameters.flatSize(other.config)
        || !parameters().keySet().equals(other.parameters().keySet())) {
      throw new IllegalArgumentException(
          "cannot copy weights of %s into %s".formatted(other.config, config));
    }
    try (var _ = new PointerScope()) {
      weights.flat().copy_(other.weights.flat());
    }
    weightsChanged();
  }

  /// Bytes of native memory behind weights, gradients and tables.
  public long nativeBytes() {
    long numbers = Parameters.flatSize(config) * (gradients == null ? 1 : 2);
    RotaryTable table = rotary;
    long turns = table == null ? 0 : 16 * table.turnPC().numel();
    return numbers * Float.BYTES + turns;
  }

  /// The weights as a pass uses them; the caller closes them before this decoder.
  public FusedWeights fused() {
    return new FusedWeights(this);
  }

  /// Weights in one buffer.
  public Parameters weights() {
    return weights;
  }

  /// Gradients in one buffer, zeros at the first call; this decoder owns them.
  public Parameters gradients() {
    Parameters current = gradients;
    if (current == null) {
      current = Parameters.zeros(config);
      gradients = current;
    }
    return current;
  }

  /// Named views on another buffer that is laid out like the weights; the caller closes them.
  public Parameters alike(Tensor flat) {
    return Parameters.over(config, flat);
  }

  /// Says that the weights were changed through [#weights].
  public void weightsChanged() {
    weightsVersion.incrementAndGet();
  }

  /// A number that grows whenever the weights change.
  public long weightsVersion() {
    return weightsVersion.get();
  }

  /// The rotary table for positions 0 to `largest` at least.
  RotaryTable rotary(long largest) {
    RotaryTable table = rotary;
    if (table == null || table.positions() <= largest) {
      int positions = Integer.highestOneBit(Math.max(31, Math.toIntExact(largest))) * 2;
      RotaryTable wider = RotaryTable.of(config, positions);
      if (table != null) {
        table.close();
      }
      rotary = wider;
      return wider;
    }
    return table;
  }

  /// For each row of the paired query, key and value projections the row in transformers' order.
  Tensor pairedRows() {
    return pairedRows;
  }

  /// The inverse of [#pairedRows].
  Tensor unpairedRows() {
    return unpairedRows;
  }

  @Override
  public void close() {
    if (rotary != null) {
      rotary.close();
    }
    if (gradients != null) {
      gradients.close();
    }
    unpairedRows.close();
    pairedRows.close();
    weights.close();
  }

  private static long[] pairing(ModelConfig config) {
    int d = config.attention().headDim();
    int turned = config.attentionSize() + config.keyValueSize();
    var rows = new long[turned + config.keyValueSize()];
    for (int i = 0; i < rows.length; i++) {
      int inHead = i % d;
      rows[i] = i < turned ? i - inHead + inHead / 2 + (inHead % 2) * (d / 2) : i;
    }
    return rows;
  }
}
