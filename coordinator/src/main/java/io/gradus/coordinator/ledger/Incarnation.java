package io.gradus.coordinator.ledger;

import java.util.Optional;

/// The right to write to a run, until the next takeover raises the epoch.
public final class Incarnation {

  private final RunKey run;
  private final long epoch;

  /// Touched by the writer's thread alone.
  private long commitSeq;

  /// Set when an append failed: later ones were decided on a state that never became durable. Only
  /// ever goes from false to true; whoever appends may set it, the writer's thread reads it.
  private volatile boolean isAbandoned;

  /// How far the payloads of the run were given back; touched by the writer's thread alone.
  private Optional<Swept> swept = Optional.empty();

  /// @param below groups below have no payloads any more; negative: not looked up yet
  /// @param nextNanos when to go on, on the writer's monotonic clock
  record Swept(long below, long nextNanos) {}

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

  Optional<Swept> swept() {
    return swept;
  }

  void sweptTo(Swept reached) {
    swept = Optional.of(reached);
  }

  boolean isAbandoned() {
    return isAbandoned;
  }

  void abandon() {
    isAbandoned = true;
  }
}
