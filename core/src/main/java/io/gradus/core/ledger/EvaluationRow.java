package io.gradus.core.ledger;

import io.gradus.core.evaluation.StratumResult;
import io.gradus.core.policy.PolicyVersion;
import java.time.Duration;
import java.util.List;

/// One evaluation of one version.
///
/// @param confirmation whether it ran on new problems
/// @param set numbers the problems: 0 is the held-out set, a confirmation has that of its batch
///   plus one, so that each draws others
/// @param handled the hardest stratum up to which every one reaches the threshold
/// @param elapsed time the run had run when it finished
/// @param abandoned whether it was given up unfinished: its version is no longer trained on, or its
///   groups failed
public record EvaluationRow(
    PolicyVersion version,
    boolean confirmation,
    int set,
    long batch,
    boolean finished,
    int handled,
    Duration elapsed,
    boolean abandoned,
    List<StratumResult> results) {

  public EvaluationRow {
    results = List.copyOf(results);
  }
}
