package io.gradus.core.task;

/// Why a completion ended.
public enum Ending {
  /// The policy sampled the end-of-sequence token.
  END_OF_SEQUENCE,
  /// The token limit cut it.
  TOKEN_LIMIT
}
