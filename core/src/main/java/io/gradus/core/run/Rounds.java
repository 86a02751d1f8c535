package io.gradus.core.run;

import io.gradus.core.batch.BatchPlace;
import io.gradus.core.ledger.RunState;

/// Work in rounds: which one is sampled, which one is learned from, and when the next begins.
final class Rounds {

  private final Books books;
  private final RunPlan plan;

  Rounds(Books books) {
    this.books = books;
    this.plan = books.plan;
  }

  /// Groups that a stratum gets in a round.
  int quota() {
    int samples = plan.rounds().map(RunPlan.Rounds::samplesPerStratum).orElse(0);
    return (samples + plan.rollout().groupSize() - 1) / plan.rollout().groupSize();
  }

  /// Whether groups of the present round may be granted.
  boolean isSampling() {
    if (books.round == 0) {
      return false;
    }
    boolean hasBarrier = plan.rounds().map(RunPlan.Rounds::barrier).orElse(false);
    return !hasBarrier || isPublished(BatchPlace.lastOfRound(plan, books.round - 1));
  }

  private boolean isPublished(long batch) {
    return books.publishedBatch().filter(published -> published >= batch).isPresent();
  }

  /// Whether enough of the round is sampled for a batch of it.
  boolean canBind(BatchPlace place, RunPlan.Rounds rounds) {
    int done = books.curriculum.groupsInRound() - books.groups.undecidedTraining();
    int lacking = books.curriculum.lackingInRound(quota());
    if (rounds.barrier()) {
      return place.round() == books.round && lacking == 0 && books.groups.undecidedTraining() == 0;
    }
    long total = (long) books.curriculum.groupsInRound() + lacking;
    return place.round() < books.round
        || (place.round() == books.round
            && (place.indexInRound() + 1) * total <= (long) done * place.batchesInRound());
  }

  /// Begins the next round when the present one is over.
  void turn(Turn turn) {
    if (plan.rounds().isEmpty() || !books.isWarm() || books.state != RunState.RUNNING) {
      return;
    }
    if (books.round == 0) {
      beginRound(turn, 1);
      return;
    }
    if (plan.rollout().lockstep() && books.hasOpenRollouts()) {
      // What comes in may change which strata are supplied; when it does must not matter.
      return;
    }
    int bindingRound = BatchPlace.of(plan, books.line.next()).round();
    boolean isSampled = books.curriculum.lackingInRound(quota()) == 0;
    if (plan.rounds().get().barrier()) {
      if (bindingRound > books.round
          && books.line.isApplied()
          && isPublished(BatchPlace.lastOfRound(plan, books.round))) {
        beginRound(turn, books.round + 1);
        return;
      }
    } else if (isSampled && bindingRound >= books.round) {
      beginRound(turn, books.round + 1);
      return;
    }
    if (isSampled
        && bindingRound <= books.round
        && books.groups.undecidedTraining() == 0
        && books.lacksUnits()) {
      // The round's samples were not enough for its batches: sample its quota once more.
      beginRound(turn, books.round);
    }
  }

  private void beginRound(Turn turn, int round) {
    books.round = round;
    books.curriculum.beginRound();
    turn.runChanged();
  }
}
