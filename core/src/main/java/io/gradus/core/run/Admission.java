package io.gradus.core.run;

import io.gradus.core.group.StateReason;

/// What was decided about a submitted group.
public sealed interface Admission {

  /// It is in replay.
  record Accepted() implements Admission {}

  /// Recorded and not used: it carries no signal.
  record Filtered(StateReason reason) implements Admission {}

  /// Recorded and not used: its version is too old.
  record Stale(long staleness, int maxStaleness) implements Admission {}

  /// The group had ended, or this payload was already admitted.
  record Duplicate() implements Admission {}

  /// An evaluation group, counted.
  record Evaluated() implements Admission {}

  /// Members are missing; the same lease goes on for those alone, or the group was given up.
  record Incomplete() implements Admission {}

  /// Never granted, or the run is over; nothing was stored.
  record Refused(String message) implements Admission {}
}
