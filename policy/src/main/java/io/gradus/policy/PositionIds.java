package io.gradus.policy;

/// How a token gets the position that its rotary embedding turns by.
public enum PositionIds {
  /// The index of the token in its row, from 0.
  SEQUENTIAL,

  /// The 1-based index inside the current run of digits, and 0 at every other token, so that the
  /// digits of equal significance of both summands and of the sum share a position. Source:
  /// position coupling, Cho et al. (arXiv 2405.20671), here without a random start.
  DIGIT_COUPLED
}
