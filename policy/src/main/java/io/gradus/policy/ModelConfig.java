package io.gradus.policy;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// The shape of a decoder and the ids of its vocabulary.
///
/// @param family which other programs know it as, and what its parts follow from
/// @param vocabSize rows of the embedding; at least the size of the vocabulary
/// @param hiddenSize width of the residual stream
/// @param layers number of blocks
/// @param attention how the blocks attend
/// @param feedForwardSize inner width of the gated feed-forward block
/// @param feedForwardBias whether its three projections have biases
/// @param rmsNormEpsilon added to the mean square before the root
/// @param tiedEmbedding whether the output projection is the embedding
/// @param maxPositions bound of prompt and completion together, in tokens
/// @param positionIds what the rotary embedding turns by
/// @param vocabulary text of the ids, and which of them are special
public record ModelConfig(
    Family family,
    int vocabSize,
    int hiddenSize,
    int layers,
    AttentionShape attention,
    int feedForwardSize,
    boolean feedForwardBias,
    double rmsNormEpsilon,
    boolean tiedEmbedding,
    int maxPositions,
    PositionIds positionIds,
    CharacterVocabulary vocabulary) {

  public ModelConfig {
    require("vocab_size", vocabSize, 2, 1 << 22);
    require("hidden_size", hiddenSize, 1, 1 << 16);
    require("num_hidden_layers", layers, 1, 1024);
    require("intermediate_size", feedForwardSize, 1, 1 << 20);
    require("max_position_embeddings", maxPositions, 1, 1 << 24);
    if (!attention.windows().isEmpty() && attention.windows().size() != layers) {
      throw new IllegalArgumentException(
          "there are %d windows but num_hidden_layers is %d"
              .formatted(attention.windows().size(), layers));
    }
    if (!(rmsNormEpsilon > 0 && rmsNormEpsilon < 1)) {
      throw new IllegalArgumentException(
          "rms_norm_eps is %s but must be in (0, 1); the usual value is 1e-5"
              .formatted(rmsNormEpsilon));
    }
    if (vocabulary.size() > vocabSize) {
      throw new IllegalArgumentException(
          "vocab_size is %d but the vocabulary has %d tokens"
              .formatted(vocabSize, vocabulary.size()));
    }
  }

  /// A Llama without biases and windows, as one from scratch is.
  public static ModelConfig llama(
      int vocabSize,
      int hiddenSize,
      int layers,
      AttentionShape attention,
      int feedForwardSize,
      double rmsNormEpsilon,
      boolean tiedEmbedding,
      int maxPositions,
      PositionIds positionIds,
      CharacterVocabulary vocabulary) {
    return new ModelConfig(
        Family.LLAMA,
        vocabSize,
        hiddenSize,
        layers,
        attention,
        feedForwardSize,
        false,
        rmsNormEpsilon,
        tiedEmbedding,
        maxPositions,
        positionIds,
        vocabulary);
  }

  /// The same model with another set of token texts.
  public ModelConfig withVocabulary(CharacterVocabulary other) {
    return new ModelConfig(
        family,
        vocabSize,
        hiddenSize,
        layers,
        attention,
        feedForwardSize,
        feedForwardBias,
        rmsNormEpsilon,
        tiedEmbedding,
        maxPositions,
        positionIds,
        other);
  }

  /// Width of all query heads together.
  public int attentionSize() {
    return attention.heads() * attention.headDim();
  }

  /// Width of all key heads together, and of all value heads.
  public int keyValueSize() {
    return attention.keyValueHeads() * attention.headDim();
  }

  /// Number of weights; a tied embedding counts once.
  public long parameterCount() {
    return parameterShapes().values().stream()
        .mapToLong(shape -> shape.stream().reduce(1L, Math::multiplyExact))
        .sum();
  }

  /// Shapes of all parameters by their Hugging Face names, in transformers' order; a tied output
  /// projection is not among them.
  public Map<String, List<Long>> parameterShapes() {
    long h = hiddenSize;
    long a = attentionSize();
    long k = keyValueSize();
    long f = feedForwardSize;
    var shapes = new LinkedHashMap<String, List<Long>>();
    shapes.put("model.embed_tokens.weight", List.of((long) vocabSize, h));
    for (int l = 0; l < layers; l++) {
      String prefix = "model.layers." + l + ".";
      linear(shapes, prefix + "self_attn.q_proj", a, h, attention.inputBias());
      linear(shapes, prefix + "self_attn.k_proj", k, h, attention.inputBias());
      linear(shapes, prefix + "self_attn.v_proj", k, h, attention.inputBias());
      linear(shapes, prefix + "self_attn.o_proj", h, a, attention.outputBias());
      if (attention.normed()) {
        shapes.put(prefix + "self_attn.q_norm.weight", List.of((long) attention.headDim()));
        shapes.put(prefix + "self_attn.k_norm.weight", List.of((long) attention.headDim()));
      }
      linear(shapes, prefix + "mlp.gate_proj", f, h, feedForwardBias);
      linear(shapes, prefix + "mlp.up_proj", f, h, feedForwardBias);
      linear(shapes, prefix + "mlp.down_proj", h, f, feedForwardBias);
      shapes.put(prefix + "input_layernorm.weight", List.of(h));
      shapes.put(prefix + "post_attention_layernorm.weight", List.of(h));
    }
    shapes.put("model.norm.weight", List.of(h));
    if (!tiedEmbedding) {
      shapes.put("lm_head.weight", List.of((long) vocabSize, h));
    }
    return Collections.unmodifiableMap(shapes);
  }

  private static void linear(
      Map<String, List<Long>> shapes, String name, long outputs, long inputs, boolean hasBias) {
    shapes.put(name + ".weight", List.of(outputs, inputs));
    if (hasBias) {
      shapes.put(name + ".bias", List.of(outputs));
    }
  }

  static void require(String name, int value, int least, int most) {
    if (value < least || value > most) {
      throw new IllegalArgumentException(
          "%s is %d but must be in [%d, %d]".formatted(name, value, least, most));
    }
  }
}
