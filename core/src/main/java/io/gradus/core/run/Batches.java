package io.gradus.core.run;

import io.gradus.core.batch.BatchDigest;
import io.gradus.core.batch.BatchNumber;
import io.gradus.core.batch.BatchPlace;
import io.gradus.core.batch.BatchState;
import io.gradus.core.batch.Use;
import io.gradus.core.group.GroupId;
import io.gradus.core.group.GroupState;
import io.gradus.core.group.PayloadDigest;
import io.gradus.core.group.StateReason;
import io.gradus.core.lease.LeaseTable;
import io.gradus.core.ledger.BatchRow;
import io.gradus.core.ledger.GroupRow;
import io.gradus.core.ledger.RunState;
import io.gradus.core.ledger.UseRow;
import io.gradus.core.ledger.VersionRow;
import io.gradus.core.ledger.Write;
import io.gradus.core.policy.LearnerEpoch;
import io.gradus.core.replay.Replay;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/*
 * Batches form one line (G3). A batch is bound when a live learner has room for it and its contents can
 * be had; from then on it is fixed. It is APPLIED when the learner says so, and SETTLED when no learner
 * can go back behind it: two durable checkpoints are kept, so that is once it is at or below the older
 * one. A learner that joins goes on from the newest durable checkpoint that is sound, and everything
 * beyond it is BOUND again and given to it anew.
 *
 * A publication must name exactly what was applied: the batch up to which the line is applied, and the
 * hash chain that the decider computes from the digests it bound.
 */

/// Binds batches, and hears what the learner did with them.
final class Batches {

  /// Learner sessions in which a batch may fail; bindings of one number that may be void.
  private static final int MOST_FAILURES = 3;

  private final Books books;
  private final RunPlan plan;
  private final Rounds rounds;
  private final Goals goals;

  /// Since when stragglers hold up a batch.
  private Optional<MonotonicTime> waitingSince = Optional.empty();

  Batches(Books books, Rounds rounds, Goals goals) {
    this.books = books;
    this.plan = books.plan;
    this.rounds = rounds;
    this.goals = goals;
  }

  void release(Turn turn, Books.LearnerSession session, BatchRow row) {
    session.sent = Math.max(session.sent, row.number().value());
    turn.effect(new Effect.ReleaseBatch(session.epoch, row, books.line.uses(row.number())));
  }

  /// Whether a learner has room for the next batch.
  boolean isWanted() {
    return books
        .learner
        .filter(session -> !session.hasLeft)
        .filter(session -> {
          long next = books.line.next().value();
          return next >= session.from && next <= session.upTo;
        })
        .isPresent();
  }

  /// Whether the learner has nothing to do and waits for samples.
  boolean isWaiting() {
    return isWanted() && books.line.isApplied() && !canBind();
  }

  /// Binds what can be bound and is wanted.
  void bind(Turn turn) {
    while (isWanted() && !books.isLineComplete() && books.state == RunState.RUNNING) {
      dropStale(turn);
      giveUpStragglers(turn);
      if (!canBind()) {
        return;
      }
      bindNext(turn);
    }
  }

  /// Accepted groups that have become too old to be used leave replay.
  private void dropStale(Turn turn) {
    if (plan.unit() != RunPlan.Unit.GROUP || isGold()) {
      return;
    }
    for (GroupId id : books.replay.groups()) {
      GroupRow group =
          books
              .groups
              .find(id)
              .orElseThrow(() ->
                  new IllegalStateException(
                      "group %d is in replay but not open".formatted(id.value())));
      if (books.staleness(group) > plan.rollout().maxStaleness()) {
        books.replay.drop(id);
        books.move(turn, group, GroupState.STALE, StateReason.TOO_OLD);
      }
    }
  }

  private boolean isGold() {
    return BatchPlace.of(plan, books.line.next()).gold().isPresent();
  }

  /// Whether the contents of the next batch can be had now.
  boolean canBind() {
    if (books.state != RunState.RUNNING || books.isLineComplete()) {
      return false;
    }
    BatchPlace place = BatchPlace.of(plan, books.line.next());
    if (place.gold().isPresent()) {
      return true;
    }
    if (books.lacksUnits() || (plan.rollout().lockstep() && !isSettledDown())) {
      return false;
    }
    if (plan.rounds().isPresent()) {
      return rounds.canBind(place, plan.rounds().get());
    }
    return switch (plan.unit()) {
      case GROUP -> stragglers().isEmpty();
      case TRAJECTORY -> isRebinding() || unitsAhead() * plan.replay().drawsPerSample() >= units();
    };
  }

