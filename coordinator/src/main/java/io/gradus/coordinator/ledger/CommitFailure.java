package io.gradus.coordinator.ledger;

/// Why a commit failed.
public enum CommitFailure {
  /// Another incarnation has taken the run over: never write to it again.
  FENCED,
  /// The writes contradict the ledger, such as an admission without its payload.
  CONTRADICTED,
  /// The database could not be written within the deadline.
  UNAVAILABLE,
  /// An earlier append of the same incarnation failed, or the queue was full.
  ABANDONED
}
