package io.gradus.core.group;

/// What a group is for.
public enum GroupPurpose {
  /// Training on the policy's own unaided samples.
  TRAINING,
  /// Training on samples that saw the answer as a hint; a source of its own.
  RATIONALIZATION,
  /// Greedy answers to the held-out set; never in replay.
  EVALUATION,
  /// Greedy answers to new problems that confirm a candidate; never in replay.
  CONFIRMATION;

  public boolean isTraining() {
    return this == TRAINING || this == RATIONALIZATION;
  }
}