  /// Whether nothing is under way that timing could put before or after the next batch.
  private boolean isSettledDown() {
    return !books.hasOpenRollouts() && books.evaluations.version().isEmpty() && isPublished();
  }

  /// Whether the newest version is that of the last batch so far after which something is
  /// published, or a later one.
  boolean isPublished() {
    for (long number = books.line.next().value() - 1; number > 0; number--) {
      if (BatchPlace.of(plan, new BatchNumber(number)).publish()) {
        long flagged = number;
        return books.publishedBatch().filter(batch -> batch >= flagged).isPresent();
      }
    }
    return books.publishedBatch().isPresent();
  }

  private int units() {
    return plan.batch().units();
  }

  private boolean isRebinding() {
    return books.line.next().value() <= books.line.bound();
  }

  /// Accepted units beyond those that pay for the batches bound.
  double unitsAhead() {
    long drawn = Math.max(0, books.line.bound() - books.warmUpBatches()) * units();
    return books.unitsAccepted - drawn / plan.replay().drawsPerSample();
  }

  /// Groups under way whose samples would be too old for every batch after the next one. They are
  /// waited for, or batches would prefer short completions.
  private List<LeaseTable.Held> stragglers() {
    long afterNext = books.line.next().value();
    return books.groups.in(GroupState.LEASED).stream()
        .filter(group -> group.purpose().isTraining())
        .filter(group -> {
          Long grantedAt = books.grantedAt.get(group.id());
          return grantedAt != null && afterNext - grantedAt > plan.rollout().maxStaleness();
        })
        .flatMap(group -> books.leases.of(group.id()).stream())
        .toList();
  }

  /// Ends the stragglers that have held up a batch for one time to live of a lease.
  private void giveUpStragglers(Turn turn) {
    if (plan.unit() != RunPlan.Unit.GROUP || isGold() || books.lacksUnits()) {
      waitingSince = Optional.empty();
      return;
    }
    List<LeaseTable.Held> stragglers = stragglers();
    if (stragglers.isEmpty()) {
      waitingSince = Optional.empty();
      return;
    }
    MonotonicTime since = waitingSince.orElse(turn.now());
    waitingSince = Optional.of(since);
    if (turn.now().since(since).compareTo(plan.rollout().leaseTtl()) < 0) {
      return;
    }
    waitingSince = Optional.empty();
    for (LeaseTable.Held held : stragglers) {
      books.leases.end(held.group());
      books.revoke(turn, held, "its version has become too old");
      books
          .groups
          .find(held.group())
          .ifPresent(group -> books.move(turn, group, GroupState.STALE, StateReason.TOO_OLD));
    }
  }

  void shift(Duration pause) {
    waitingSince = waitingSince.map(since -> since.plus(pause));
  }

  private void bindNext(Turn turn) {
    BatchNumber number = books.line.next();
    BatchPlace place = BatchPlace.of(plan, number);
    List<Use> uses = List.of();
    BatchDigest digest;
    if (place.gold().isPresent()) {
      digest = BatchDigest.ofGold(number, place.gold().get());
    } else {
      Replay.Drawn drawn =
          books.replay.draw(
              units(),
              books.random,
              group -> books.groups.find(group).map(books::staleness).orElse(0));
      uses = drawn.uses();
      digest = BatchDigest.ofReplay(number, uses, uses.stream().map(this::digestOf).toList());
    }
    var row =
        new BatchRow(
            number,
            books.line.nextBinding(),
            BatchState.BOUND,
            "",
            place.gold(),
            digest,
            uses.stream().mapToLong(Use::tokens).sum(),
            (int) uses.stream().map(Use::group).distinct().count(),
            place.round(),
            place.indexInRound(),
            place.batchesInRound(),
            place.restartFromBase(),
            place.publish(),
            place.durable(),
            0,
            Optional.empty(),
            0,
            0,
            books.line.nextFailedBy());
    books.line.bind(row, uses);
    books.addOpenUses(uses);
    turn.write(new Write.PutBatch(row));
    if (!uses.isEmpty()) {
      turn.write(new Write.PutUses(rowsOf(row, uses)));
    }
    for (Use use : uses) {
      books.stalenessOfUses[Math.min(use.staleness(), books.stalenessOfUses.length - 1)]++;
    }
    if (place.gold().isEmpty() && place.publish() && row.binding() == 1) {
      // The version that follows solves what the present one does not.
      books.curriculum.decay();
    }
    books
        .learner
        .filter(session -> row.number().value() >= session.from)
        .ifPresent(session -> release(turn, session, row));
    releaseBehindGap(turn, row);
  }

