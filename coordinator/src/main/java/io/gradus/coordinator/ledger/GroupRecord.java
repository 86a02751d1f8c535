package io.gradus.coordinator.ledger;

import io.gradus.core.ledger.GroupRow;
import java.time.Instant;
import java.util.List;

/// The story of one group.
///
/// @param decided when it reached its state
/// @param batches numbers of the batches, not void, that use it
public record GroupRecord(GroupRow row, Instant created, Instant decided, List<Long> batches) {

  public GroupRecord {
    batches = List.copyOf(batches);
  }
}
