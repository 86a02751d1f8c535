package io.gradus.core.ledger;

import io.gradus.core.group.GroupPurpose;
import java.util.Map;
import java.util.TreeMap;

/// What is known of one stratum of one task source.
///
/// @param right decayed count of right trajectories
/// @param wrong decayed count of the others
/// @param nextIndex the next task number, by purpose
public record StratumRow(
    int source, int stratum, double right, double wrong, Map<GroupPurpose, Long> nextIndex) {

  public StratumRow {
    nextIndex = java.util.Collections.unmodifiableMap(new TreeMap<>(nextIndex));
  }
}
