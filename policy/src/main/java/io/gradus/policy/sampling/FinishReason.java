package io.gradus.policy.sampling;

/// Why a completion ended.
public enum FinishReason {
  /// The policy sampled the end-of-sequence token, which is the last token of the completion.
  EOS,

  /// The token limit was reached first.
  LENGTH
}