  /// What was held back behind a number that had to be bound anew follows it.
  private void releaseBehindGap(Turn turn, BatchRow rebound) {
    if (rebound.number().value() == books.line.bound()) {
      return;
    }
    // Another such number further on holds back what is behind it.
    long before = books.line.next().value();
    books.learner.ifPresent(session -> {
      for (BatchRow row : books.line.rows()) {
        long number = row.number().value();
        if (number > rebound.number().value() && number <= session.upTo && number < before) {
          release(turn, session, row);
        }
      }
    });
  }

  private PayloadDigest digestOf(Use use) {
    return books
        .groups
        .find(use.group())
        .flatMap(GroupRow::admitted)
        .map(GroupRow.Admitted::digest)
        .orElseThrow(() ->
            new IllegalStateException(
                "group %d was drawn but not admitted".formatted(use.group().value())));
  }

  private static List<UseRow> rowsOf(BatchRow batch, List<Use> uses) {
    var rows = new ArrayList<UseRow>(uses.size());
    for (int ordinal = 0; ordinal < uses.size(); ordinal++) {
      rows.add(new UseRow(batch.number(), batch.binding(), ordinal, uses.get(ordinal)));
    }
    return rows;
  }

  // ---- what the learner did

  void applied(Turn turn, Input.BatchApplied applied) {
    Optional<BatchRow> open = books.line.find(applied.batch());
    if (open.isEmpty()) {
      if (applied.batch().value() <= books.line.settled()) {
        turn.effect(new Effect.Acknowledge(applied.request()));
      } else {
        turn.refuse(
            applied.request(),
            "BATCH_UNKNOWN",
            "batch %d is not bound".formatted(applied.batch().value()));
      }
      return;
    }
    BatchRow row = open.get();
    if (!row.digest().equals(applied.digest())) {
      turn.refuse(
          applied.request(),
          "BATCH_MISMATCH",
          "batch %d has digest %s but %s was applied"
              .formatted(row.number().value(), row.digest().hex(), applied.digest().hex()));
      return;
    }
    if (row.state() == BatchState.APPLIED) {
      turn.effect(new Effect.Acknowledge(applied.request()));
      return;
    }
    if (row.number().value() != books.line.applied() + 1) {
      turn.refuse(
          applied.request(),
          "BATCH_OUT_OF_ORDER",
          "batch %d was applied but batch %d comes first"
              .formatted(row.number().value(), books.line.applied() + 1));
      return;
    }
    BatchRow done =
        row.applied(
            applied.epoch(),
            applied.steps(),
            applied.skippedSteps(),
            row.gold().isPresent() ? applied.tokens() : row.completionTokens());
    books.line.put(done);
    books.tokensTrained += done.completionTokens();
    books.sequencesTrained += sequencesOf(done);
    turn.write(new Write.PutBatch(done));
    turn.effect(new Effect.Acknowledge(applied.request()));
  }

  private long sequencesOf(BatchRow row) {
    if (row.gold().isPresent()) {
      return row.gold().get().count();
    }
    List<Use> uses = books.line.uses(row.number());
    return plan.unit() == RunPlan.Unit.TRAJECTORY
        ? uses.size()
        : (long) uses.size() * plan.rollout().groupSize();
  }

  void failed(Turn turn, Input.BatchFailed failed) {
    Optional<BatchRow> open =
        books.line.find(failed.batch()).filter(row -> row.state() == BatchState.BOUND);
    turn.effect(new Effect.Acknowledge(failed.request()));
    if (open.isPresent() && failed.batch().value() == books.line.applied() + 1) {
      count(turn, open.get(), failed.epoch());
    }
  }

