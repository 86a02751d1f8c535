package io.gradus.policy;

import java.util.Arrays;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.Collectors;

/// The families of models that a [Decoder] is, and all that tells them apart.
///
/// They share blocks of RMSNorm, rotary grouped-query attention and a gated feed-forward block with
/// SiLU, under the tensor names of [ModelConfig#parameterShapes]. What differs is which parts a
/// block has besides, and what `config.json` leaves unsaid. SmolLM2 and Llama 2 and 3 are LLAMA.
public enum Family {
  LLAMA("LlamaForCausalLM", Part.BY_CONFIG, Part.BY_CONFIG, Part.BY_CONFIG, false, Windows.NONE, 0),
  MISTRAL("MistralForCausalLM", Part.NEVER, Part.NEVER, Part.NEVER, false, Windows.ALL_LAYERS, 8),
  QWEN2("Qwen2ForCausalLM", Part.ALWAYS, Part.NEVER, Part.NEVER, false, Windows.SOME_LAYERS, 32),
  QWEN3(
      "Qwen3ForCausalLM",
      Part.BY_CONFIG,
      Part.BY_CONFIG,
      Part.NEVER,
      true,
      Windows.SOME_LAYERS,
      32);

  private final String architecture;
  private final Part inputBias;
  private final Part outputBias;
  private final Part feedForwardBias;
  private final boolean hasHeadNorms;
  private final Windows windows;
  private final int defaultKeyValueHeads;

  /// Whether a family has a part.
  public enum Part {
    NEVER,
    ALWAYS,
    /// As `attention_bias` or `mlp_bias` says.
    BY_CONFIG
  }

  /// In which blocks a token looks at the last ones only.
  public enum Windows {
    NONE,
    /// In all, where `sliding_window` is set.
    ALL_LAYERS,
    /// In those that `layer_types` names, or from `max_window_layers` on, where
    /// `use_sliding_window`.
    SOME_LAYERS
  }

  /// @param defaultKeyValueHeads where `num_key_value_heads` is missing; 0: as many as query heads
  Family(
      String architecture,
      Part inputBias,
      Part outputBias,
      Part feedForwardBias,
      boolean hasHeadNorms,
      Windows windows,
      int defaultKeyValueHeads) {
    this.architecture = architecture;
    this.inputBias = inputBias;
    this.outputBias = outputBias;
    this.feedForwardBias = feedForwardBias;
    this.hasHeadNorms = hasHeadNorms;
    this.windows = windows;
    this.defaultKeyValueHeads = defaultKeyValueHeads;
  }

  /// The family of a `model_type`.
  public static Optional<Family> ofModelType(String modelType) {
    return Arrays.stream(values()).filter(f -> f.modelType().equals(modelType)).findFirst();
  }

  /// All architectures, for a message.
  public static String architectures() {
    return Arrays.stream(values()).map(Family::architecture).collect(Collectors.joining(", "));
  }

  /// What `config.json` calls it.
  public String modelType() {
    return name().toLowerCase(Locale.ROOT);
  }

  /// The class of transformers.
  public String architecture() {
    return architecture;
  }

  /// Biases of the query, key and value projections.
  public Part inputBias() {
    return inputBias;
  }

  /// Bias of the projection back.
  public Part outputBias() {
    return outputBias;
  }

  /// Biases of the feed-forward block.
  public Part feedForwardBias() {
    return feedForwardBias;
  }

  /// Whether each head's queries and keys pass an RMSNorm.
  public boolean hasHeadNorms() {
    return hasHeadNorms;
  }

  public Windows windows() {
    return windows;
  }

  /// Key and value heads where nothing is said.
  public int defaultKeyValueHeads(int heads) {
    return defaultKeyValueHeads == 0 ? heads : defaultKeyValueHeads;
  }
}
