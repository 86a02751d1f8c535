package io.gradus.core.batch;

import io.gradus.core.run.RunPlan;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// What follows from the number of a batch alone: whether it is warm-up, where it stands in its
/// round, what is published after it. A pure function of the plan, so that a batch that is bound
/// anew, or after a restart, has the same place.
///
/// @param gold the text of a warm-up batch
/// @param round from 1; 0 in warm-up and where there are no rounds
/// @param restartFromBase whether the weights are those of the base before it is applied
public record BatchPlace(
    Optional<GoldRange> gold,
    int round,
    int indexInRound,
    int batchesInRound,
    boolean restartFromBase,
    boolean publish,
    boolean durable) {

  /// The place of a batch in a run.
  public static BatchPlace of(RunPlan plan, BatchNumber number) {
    long warmUp = warmUpBatches(plan);
    boolean isLast = plan.stop().batches().filter(last -> last == number.value()).isPresent();
    if (number.value() <= warmUp) {
      boolean publishes =
          isLast
              || number.value() == warmUp
              || number.value() % plan.publication().durableEvery() == 0;
      return new BatchPlace(Optional.of(gold(plan, number)), 0, 0, 0, false, publishes, publishes);
    }
    long index = number.value() - warmUp;
    boolean isDurable = isLast || index % plan.publication().durableEvery() == 0;
    boolean publishes = isDurable || index % plan.publication().every() == 0;
    if (plan.rounds().isEmpty()) {
      return new BatchPlace(Optional.empty(), 0, 0, 0, false, publishes, isDurable);
    }
    RoundSpan span = spanOf(plan.rounds().get(), index);
    int indexInRound = (int) (index - 1 - span.before());
    boolean endsRound = indexInRound == span.batches() - 1;
    return new BatchPlace(
        Optional.empty(),
        span.round(),
        indexInRound,
        span.batches(),
        plan.rounds().get().restart() && indexInRound == 0 && span.round() > 1,
        publishes || endsRound,
        isDurable);
  }

  /// Number of the last batch of a round.
  public static long lastOfRound(RunPlan plan, int round) {
    RunPlan.Rounds rounds =
        plan.rounds().orElseThrow(() -> new IllegalArgumentException("there are no rounds"));
    long last = warmUpBatches(plan);
    for (int r = 1; r <= round; r++) {
      last += batchesIn(rounds, r);
    }
    return last;
  }

  /// Round r has `first_batches · growth^(r-1)` batches, rounded.
  private static int batchesIn(RunPlan.Rounds rounds, int round) {
    double exact = rounds.firstBatches() * Math.pow(rounds.growth(), round - 1.0);
    return (int) Math.min(Integer.MAX_VALUE / 2, Math.round(exact));
  }

  /// Batches of gold text before the first rollout.
  public static long warmUpBatches(RunPlan plan) {
    return plan.warmUp().map(RunPlan.WarmUp::batches).orElse(0);
  }

  /// Warm-up draws sequences by number, so batches of a seed share none.
  private static GoldRange gold(RunPlan plan, BatchNumber number) {
    RunPlan.WarmUp warmUp =
        plan.warmUp().orElseThrow(() -> new IllegalArgumentException("there is no warm-up"));
    List<Integer> sources = new ArrayList<>();
    for (int source = 0; source < plan.sources().size(); source++) {
      if (plan.sources().get(source).firstStratum() <= warmUp.lastStratum()) {
        sources.add(source);
      }
    }
    if (sources.isEmpty()) {
      throw new IllegalArgumentException("no task source is as easy as the warm-up");
    }
    int index = sources.get((int) ((number.value() - 1) % sources.size()));
    RunPlan.Source source = plan.sources().get(index);
    return new GoldRange(
        source.generator(),
        source.generatorVersion(),
        index,
        plan.seed(),
        (number.value() - 1) * warmUp.sequences(),
        warmUp.sequences(),
        source.firstStratum(),
        Math.min(warmUp.lastStratum(), source.lastStratum()));
  }

  private record RoundSpan(int round, int batches, long before) {}

  private static RoundSpan spanOf(RunPlan.Rounds rounds, long index) {
    long before = 0;
    for (int round = 1; ; round++) {
      int batches = batchesIn(rounds, round);
      if (index <= before + batches) {
        return new RoundSpan(round, batches, before);
      }
      before += batches;
    }
  }
}
