package io.gradus.core.run.simulation;

import java.time.Duration;

/// How much goes wrong in a simulation, drawn once from its seed, and every single fate.
final class Faults {

  /// What becomes of a commit that is sent.
  enum Commit {
    COMMITTED,
    /// The answer was lost; reading the ledger shows that it is there.
    UNKNOWN_COMMITTED,
    /// The answer was lost; reading shows that it is not there, so it is sent again.
    UNKNOWN_LOST,
    /// It is there, but nobody can find out in time.
    FAILED_COMMITTED,
    /// It is not there.
    FAILED_LOST;

    boolean isApplied() {
      return this == COMMITTED || this == UNKNOWN_COMMITTED || this == FAILED_COMMITTED;
    }
  }

  private final VirtualTime time;
  private final int commitsInFlight;
  private final int slowestCommitMillis;
  private final double commitFailures;
  private final Duration tick;
  private boolean isCalm;

  Faults(VirtualTime time, boolean isHostile) {
    this.time = time;
    this.commitsInFlight = time.between(1, 8);
    this.slowestCommitMillis = time.chance(0.3) ? 400 : 20;
    this.commitFailures = isHostile && time.chance(0.7) ? 0.02 * time.share() : 0;
    this.tick = time.millis(80, 250);
  }

  void calm() {
    isCalm = true;
  }

  int commitsInFlight() {
    return commitsInFlight;
  }

  Duration tick() {
    return tick;
  }

  Duration commitDelay() {
    return isCalm ? time.millis(1, 5) : time.millis(1, slowestCommitMillis);
  }

  Duration recoveryDelay() {
    return isCalm ? time.millis(1, 50) : time.millis(1, 2000);
  }

  Commit commit() {
    if (isCalm || !time.chance(commitFailures)) {
      return Commit.COMMITTED;
    }
    return time.oneOf(java.util.List.of(Commit.values()));
  }
}
