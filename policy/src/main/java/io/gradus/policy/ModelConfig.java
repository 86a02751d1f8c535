package io.gradus.policy;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// The shape of a Llama decoder and the ids of its vocabulary.
///
/// @param vocabSize rows of the embedding; at least the size of the vocabulary
/// @param hiddenSize width of the residual stream
/// @param layers number of blocks
/// @param heads query heads
/// @param keyValueHeads key and value heads; divides `heads`
/// @param headDim width of a head, even
/// @param feedForwardSize inner width of the gated feed-forward block
/// @param ropeTheta base of the rotary embedding
/// @param rmsNormEpsilon added to the mean square before the root
/// @param tiedEmbedding whether the output projection is the embedding
/// @param maxPositions bound of prompt and completion together, in tokens
/// @param positionIds what the rotary embedding turns by
/// @param vocabulary text of the ids, and which of them are special
public record ModelConfig(
    int vocabSize,
    int hiddenSize,
    int layers,
    int heads,
    int keyValueHeads,
    int headDim,
    int feedForwardSize,
    double ropeTheta,
    double rmsNormEpsilon,
    boolean tiedEmbedding,
    int maxPositions,
    PositionIds positionIds,
    CharacterVocabulary vocabulary) {

  public ModelConfig {
    require("vocab_size", vocabSize, 2, 1 << 22);
    require("hidden_size", hiddenSize, 1, 1 << 16);
    require("num_hidden_layers", layers, 1, 1024);
    require("num_attention_heads", heads, 1, 1024);
    require("num_key_value_heads", keyValueHeads, 1, heads);
    require("head_dim", headDim, 2, 1024);
    require("intermediate_size", feedForwardSize, 1, 1 << 20);
    require("max_position_embeddings", maxPositions, 1, 1 << 24);
    if (headDim % 2 != 0) {
      throw new IllegalArgumentException(
          "head_dim is %d but must be even: the rotary embedding turns pairs".formatted(headDim));
    }
    if (heads % keyValueHeads != 0) {
      throw new IllegalArgumentException(
          "num_key_value_heads is %d but must divide num_attention_heads, which is %d"
              .formatted(keyValueHeads, heads));
    }
    if (!(ropeTheta > 1 && ropeTheta < 1e12)) {
      throw new IllegalArgumentException(
          "rope_theta is %s but must be in (1, 1e12); the usual value is 10000"
              .formatted(ropeTheta));
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

  /// The same model with another set of token texts.
  public ModelConfig withVocabulary(CharacterVocabulary other) {
    return new ModelConfig(
        vocabSize,
        hiddenSize,
        layers,
        heads,
        keyValueHeads,
        headDim,
        feedForwardSize,
        ropeTheta,
        rmsNormEpsilon,
        tiedEmbedding,
        maxPositions,
        positionIds,
        other);
  }

  /// Width of all query heads together.
  public int attentionSize() {
    return heads * headDim;
  }

  /// Width of all key heads together, and of all value heads.
  public int keyValueSize() {
    return keyValueHeads * headDim;
  }

  /// Number of weights; a tied embedding counts once.
  public long parameterCount() {
    long perLayer =
        2L * hiddenSize
            + (long) hiddenSize * (attentionSize() + 2L * keyValueSize())
            + (long) hiddenSize * attentionSize()
            + 3L * hiddenSize * feedForwardSize;
    return (tiedEmbedding ? 1L : 2L) * vocabSize * hiddenSize + layers * perLayer + hiddenSize;
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
      shapes.put(prefix + "self_attn.q_proj.weight", List.of(a, h));
      shapes.put(prefix + "self_attn.k_proj.weight", List.of(k, h));
      shapes.put(prefix + "self_attn.v_proj.weight", List.of(k, h));
      shapes.put(prefix + "self_attn.o_proj.weight", List.of(h, a));
      shapes.put(prefix + "mlp.gate_proj.weight", List.of(f, h));
      shapes.put(prefix + "mlp.up_proj.weight", List.of(f, h));
      shapes.put(prefix + "mlp.down_proj.weight", List.of(h, f));
      shapes.put(prefix + "input_layernorm.weight", List.of(h));
      shapes.put(prefix + "post_attention_layernorm.weight", List.of(h));
    }
    shapes.put("model.norm.weight", List.of(h));
    if (!tiedEmbedding) {
      shapes.put("lm_head.weight", List.of((long) vocabSize, h));
    }
    return Collections.unmodifiableMap(shapes);
  }

  private static void require(String name, int value, int least, int most) {
    if (value < least || value > most) {
      throw new IllegalArgumentException(
          "%s is %d but must be in [%d, %d]".formatted(name, value, least, most));
    }
  }
}
