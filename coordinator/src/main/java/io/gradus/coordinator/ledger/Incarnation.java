package io.gradus.coordinator.ledger;

/// The right to write to a run, until the next takeover raises the epoch.
public final class Incarnation {

  private final RunKey run;
  private final long epoch;

  /// Touched by the writer's thread alone.
  private long commitSeq;

  /// Set when an append failed: later ones were decided on a state that never became durable. Only
  /// ever goes from false to true; whoever appends may set it, the writer's thread reads it.
  private volatile boolean isAbandoned;

  Incarnation(RunKey run, long epoch, long commitSeq) {
    this.run = run;
    this.epoch = epoch;
    this.commitSeq = commitSeq;
  }

  public RunKey run() {
    return run;
  }

  public long epoch() {
    return epoch;
  }

  long commitSeq() {
    return commitSeq;
  }

  void advance() {
    commitSeq++;
  }

  boolean isAbandoned() {
    return isAbandoned;
  }

  void abandon() {
    isAbandoned = true;
  }
}
