package io.gradus.core.run;

import io.gradus.core.ledger.BatchRow;
import io.gradus.core.ledger.EvaluationRow;
import io.gradus.core.ledger.RunRow;
import io.gradus.core.ledger.VersionRow;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// Where a run stands, for people and metrics.
///
/// @param groups groups by state, `FILTERED(NONE_RIGHT)` with its reason
/// @param residual distance between the counts of transitions and the groups held; must be 0
/// @param batchesApplied on the live lineage
/// @param optimizerSteps on the live lineage
/// @param waiting accepted groups never used
/// @param running groups leased
/// @param capacity groups that admission would lease now
/// @param staleness uses by staleness in batches; the last entry holds the rest
public record RunView(
    RunRow run,
    Map<String, Long> groups,
    long residual,
    long batchesApplied,
    long optimizerSteps,
    int waiting,
    int running,
    int capacity,
    List<Long> staleness,
    List<Stratum> strata,
    List<EvaluationRow> evaluations,
    Optional<VersionRow> head,
    Optional<VersionRow> durable,
    List<BatchRow> openBatches,
    boolean learnerJoined) {

  /// A stratum: posterior mean of its pass rate, share of the next tasks, trajectories in replay.
  public record Stratum(int source, int stratum, double passRate, double weight, int inReplay) {}
}
