package io.gradus.coordinator.edge;

import java.time.Duration;

/// Limits of the edges; what each means is said in reference.conf.
public record EdgeConfig(
    Duration askTimeout,
    Duration askAgain,
    int payloadMaxBytes,
    long stagingMaxBytes,
    int groupsPerCall,
    Duration slowConsumerTimeout,
    Duration sessionCheck) {

  public EdgeConfig {
    if (askTimeout.isZero() || askTimeout.isNegative()) {
      throw new IllegalArgumentException(
          "gradus.coordinator.edge.ask-timeout is %s but must be positive".formatted(askTimeout));
    }
    if (askAgain.toMillis() < 1 || askAgain.compareTo(askTimeout) > 0) {
      throw new IllegalArgumentException(
          "gradus.coordinator.edge.ask-again is %s but must be positive and at most ask-timeout, %s"
              .formatted(askAgain, askTimeout));
    }
    if (payloadMaxBytes < 1 || stagingMaxBytes < payloadMaxBytes || groupsPerCall < 1) {
      throw new IllegalArgumentException(
          ("gradus.coordinator.edge: payload-max-bytes is %d, staging-max-bytes %d and"
                  + " groups-per-call %d; each must be positive, and one payload must fit into"
                  + " staging")
              .formatted(payloadMaxBytes, stagingMaxBytes, groupsPerCall));
    }
  }
}
