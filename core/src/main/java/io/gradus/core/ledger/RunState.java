package io.gradus.core.ledger;

/// Where a run stands.
public enum RunState {
  RUNNING,
  /// Paused by a person.
  PAUSED,
  /// It reached its target.
  COMPLETED,
  /// It reached another bound of `stop`.
  STOPPED,
  /// It cannot go on.
  FAILED,
  /// A person ended it.
  CANCELLED;

  public boolean isFinal() {
    return this != RUNNING && this != PAUSED;
  }
}
