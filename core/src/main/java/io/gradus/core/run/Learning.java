package io.gradus.core.run;

import io.gradus.core.batch.BatchDigest;
import io.gradus.core.batch.BatchLine;
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
import io.gradus.core.ledger.EvaluationRow;
import io.gradus.core.ledger.GroupRow;
import io.gradus.core.ledger.LearnerRow;
import io.gradus.core.ledger.RunState;
import io.gradus.core.ledger.UseRow;
import io.gradus.core.ledger.VersionRow;
import io.gradus.core.ledger.Write;
import io.gradus.core.policy.LearnerEpoch;
import io.gradus.core.policy.Lineage;
import io.gradus.core.policy.Manifest;
import io.gradus.core.policy.PolicyVersion;
import io.gradus.core.policy.VersionLine;
import io.gradus.core.replay.Replay;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
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

/// Binds batches, hears what the learner did with them, and takes its publications.
final class Learning {

  /// Learner sessions in which a batch may fail; bindings of one number that may be void.
  private static final int MOST_FAILURES = 3;

  private final Books books;
  private final RunPlan plan;

  /// The last failure that was counted: a session counts once.
  private Optional<Failure> counted = Optional.empty();

  private record Failure(BatchNumber batch, int binding, LearnerEpoch epoch) {}

  /// Since when stragglers hold up a batch.
  private Optional<MonotonicTime> waitingSince = Optional.empty();

  private Optional<Ending> ending = Optional.empty();

  /// Why the run is to end.
  record Ending(RunState state, String reason, Optional<PolicyVersion> last) {}

  Learning(Books books) {
    this.books = books;
    this.plan = books.plan;
  }

  /// Set once something here asks for the end of the run.
  Optional<Ending> ending() {
    return ending;
  }

