package io.gradus.coordinator.run;

import java.time.Duration;

/// Limits of the shell around a run; what each means is said in reference.conf.
public record RunConfig(
    Duration tick,
    int commitsInFlight,
    int stashCapacity,
    Duration recoveryBackoff,
    Duration recoveryBackoffMax,
    int recoveryAttempts,
    Duration wakeInterval) {

  public RunConfig {
    if (tick.isZero() || tick.isNegative()) {
      throw new IllegalArgumentException(
          "gradus.coordinator.run.tick is %s but must be positive".formatted(tick));
    }
    if (commitsInFlight < 1 || stashCapacity < 1 || recoveryAttempts < 1) {
      throw new IllegalArgumentException(
          ("gradus.coordinator.run: commits-in-flight, stash-capacity and recovery-attempts must be"
                  + " positive but are %d, %d, %d")
              .formatted(commitsInFlight, stashCapacity, recoveryAttempts));
    }
  }
}
