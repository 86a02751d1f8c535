package io.gradus.core.group;

/// Why a group is FILTERED, STALE, FAILED or PENDING again, or what is held against it while it is
/// LEASED again; NONE elsewhere.
public enum StateReason {
  NONE,
  /// FILTERED: all rewards alike, no gradient.
  NO_VARIANCE,
  /// FILTERED: no verified trajectory.
  NONE_RIGHT,
  /// STALE: older than the spec allows.
  TOO_OLD,
  /// STALE: displaced from replay by newer groups before it was used.
  DISPLACED,
  /// PENDING or FAILED: the worker's stream broke or it was silent past the lease.
  WORKER_LOST,
  /// PENDING, and while it is leased again: the worker that held it was lost for good.
  WORKER_DIED,
  /// PENDING, and while it is leased again: at least two workers in a row were lost with it.
  SUSPECT,
  /// FAILED: a worker was lost with this group as its only suspect.
  POISON_TASK,
  /// PENDING or FAILED: no progress for the progress time-out.
  NO_PROGRESS,
  /// PENDING or FAILED: the worker gave the lease back.
  WORKER_FAILED,
  /// PENDING: a person paused the run and did not want to wait for it.
  PAUSED,
  /// FAILED: too few members after the last attempt.
  TOO_FEW_MEMBERS,
  /// FAILED: its batch failed in three learner sessions.
  POISON_BATCH;

  /// Whether workers were lost with the group, which is not forgotten while it is leased again.
  public boolean blames() {
    return this == WORKER_DIED || this == SUSPECT;
  }
}
