package io.gradus.core.run;

import io.gradus.core.ledger.RunImage;

/// What decides about one run, as its shell sees it. Called by one thread at a time.
public interface Decider {

  /// What follows from an input.
  Decision decide(Input input, MonotonicTime now);

  /// Where the run stands; changes nothing.
  RunView view(MonotonicTime now);

  /// Makes deciders from what the ledger has.
  interface Factory {
    Decider open(RunPlan plan, RunImage image, MonotonicTime now);
  }
}
