package io.gradus.policy;

import java.util.List;

/// How the blocks of a decoder attend.
///
/// @param heads query heads
/// @param keyValueHeads key and value heads; divides `heads`
/// @param headDim width of a head, even
/// @param rope turns queries and keys by their position
/// @param inputBias whether the query, key and value projections have biases
/// @param outputBias whether the projection back has one
/// @param normed whether each head's queries and keys pass an RMSNorm before they are turned
/// @param windows for each block how many tokens one looks at, itself the last of them; 0 is all.
///   Empty: all, in every block
public record AttentionShape(
    int heads,
    int keyValueHeads,
    int headDim,
    Rope rope,
    boolean inputBias,
    boolean outputBias,
    boolean normed,
    List<Integer> windows) {

  public AttentionShape {
    windows = List.copyOf(windows);
    ModelConfig.require("num_attention_heads", heads, 1, 1024);
    ModelConfig.require("num_key_value_heads", keyValueHeads, 1, heads);
    ModelConfig.require("head_dim", headDim, 2, 1024);
    if (headDim % 2 != 0) {
      throw new IllegalArgumentException(
          "head_dim is %d but must be even: the rotary embedding turns pairs".formatted(headDim));
    }
    if (heads % keyValueHeads != 0) {
      throw new IllegalArgumentException(
          "num_key_value_heads is %d but must divide num_attention_heads, which is %d"
              .formatted(keyValueHeads, heads));
    }
    for (int window : windows) {
      ModelConfig.require("sliding_window", window, 0, 1 << 24);
    }
  }

  /// That of Llama, without biases.
  public static AttentionShape llama(int heads, int keyValueHeads, int headDim, Rope rope) {
    return new AttentionShape(heads, keyValueHeads, headDim, rope, false, false, false, List.of());
  }

  /// Tokens that one looks at in block `layer`; as many as fit an int where there is no window.
  int window(int layer) {
    return windows.isEmpty() || windows.get(layer) == 0 ? Integer.MAX_VALUE : windows.get(layer);
  }
}
