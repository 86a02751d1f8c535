package io.gradus.core.group;

import java.util.EnumSet;
import java.util.Set;

/// Where a group stands (G1).
///
/// | from | to |
/// |---|---|
/// | (none) | LEASED: a group is created by its first grant |
/// | PENDING | LEASED, CANCELLED |
/// | LEASED | PENDING, ACCEPTED, FILTERED, STALE, FAILED, EVALUATED, CANCELLED |
/// | ACCEPTED | TRAINED, STALE, FAILED, CANCELLED |
/// | TRAINED, FILTERED, STALE, FAILED, EVALUATED, CANCELLED | nothing: they are final |
public enum GroupState {
  /// Waits for another lease.
  PENDING,
  /// A worker may submit it.
  LEASED,
  /// In replay, or used by a batch that is not settled.
  ACCEPTED,
  /// Left replay; has a use in a settled batch and none in an open one.
  TRAINED,
  /// Carries no signal for the objective.
  FILTERED,
  /// Too old to be used, or displaced from replay before it was.
  STALE,
  /// Infrastructure failed it; never a reward.
  FAILED,
  /// Counted in an evaluation.
  EVALUATED,
  /// The run ended first.
  CANCELLED;

  public Set<GroupState> successors() {
    return switch (this) {
      case PENDING -> EnumSet.of(LEASED, CANCELLED);
      case LEASED -> EnumSet.of(PENDING, ACCEPTED, FILTERED, STALE, FAILED, EVALUATED, CANCELLED);
      case ACCEPTED -> EnumSet.of(TRAINED, STALE, FAILED, CANCELLED);
      case TRAINED, FILTERED, STALE, FAILED, EVALUATED, CANCELLED ->
          EnumSet.noneOf(GroupState.class);
    };
  }

  public boolean isFinal() {
    return successors().isEmpty();
  }
}
