package io.gradus.coordinator.run;

import io.gradus.coordinator.wire.OnTheWire;
import io.gradus.core.batch.Use;
import io.gradus.core.ledger.BatchRow;
import java.util.List;

/// What a run tells the batch stream of a learner.
public sealed interface ToLearner extends OnTheWire {

  /// A batch to send; its payloads are in the ledger.
  record BatchReleased(BatchRow batch, List<Use> uses) implements ToLearner {

    public BatchReleased {
      uses = List.copyOf(uses);
    }
  }

  /// The run is over; no batch follows.
  record RunEnded() implements ToLearner {}

  /// The session is not, or no longer, the run's: the learner joins again.
  record Fenced(String message) implements ToLearner {}

  /// The run recovers from the ledger; the stream asks again.
  record AskAgain() implements ToLearner {}
}
