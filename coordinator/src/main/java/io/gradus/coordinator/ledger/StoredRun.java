package io.gradus.coordinator.ledger;

import io.gradus.core.ledger.RunRow;
import java.time.Instant;
import java.util.Arrays;
import java.util.Optional;

/// A run as the ledger has it, without its groups and batches.
public final class StoredRun {

  private final RunKey key;
  private final Instant submitted;
  private final long epoch;
  private final long commitSeq;
  private final Optional<RunRow> row;
  private final byte[] spec;

  StoredRun(
      RunKey key,
      Instant submitted,
      long epoch,
      long commitSeq,
      Optional<RunRow> row,
      byte[] spec) {
    this.key = key;
    this.submitted = submitted;
    this.epoch = epoch;
    this.commitSeq = commitSeq;
    this.row = row;
    this.spec = spec;
  }

  public RunKey key() {
    return key;
  }

  public Instant submitted() {
    return submitted;
  }

  /// Incarnations that the run has had.
  public long epoch() {
    return epoch;
  }

  /// Transactions that changed the run.
  public long commitSeq() {
    return commitSeq;
  }

  /// Absent before the first decision.
  public Optional<RunRow> row() {
    return row;
  }

  /// A copy of the serialized effective spec.
  public byte[] spec() {
    return spec.clone();
  }

  public boolean isFinal() {
    return row.filter(r -> r.state().isFinal()).isPresent();
  }

  boolean hasSpec(byte[] other) {
    return Arrays.equals(spec, other);
  }
}
