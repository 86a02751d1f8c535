package io.gradus.core.run.simulation;

import io.gradus.core.ledger.LearnerRow;
import io.gradus.core.policy.LearnerEpoch;
import io.gradus.core.policy.LearnerId;
import io.gradus.core.run.Decision;
import io.gradus.core.run.Effect;
import io.gradus.core.run.Input;
import io.gradus.core.run.RequestId;
import java.util.Optional;

/// One learner at a time (G3, G7): epochs rise, an older one is refused and changes nothing,
/// another learner waits while the session lives.
final class LearnerLaws {

  private final SimulatedRun world;
  private final ModelLedger rows;

  /// When the present session was last heard in this incarnation.
  private long heardNanos;

  private boolean hasLeft;

  /// The batches that the learner has room for.
  private long from;

  private long upTo;

  LearnerLaws(SimulatedRun world, ModelLedger rows) {
    this.world = world;
    this.rows = rows;
    this.heardNanos = world.time().nanos();
  }

  /// What the decider was told and decided, before its rows are put.
  void decided(Input input, Decision decision) {
    switch (input) {
      case Input.LearnerJoined joined -> joined(joined, decision);
      case Input.LearnerLeft(var epoch) -> {
        if (isCurrent(epoch)) {
          hasLeft = true;
          upTo = 0;
        }
      }
      case Input.BatchesWanted wanted -> {
        if (isCurrent(wanted.epoch())) {
          heard();
          hasLeft = false;
          from = wanted.from().value();
          upTo = from + wanted.credits() - 1;
        }
      }
      case Input.BatchApplied applied -> spoken(applied.epoch(), applied.request(), decision);
      case Input.BatchFailed failed -> spoken(failed.epoch(), failed.request(), decision);
      case Input.PolicyPublished published ->
          spoken(published.epoch(), published.request(), decision);
      default -> {}
    }
  }

  /// Whether the learner has room for a batch.
  boolean wants(long number) {
    return !hasLeft && number >= from && number <= upTo;
  }

  private void heard() {
    heardNanos = world.time().nanos();
  }

  private Optional<LearnerRow> current() {
    return rows.learners().isEmpty()
        ? Optional.empty()
        : Optional.of(rows.learners().lastEntry().getValue());
  }

  private boolean isCurrent(LearnerEpoch epoch) {
    return current().filter(row -> row.epoch().equals(epoch)).isPresent();
  }

  private void joined(Input.LearnerJoined joined, Decision decision) {
    boolean isAdmitted =
        decision.effects().stream().anyMatch(effect -> effect instanceof Effect.AnswerJoin);
    Optional<LearnerId> there = current().map(LearnerRow::learner);
    boolean isSame = there.isEmpty() || there.get().equals(joined.learner());
    boolean isAlive =
        !hasLeft && world.time().nanos() - heardNanos < world.plan().rollout().leaseTtl().toNanos();
    // The batch that killed the session before may have been one too many.
    boolean isOver =
        rows.run().filter(row -> row.state().isFinal()).isPresent()
            || decision.effects().stream().anyMatch(effect -> effect instanceof Effect.EndRun);
    Violation.unless(
        !isAdmitted || isSame || !isAlive,
        "G7: %s is admitted while the session of %s lives",
        joined.learner(),
        there);
    Violation.unless(
        isAdmitted || !isSame || isOver,
        "G7: %s does not take over at once: %s",
        joined.learner(),
        decision.effects());
    if (isAdmitted) {
      heard();
      hasLeft = false;
      from = 0;
      upTo = 0;
    }
  }

  private void spoken(LearnerEpoch epoch, RequestId request, Decision decision) {
    if (isCurrent(epoch)) {
      heard();
      return;
    }
    boolean isRefused =
        decision.effects().stream()
            .anyMatch(effect -> effect instanceof Effect.Refuse r && r.request().equals(request));
    boolean isAnswered =
        decision.effects().stream()
            .anyMatch(effect ->
                switch (effect) {
                  case Effect.AnswerPublish answer -> answer.request().equals(request);
                  case Effect.Acknowledge answer -> answer.request().equals(request);
                  default -> false;
                });
    Violation.unless(
        isRefused && !isAnswered,
        "G3: %s is not the session of the run, which is %s, and is answered %s",
        epoch,
        current(),
        decision.effects());
  }

  /// A row is about to be put.
  void put(LearnerRow row) {
    long last = current().map(there -> there.epoch().value()).orElse(0L);
    Violation.unless(
        row.epoch().value() == last + 1, "G7: learner epoch %s follows %d", row.epoch(), last);
  }
}
