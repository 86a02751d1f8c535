package io.gradus.core.run.simulation;

import io.gradus.core.ledger.RunImage;
import java.util.List;

/// What is durable: the rows, and the fence before them.
final class SharedLedger {

  /// What a new incarnation starts from.
  ///
  /// @param rows a copy of all rows, for the laws; the decider sees the image alone
  record Takeover(long epoch, long commitSeq, RunImage image, ModelLedger rows) {}

  private final ModelLedger rows = new ModelLedger();
  private long epoch;
  private long commitSeq;

  ModelLedger rows() {
    return rows;
  }

  /// Raises the epoch, then reads.
  Takeover takeOver() {
    epoch++;
    return new Takeover(epoch, commitSeq, rows.image(), rows.copy());
  }

  long epoch() {
    return epoch;
  }

  long commitSeq() {
    return commitSeq;
  }

  /// One transaction; false when the fence stops it.
  boolean commit(long atEpoch, long afterSeq, List<CommitQueue.Append> appends) {
    if (atEpoch != epoch || afterSeq != commitSeq) {
      return false;
    }
    commitSeq++;
    for (CommitQueue.Append append : appends) {
      append
          .payloads()
          .forEach(payload -> rows.putPayload(payload.group(), payload.lease(), payload.digest()));
      append.writes().forEach(rows::apply);
    }
    return true;
  }
}
