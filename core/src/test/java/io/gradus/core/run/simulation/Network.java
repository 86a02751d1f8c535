package io.gradus.core.run.simulation;

import java.time.Duration;

/// How long messages take, and how many get lost. Hostile while there are faults, then calm.
final class Network {

  private final VirtualTime time;
  private final double loss;
  private final int worstMillis;
  private boolean isCalm;

  Network(VirtualTime time, double loss, int worstMillis) {
    this.time = time;
    this.loss = loss;
    this.worstMillis = worstMillis;
  }

  void calm() {
    isCalm = true;
  }

  boolean isCalm() {
    return isCalm;
  }

  /// Time that a message takes.
  Duration delay() {
    if (isCalm) {
      return time.millis(1, 10);
    }
    return time.chance(0.05) ? time.millis(1, worstMillis) : time.millis(1, 40);
  }

  /// Whether a message, or its answer, gets lost.
  boolean loses() {
    return !isCalm && time.chance(loss);
  }

  /// Whether a client sends a request although it was already received.
  boolean repeats() {
    return !isCalm && time.chance(0.05);
  }
}
