package io.gradus.core.ledger;

import java.time.Duration;
import java.util.Collections;
import java.util.Map;
import java.util.TreeMap;

/// The run itself: its state and the counts that every commit maintains (G1).
///
/// @param reason why it is in that state, for people
/// @param transitions how often groups made each transition, by `FROM>TO(REASON)`; a group's
///   creation is `NONE>LEASED`
/// @param nextLease the next lease id
/// @param batchesBound numbers bound: the last one is this
/// @param unitsAccepted units that went into replay: each pays for draws
/// @param elapsed time that it has run, over all incarnations
/// @param nextRandom draws made from the run's random sequence: a new incarnation goes on from here
public record RunRow(
    RunState state,
    String reason,
    Map<String, Long> transitions,
    long groupsCreated,
    long nextLease,
    long nextVersion,
    long batchesBound,
    long warmUpBatches,
    int round,
    long trajectoriesSampled,
    long tokensSampled,
    long unitsAccepted,
    long tokensTrained,
    long sequencesTrained,
    long nextRandom,
    Duration elapsed) {

  public RunRow {
    transitions = Collections.unmodifiableMap(new TreeMap<>(transitions));
  }
}
