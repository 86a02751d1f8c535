package io.gradus.coordinator.ledger;

/// Hears what became of an append, once, on the writer's thread; must not block.
public interface CommitListener {

  /// The writes are durable.
  ///
  /// @param commitSeq orders the commits of a run
  void committed(long commitSeq);

  /// The writes are not known to be in the ledger, and nothing that the same incarnation appended
  /// after them is or will be: recover from the ledger.
  void failed(CommitFailure failure, String message);
}