  /// A session has ended, in whatever way, and the next one begins. The batch that it had before it
  /// and neither applied nor called a failure counts as one: a batch that kills the process leaves
  /// it no time to say so.
  ///
  /// @return the end of the run, if that was one failure too many
  Optional<Goals.Ending> endedWith(Turn turn, Books.LearnerSession session) {
    long number = books.line.applied() + 1;
    if (session.sent >= number) {
      books
          .line
          .find(new BatchNumber(number))
          .filter(row -> row.state() == BatchState.BOUND)
          .ifPresent(row -> count(turn, row, session.epoch));
    }
    return goals.ending();
  }

  private void count(Turn turn, BatchRow open, LearnerEpoch epoch) {
    if (open.failedBy().filter(epoch::equals).isPresent()) {
      // A session counts once, however often it says so.
      return;
    }
    BatchRow row = open.failed(epoch);
    if (row.failures() < MOST_FAILURES) {
      books.line.put(row);
      turn.write(new Write.PutBatch(row));
      return;
    }
    turn.write(
        new Write.PutBatch(row.voided("failed in %d learner sessions".formatted(row.failures()))));
    for (GroupId id : books.removeOpenUses(books.line.poison(row.number(), epoch))) {
      books.replay.drop(id);
      books
          .groups
          .find(id)
          .ifPresent(group -> books.move(turn, group, GroupState.FAILED, StateReason.POISON_BATCH));
    }
    abandonBeyond(turn, row.number().value() - 1);
    if (row.binding() >= MOST_FAILURES) {
      goals.fail(
          "batch %d was bound %d times and failed in %d learner sessions each time"
              .formatted(row.number().value(), row.binding(), MOST_FAILURES));
    }
  }

  /// Batches beyond `batch` are to be applied again.
  void goBackTo(Turn turn, long batch) {
    for (BatchRow row : books.line.rows()) {
      if (row.number().value() > batch && row.state() == BatchState.APPLIED) {
        books.tokensTrained -= row.completionTokens();
        books.sequencesTrained -= sequencesOf(row);
        BatchRow again = row.boundAgain();
        books.line.put(again);
        turn.write(new Write.PutBatch(again));
      }
    }
    if (!plan.rollout().lockstep()) {
      // In lockstep what is applied again has the same weights: no version is on another branch.
      abandonBeyond(turn, batch);
    }
  }

  /// Versions that have learned from more batches are on an abandoned branch.
  private void abandonBeyond(Turn turn, long batch) {
    for (VersionRow row : books.versions.goBackTo(batch)) {
      turn.write(new Write.PutVersion(row));
      if (books.evaluations.version().filter(row.manifest().version()::equals).isPresent()) {
        goals.abandonEvaluation(turn);
      }
    }
  }

  // ---- settling

  /// No learner goes back behind this batch.
  void settleUpTo(Turn turn, long upTo) {
    for (BatchRow row : books.line.rows()) {
      if (row.number().value() > upTo) {
        return;
      }
      settle(turn, row);
    }
  }

  private void settle(Turn turn, BatchRow row) {
    turn.write(new Write.PutBatch(row.settled()));
    for (GroupId id : books.removeOpenUses(books.line.close(row.number()))) {
      if (books.groups.find(id).isPresent()) {
        books.settledUses.add(id);
        books.endLeft(turn, List.of(id));
      } else {
        // It failed with another batch; this one needed its payload until now.
        books.sweep(turn, id);
      }
    }
  }

  /// Ends the line of batches: those in the lineage of `last` are settled, nobody will go back
  /// behind them any more, the others are void.
  void closeLine(Turn turn, Optional<VersionRow> last) {
    long kept = last.map(row -> row.manifest().batchOrZero()).orElse(0L);
    for (BatchRow row : books.line.rows()) {
      if (row.number().value() <= kept && row.state() == BatchState.APPLIED) {
        settle(turn, row);
        continue;
      }
      if (row.state() == BatchState.APPLIED) {
        books.tokensTrained -= row.completionTokens();
        books.sequencesTrained -= sequencesOf(row);
      }
      turn.write(new Write.PutBatch(row.voided("the run ended")));
      books.removeOpenUses(books.line.close(row.number())).stream()
          .filter(id -> books.groups.find(id).isEmpty())
          .forEach(id -> books.sweep(turn, id));
    }
    abandonBeyond(turn, kept);
  }
}
