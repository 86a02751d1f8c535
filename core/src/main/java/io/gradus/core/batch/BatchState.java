package io.gradus.core.batch;

/// Where a batch stands.
///
/// | from | to |
/// |---|---|
/// | BOUND | APPLIED, VOID |
/// | APPLIED | SETTLED, BOUND (the learner went back behind it), VOID (the run ended) |
/// | SETTLED, VOID | nothing: they are final |
public enum BatchState {
  /// Its contents are fixed; it may have been sent.
  BOUND,
  /// The live learner lineage has applied it.
  APPLIED,
  /// At or below a durable checkpoint.
  SETTLED,
  /// Given up, with its reason; its number may be bound anew.
  VOID
}
