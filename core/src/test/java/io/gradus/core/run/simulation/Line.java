package io.gradus.core.run.simulation;

/// One direction of a stream: what is sent arrives late, but in order, until the stream breaks.
final class Line {

  private final VirtualTime time;
  private final Network network;
  private long lastArrivalNanos;
  private boolean isBroken;

  Line(VirtualTime time, Network network) {
    this.time = time;
    this.network = network;
  }

  void send(Runnable arrival) {
    lastArrivalNanos = Math.max(lastArrivalNanos, time.nanos() + network.delay().toNanos());
    time.at(
        lastArrivalNanos,
        () -> {
          if (!isBroken) {
            arrival.run();
          }
        });
  }

  /// Nothing that is on its way arrives any more.
  void breakOff() {
    isBroken = true;
  }

  boolean isBroken() {
    return isBroken;
  }
}
