package io.gradus.benchmarks.load;

import io.gradus.core.ledger.RunImage;
import io.gradus.core.run.Decider;
import io.gradus.core.run.Decision;
import io.gradus.core.run.Effect;
import io.gradus.core.run.Input;
import io.gradus.core.run.MonotonicTime;
import io.gradus.core.run.RunDecider;
import io.gradus.core.run.RunPlan;
import java.time.Duration;
import java.util.List;

/// A ledger that says of everything at once that it is durable, and forgets it: what is left is the
/// time that the decider of a run takes. Its clock is the caller's.
final class FakedLedger {

  private final Decider decider;
  private MonotonicTime now = new MonotonicTime(0);
  private long writes;

  FakedLedger(RunPlan plan) {
    decider = RunDecider.open(plan, RunImage.empty(), now);
  }

  void pass(Duration time) {
    now = now.plus(time);
  }

  /// Decides, "commits", and hands out the effects.
  List<Effect> tell(Input input) {
    Decision decision = decider.decide(input, now);
    writes += decision.writes().size();
    return decision.effects();
  }

  /// Rows that would have been written.
  long writes() {
    return writes;
  }
}
