package io.gradus.core.run;

import io.gradus.core.ledger.Write;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/// One decision while it is being made.
final class Turn {

  private final MonotonicTime now;
  private final List<Write> writes = new ArrayList<>();
  private final List<Effect> effects = new ArrayList<>();
  private boolean runChanged;

  Turn(MonotonicTime now) {
    this.now = now;
  }

  MonotonicTime now() {
    return now;
  }

  void write(Write write) {
    writes.add(write);
    runChanged = true;
  }

  /// Notes that the run row has changed with nothing else.
  void runChanged() {
    runChanged = true;
  }

  boolean hasChanges() {
    return runChanged;
  }

  void effect(Effect effect) {
    effects.add(effect);
  }

  void refuse(RequestId request, String reason, String message) {
    effects.add(new Effect.Refuse(request, reason, message, Map.of()));
  }

  Decision decision() {
    return new Decision(writes, effects);
  }
}
