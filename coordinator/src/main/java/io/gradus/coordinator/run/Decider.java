package io.gradus.coordinator.run;

import io.gradus.core.ledger.RunImage;
import io.gradus.core.run.Decision;
import io.gradus.core.run.Input;
import io.gradus.core.run.MonotonicTime;
import io.gradus.core.run.RunPlan;
import io.gradus.core.run.RunView;

/// What the entity needs of the decider of its run.
public interface Decider {

  Decision decide(Input input, MonotonicTime now);

  RunView view(MonotonicTime now);

  /// Makes deciders from what the ledger has.
  interface Factory {
    Decider open(RunPlan plan, RunImage image, MonotonicTime now);
  }
}
