package io.gradus.core.ledger;

import io.gradus.core.group.GroupPurpose;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/// What is known of one stratum of one task source.
///
/// @param right decayed count of right trajectories
/// @param wrong decayed count of the others
/// @param nextIndex the next task number, by purpose
/// @param roundGroups groups created in the round that is being sampled; 0 without rounds
/// @param failed tasks that no trajectory solved, oldest first, kept for rationalization
public record StratumRow(
    int source,
    int stratum,
    double right,
    double wrong,
    Map<GroupPurpose, Long> nextIndex,
    int roundGroups,
    List<Long> failed) {

  public StratumRow {
    nextIndex = Collections.unmodifiableMap(new TreeMap<>(nextIndex));
    failed = List.copyOf(failed);
  }
}
