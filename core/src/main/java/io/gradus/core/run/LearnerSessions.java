package io.gradus.core.run;

import io.gradus.core.batch.BatchNumber;
import io.gradus.core.ledger.BatchRow;
import io.gradus.core.ledger.LearnerRow;
import io.gradus.core.ledger.VersionRow;
import io.gradus.core.ledger.Write;
import io.gradus.core.policy.LearnerEpoch;
import io.gradus.core.policy.PolicyVersion;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;

/// Who learns. A newer session fences all older ones; another learner is refused while one lives.
final class LearnerSessions {

  private final Books books;
  private final RunPlan plan;
  private final Batches batches;

  LearnerSessions(Books books, Batches batches) {
    this.books = books;
    this.plan = books.plan;
    this.batches = batches;
  }

  void join(Turn turn, Input.LearnerJoined joined) {
    Optional<Books.LearnerSession> there = books.learner;
    if (there.isPresent()
        && !there.get().learner.equals(joined.learner())
        && isAlive(there.get(), turn.now())) {
      turn.effect(
          new Effect.Refuse(
              joined.request(),
              "LEARNER_BUSY",
              "learner %s works on the run; end it first, or wait until it is silent for %s"
                  .formatted(there.get().learner.value(), plan.rollout().leaseTtl()),
              Map.of("learner_id", there.get().learner.value())));
      return;
    }
    for (PolicyVersion damaged : joined.damaged()) {
      books
          .versions
          .find(damaged)
          .filter(row -> !row.deleted())
          .ifPresent(row -> turn.write(new Write.PutVersion(books.versions.markDeleted(row))));
    }
    Optional<VersionRow> checkpoint = books.versions.resumable().stream().findFirst();
    long from = checkpoint.map(row -> row.manifest().batchOrZero()).orElse(0L);
    if (from < books.line.settled()) {
      turn.refuse(
          joined.request(),
          "CHECKPOINT_LOST",
          ("no sound durable checkpoint is left at or after batch %d, and what came before it is"
                  + " settled; restore a checkpoint directory, or start a new run")
              .formatted(books.line.settled()));
      return;
    }
    if (there.isPresent()) {
      Optional<Goals.Ending> ending = batches.endedWith(turn, there.get());
      if (ending.isPresent()) {
        turn.refuse(
            joined.request(), RunDecider.ENDED, "the run is over: " + ending.get().reason());
        return;
      }
    }
    var epoch = there.map(session -> session.epoch.next()).orElse(new LearnerEpoch(1));
    var session = new Books.LearnerSession(epoch, joined.learner(), turn.now());
    books.learner = Optional.of(session);
    turn.write(new Write.PutLearner(new LearnerRow(epoch, joined.learner())));
    batches.goBackTo(turn, from);
    turn.effect(
        new Effect.AnswerJoin(
            joined.request(),
            epoch,
            checkpoint,
            books.versions.base(),
            new BatchNumber(from + 1),
            new PolicyVersion(books.nextVersion)));
  }

  /// Whether a learner works on the run: its session was heard of lately, and has not ended.
  boolean isJoined(MonotonicTime now) {
    return books.learner.filter(session -> isAlive(session, now)).isPresent();
  }

  private boolean isAlive(Books.LearnerSession session, MonotonicTime now) {
    return !session.hasLeft && now.since(session.heard).compareTo(plan.rollout().leaseTtl()) < 0;
  }

  void leave(Input.LearnerLeft left) {
    current(left.epoch())
        .ifPresent(session -> {
          session.hasLeft = true;
          session.upTo = 0;
        });
  }

  void want(Turn turn, Input.BatchesWanted wanted) {
    Optional<Books.LearnerSession> session = current(wanted.epoch());
    if (session.isEmpty()) {
      return;
    }
    session.get().hasLeft = false;
    session.get().heard = turn.now();
    session.get().from = wanted.from().value();
    session.get().upTo = wanted.from().value() + wanted.credits() - 1;
    // Behind a number that is to be bound anew nothing is sent.
    long before = Math.min(session.get().upTo + 1, books.line.next().value());
    for (BatchRow row : books.line.rows()) {
      long number = row.number().value();
      if (number >= session.get().from && number < before) {
        batches.release(turn, session.get(), row);
      }
    }
  }

  private Optional<Books.LearnerSession> current(LearnerEpoch epoch) {
    return books.learner.filter(session -> session.epoch.equals(epoch));
  }

  /// Whether an epoch is that of the live session, which then has just been heard; refuses an older
  /// one.
  boolean hear(Turn turn, RequestId request, LearnerEpoch epoch) {
    Optional<Books.LearnerSession> session = current(epoch);
    if (session.isEmpty()) {
      turn.refuse(
          request,
          "LEARNER_FENCED",
          "learner epoch %d is not the session of the run, which is %s; join the run again"
              .formatted(
                  epoch.value(),
                  books.learner.map(newest -> Long.toString(newest.epoch.value())).orElse("none")));
      return false;
    }
    session.get().heard = turn.now();
    return true;
  }

  void shift(Duration pause) {
    books.learner.ifPresent(session -> session.heard = session.heard.plus(pause));
  }
}