  // ---- sessions

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
    var epoch = there.map(session -> session.epoch.next()).orElse(new LearnerEpoch(1));
    var session = new Books.LearnerSession(epoch, joined.learner(), turn.now());
    books.learner = Optional.of(session);
    turn.write(new Write.PutLearner(new LearnerRow(epoch, joined.learner())));
    goBackTo(turn, from);
    turn.effect(
        new Effect.AnswerJoin(
            joined.request(),
            epoch,
            checkpoint,
            books.versions.base(),
            new BatchNumber(from + 1),
            new PolicyVersion(books.nextVersion)));
  }

  private boolean isAlive(Books.LearnerSession session, MonotonicTime now) {
    return !session.hasLeft && now.since(session.heard).compareTo(plan.rollout().leaseTtl()) < 0;
  }

  /// Batches beyond `batch` are to be applied again; versions beyond it are on an abandoned branch.
  private void goBackTo(Turn turn, long batch) {
    for (BatchRow row : books.line.rows()) {
      if (row.number().value() > batch && row.state() == BatchState.APPLIED) {
        books.tokensTrained -= row.completionTokens();
        books.sequencesTrained -= sequencesOf(row);
        BatchRow again = BatchLine.boundAgain(row);
        books.line.put(again);
        turn.write(new Write.PutBatch(again));
      }
    }
    for (VersionRow row : books.versions.goBackTo(batch)) {
      turn.write(new Write.PutVersion(row));
      boolean isUnderEvaluation =
          books.evaluations.version().filter(row.manifest().version()::equals).isPresent();
      if (isUnderEvaluation && !plan.rollout().lockstep()) {
        // In lockstep the new branch has the same weights.
        abandoned = true;
      }
    }
  }

  /// Whether the version under evaluation has just been abandoned.
  private boolean abandoned;

  boolean takeAbandoned() {
    boolean was = abandoned;
    abandoned = false;
    return was;
  }

  void leave(Input.LearnerLeft left) {
    current(left.epoch())
        .ifPresent(session -> {
          session.hasLeft = true;
          session.upTo = 0;
        });
  }

  private Optional<Books.LearnerSession> current(LearnerEpoch epoch) {
    return books.learner.filter(session -> session.epoch.equals(epoch));
  }

  /// The session of an epoch, which has just been heard; refuses an older one.
  private Optional<Books.LearnerSession> hear(Turn turn, RequestId request, LearnerEpoch epoch) {
    Optional<Books.LearnerSession> session = current(epoch);
    if (session.isEmpty()) {
      turn.refuse(
          request,
          "LEARNER_FENCED",
          "learner epoch %d is not the session of the run, which is %s; join the run again"
              .formatted(
                  epoch.value(),
                  books.learner.map(newest -> Long.toString(newest.epoch.value())).orElse("none")));
      return Optional.empty();
    }
    session.get().heard = turn.now();
    return session;
  }

  void shift(Duration pause) {
    books.learner.ifPresent(session -> session.heard = session.heard.plus(pause));
    waitingSince = waitingSince.map(since -> since.plus(pause));
  }

  // ---- batches

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
        release(turn, session.get(), row);
      }
    }
  }

  private void release(Turn turn, Books.LearnerSession session, BatchRow row) {
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
    return isWanted() && books.line.applied() == books.line.bound() && !canBind();
  }

  /// Binds what can be bound and is wanted.
  void bind(Turn turn) {
    while (isWanted() && !books.isLineComplete() && books.state == RunState.RUNNING) {
      dropStale(turn);
      if (!canBind()) {
        waitingSince = Optional.empty();
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
    if (lacksUnits() || (plan.rollout().lockstep() && hasOpenRollouts())) {
      return false;
    }
    if (plan.rounds().isPresent()) {
      return canBindInRound(place, plan.rounds().get());
    }
    return switch (plan.unit()) {
      case GROUP -> mayLeaveStragglers();
      case TRAJECTORY -> isRebinding() || unitsAhead() * plan.replay().drawsPerSample() >= units();
    };
  }

  private boolean hasOpenRollouts() {
    return books.groups.size(GroupState.LEASED) + books.groups.size(GroupState.PENDING) > 0;
  }

  /// Whether replay has too few units for a batch.
  boolean lacksUnits() {
    return books.replay.size() < units();
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

  /// Groups under way that would be too old after this batch are waited for, for a bounded time.
  private boolean mayLeaveStragglers() {
    return stragglers.isEmpty() || isPatienceOver;
  }

  private List<LeaseTable.Held> stragglers = List.of();
  private boolean isPatienceOver;

  /// Looks who holds up the next batch, and gives them up when they have done so for one time to
  /// live of a lease.
  void awaitStragglers(Turn turn, Rollouts rollouts) {
    isPatienceOver = false;
    stragglers =
        plan.unit() == RunPlan.Unit.GROUP && isWanted() && !isGold()
            ? rollouts.stragglers()
            : List.of();
    if (stragglers.isEmpty() || lacksUnits()) {
      waitingSince = Optional.empty();
      return;
    }
    MonotonicTime since = waitingSince.orElse(turn.now());
    waitingSince = Optional.of(since);
    if (turn.now().since(since).compareTo(plan.rollout().leaseTtl()) >= 0) {
      rollouts.revokeStale(turn, stragglers);
      stragglers = List.of();
      waitingSince = Optional.empty();
      isPatienceOver = true;
    }
  }

  // ---- rounds

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

  private boolean canBindInRound(BatchPlace place, RunPlan.Rounds rounds) {
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
  void turnRound(Turn turn) {
    if (plan.rounds().isEmpty() || !books.isWarm() || books.state != RunState.RUNNING) {
      return;
    }
    if (books.round == 0) {
      beginRound(turn, 1);
      return;
    }
    int bindingRound = BatchPlace.of(plan, books.line.next()).round();
    boolean isSampled = books.curriculum.lackingInRound(quota()) == 0;
    if (plan.rounds().get().barrier()) {
      if (bindingRound > books.round
          && books.line.applied() == books.line.bound()
          && isPublished(BatchPlace.lastOfRound(plan, books.round))) {
        beginRound(turn, books.round + 1);
        return;
      }
    } else if (isSampled && bindingRound >= books.round) {
      beginRound(turn, books.round + 1);
      return;
    }
    if (isSampled
        && bindingRound == books.round
        && books.groups.undecidedTraining() == 0
        && lacksUnits()) {
      // The round's samples were not enough for its batches: sample its quota once more.
      beginRound(turn, books.round);
    }
  }

  private void beginRound(Turn turn, int round) {
    books.round = round;
    books.curriculum.beginRound();
    turn.runChanged();
  }

  // ---- binding

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
            0);
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
    books.learner.ifPresent(session -> {
      for (BatchRow row : books.line.rows()) {
        long number = row.number().value();
        if (number > rebound.number().value() && number <= session.upTo) {
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
    if (hear(turn, applied.request(), applied.epoch()).isEmpty()) {
      return;
    }
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
        BatchLine.applied(
            row,
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
    if (hear(turn, failed.request(), failed.epoch()).isEmpty()) {
      return;
    }
    Optional<BatchRow> open =
        books.line.find(failed.batch()).filter(row -> row.state() == BatchState.BOUND);
    turn.effect(new Effect.Acknowledge(failed.request()));
    if (open.isEmpty() || failed.batch().value() != books.line.applied() + 1) {
      return;
    }
    var failure = new Failure(failed.batch(), open.get().binding(), failed.epoch());
    if (counted.filter(failure::equals).isPresent()) {
      return;
    }
    counted = Optional.of(failure);
    BatchRow row = BatchLine.failed(open.get());
    if (row.failures() < MOST_FAILURES) {
      books.line.put(row);
      turn.write(new Write.PutBatch(row));
      return;
    }
    turn.write(
        new Write.PutBatch(
            BatchLine.voided(row, "failed in %d learner sessions".formatted(row.failures()))));
    for (GroupId id : books.removeOpenUses(books.line.poison(row.number()))) {
      books.replay.drop(id);
      books
          .groups
          .find(id)
          .ifPresent(group -> books.move(turn, group, GroupState.FAILED, StateReason.POISON_BATCH));
    }
    if (row.binding() >= MOST_FAILURES) {
      ending =
          Optional.of(
              new Ending(
                  RunState.FAILED,
                  "batch %d was bound %d times and failed in %d learner sessions each time"
                      .formatted(row.number().value(), row.binding(), MOST_FAILURES),
                  Optional.empty()));
    }
  }

  // ---- publications

  void publish(Turn turn, Input.PolicyPublished published) {
    if (hear(turn, published.request(), published.epoch()).isEmpty()) {
      return;
    }
    Manifest manifest = published.manifest();
    Optional<VersionRow> earlier =
        books
            .versions
            .publication(published.epoch(), manifest.step())
            .filter(row -> row.manifest().lineage().equals(manifest.lineage()))
            .filter(row -> row.manifest().durable() || !manifest.durable());
    if (earlier.isPresent()) {
      answer(turn, published, earlier.get().manifest().version());
      return;
    }
    Optional<String> fault = faultOf(published);
    if (fault.isPresent()) {
      turn.refuse(published.request(), "LINEAGE_MISMATCH", fault.get());
      return;
    }
    long batch = manifest.batchOrZero();
    var row =
        new VersionRow(
            manifest,
            published.parent(),
            published.epoch(),
            books.line.bound(),
            batch,
            batch == books.warmUpBatches() && books.versions.base().isEmpty(),
            false);
    books.versions.put(row);
    books.nextVersion = manifest.version().value() + 1;
    turn.write(new Write.PutVersion(row));
    settle(turn, books.versions.settled());
    prune(turn);
    answer(turn, published, manifest.version());
    turn.effect(new Effect.AnnounceVersion(Optional.empty(), manifest));
  }

  private void answer(Turn turn, Input.PolicyPublished published, PolicyVersion version) {
    turn.effect(
        new Effect.AnswerPublish(
            published.request(), version, new PolicyVersion(books.nextVersion)));
  }

  private Optional<String> faultOf(Input.PolicyPublished published) {
    Manifest manifest = published.manifest();
    if (manifest.version().value() != books.nextVersion) {
      return Optional.of(
          "version %d was published but the next one is %d"
              .formatted(manifest.version().value(), books.nextVersion));
    }
    if (published.parent().value() >= books.nextVersion) {
      return Optional.of(
          "parent version %d was never published".formatted(published.parent().value()));
    }
    if (manifest.batchOrZero() != books.line.applied()) {
      return Optional.of(
          "the lineage ends with batch %d but batch %d is the last one applied"
              .formatted(manifest.batchOrZero(), books.line.applied()));
    }
    Lineage expected = lineageAt(manifest.batchOrZero());
    if (!expected.equals(manifest.lineage())) {
      return Optional.of(
          "the lineage at batch %d is %s but must be %s"
              .formatted(manifest.batchOrZero(), manifest.lineage().hex(), expected.hex()));
    }
    return Optional.empty();
  }

  /// The hash chain up to a batch, from the nearest live version before it.
  private Lineage lineageAt(long batch) {
    Optional<VersionRow> known = books.versions.liveAtOrBefore(batch);
    Lineage lineage = known.map(row -> row.manifest().lineage()).orElse(Lineage.root());
    long from = known.map(row -> row.manifest().batchOrZero()).orElse(0L);
    for (long number = from + 1; number <= batch; number++) {
      var next = new BatchNumber(number);
      BatchRow row =
          books
              .line
              .find(next)
              .orElseThrow(() ->
                  new IllegalStateException(
                      "batch %d is settled beyond the versions that are kept"
                          .formatted(next.value())));
      lineage = lineage.after(next, row.digest());
    }
    return lineage;
  }

  private void settle(Turn turn, long upTo) {
    for (BatchRow row : books.line.rows()) {
      if (row.number().value() > upTo) {
        return;
      }
      settle(turn, row);
    }
  }

  /// No learner goes back behind this batch.
  void settle(Turn turn, BatchRow row) {
    turn.write(new Write.PutBatch(BatchLine.settled(row)));
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

  private void prune(Turn turn) {
    List<VersionRow> deleted = books.versions.prune(books.neededVersions(), books.namedVersions());
    if (!deleted.isEmpty()) {
      deleted.forEach(row -> turn.write(new Write.PutVersion(row)));
      turn.effect(new Effect.DeleteCheckpoints(deleted));
    }
  }

  // ---- evaluations

  /// Begins an evaluation of the newest version if one is due.
  void evaluate(Turn turn) {
    Optional<VersionRow> head = books.versions.head().filter(VersionLine::isLive);
    if (head.isEmpty() || !books.isWarm() || books.state != RunState.RUNNING) {
      return;
    }
    long batch = head.get().manifest().batchOrZero();
    if (books.evaluations.isDue(batch, isLast(batch))) {
      turn.write(
          new Write.PutEvaluation(books.evaluations.start(head.get().manifest().version(), batch)));
    }
  }

  private boolean isLast(long batch) {
    return plan.stop().batches().filter(last -> last == batch).isPresent();
  }

  /// An evaluation is finished: the target may be reached, or a candidate for it found.
  void evaluated(Turn turn, EvaluationRow row) {
    if (plan.stop().digitsHandled().isEmpty()
        || row.handled() < plan.stop().digitsHandled().get()) {
      return;
    }
    if (!row.confirmation() && plan.evaluation().map(RunPlan.Evaluation::confirm).orElse(0) > 0) {
      turn.write(new Write.PutEvaluation(books.evaluations.startConfirmation(row)));
      return;
    }
    ending =
        Optional.of(
            new Ending(
                RunState.COMPLETED,
                "stop.digits_handled reached: %d digits are handled".formatted(row.handled()),
                Optional.of(row.version())));
  }

  /// Ends the run where it has come to a bound.
  void stop() {
    if (ending.isPresent()) {
      return;
    }
    if (plan.stop().wallTime().filter(most -> books.elapsed.compareTo(most) >= 0).isPresent()) {
      ending =
          Optional.of(new Ending(RunState.STOPPED, "stop.wall_time reached", Optional.empty()));
      return;
    }
    Optional<Long> published = books.publishedBatch();
    if (published.filter(this::isLast).isPresent() && books.evaluations.version().isEmpty()) {
      ending = Optional.of(new Ending(RunState.STOPPED, "stop.batches reached", Optional.empty()));
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
      turn.write(new Write.PutBatch(BatchLine.voided(row, "the run ended")));
      books.removeOpenUses(books.line.close(row.number())).stream()
          .filter(id -> books.groups.find(id).isEmpty())
          .forEach(id -> books.sweep(turn, id));
    }
  }
}
