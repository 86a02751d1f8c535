package io.gradus.coordinator.pool;

import io.gradus.coordinator.wire.OnTheWire;
import java.util.Map;

/// What a pool tells the stream of a worker.
public sealed interface PoolAnswer extends OnTheWire {

  /// The worker's slots by run; a run that is not named gets none.
  record Allotted(Map<String, Integer> slots) implements PoolAnswer {

    public Allotted {
      slots = Map.copyOf(slots);
    }
  }
}
