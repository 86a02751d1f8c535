package io.gradus.core.run;

import io.gradus.core.curriculum.Curriculum;
import io.gradus.core.evaluation.EvaluationBook;
import io.gradus.core.group.GroupId;
import io.gradus.core.group.GroupPurpose;
import io.gradus.core.group.GroupState;
import io.gradus.core.group.LeaseId;
import io.gradus.core.group.Outcome;
import io.gradus.core.group.SessionId;
import io.gradus.core.group.StateReason;
import io.gradus.core.group.Verdict;
import io.gradus.core.group.WorkerId;
import io.gradus.core.lease.LeaseTable;
import io.gradus.core.ledger.GroupRow;
import io.gradus.core.ledger.LeaseRow;
import io.gradus.core.ledger.RunState;
import io.gradus.core.ledger.Write;
import io.gradus.core.policy.PolicyVersion;
import io.gradus.core.replay.Replay;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.IntStream;

/*
 * Capacity (G4). A training group is granted only while its samples will be wanted soon.
 *
 * Policy gradients use a group once, B groups a batch. Samples of the newest version, published after
 * batch b_v, may be in batches up to b_v + 1 + η, of which `bound` are bound already:
 *
 *   capacity = min(concurrency − running, B·(b_v + η + 1 − bound) − (waiting + running))
 *
 * Likelihood objectives use a unit up to max_uses times, and an accepted unit pays for `d` draws. That
 * paces both sides: a batch of B draws is bound once B draws are paid for, and rollouts run ahead of
 * the batches bound by at most η + 1 batches' worth of units:
 *
 *   capacity = min(concurrency − running, (B/d)·(η + 1) − (units accepted − draws bound/d) − running)
 *
 * The age of a unit is bounded by the window of replay there, not by η: a likelihood objective on a
 * verified set has no ratio that an old version would spoil. Whatever the balance says, rollouts go on
 * while replay has too few units for a batch.
 *
 * Small grants make small engine batches, which cost nearly as much as large ones. So training groups
 * are granted when a good part of what a worker takes can be granted at once, or the learner starves.
 *
 * In lockstep a block of groups is granted when nothing is open, every batch that can be bound is
 * applied, and what is to be published is: then nothing that timing could change is left.
 */

/*
 * Poisonous tasks. A task that kills the worker that samples it would kill one after the other, and
 * each takes every group along that it holds. So the group's row counts workers that were lost with
 * it in a row: WORKER_DIED after the first, SUSPECT from the second on. A lease that is lost in
 * another way clears the record, but for one that ran out: nobody knows what became of it.
 *
 * The guilty one is among many suspects, all that shared both its workers. So suspects are granted
 * few at a time: to a worker at most a sixteenth of its slots after two lost leases, one after three.
 * Groups that are no suspects go on beside them. Whichever was the only suspect of a worker that is
 * lost is POISON_TASK: after three workers where a worker takes few groups, four where it takes many.
 * One suspect at a time from the beginning would save a worker, but a run that lost its workers
 * twice for other reasons would crawl for as many rounds as it had groups under way.
 *
 * An innocent is condemned where its worker is killed for another reason just while it is the only
 * suspect there: one group, not all that the worker held. It does not matter whether the workers
 * were different ones: a run may have but one, and one that is restarted under its old name has
 * died all the same.
 */

/// Grants groups to workers, takes them back, and decides about what workers submit.
final class Rollouts {

  /// Before the third lease of a group.
  private static final Duration FIRST_PAUSE = Duration.ofSeconds(1);

  /// Of a worker's slots, the part that suspects may have at first.
  private static final int SUSPECTS_SHARE = 16;

  private static final int MOST_DOUBLINGS = 20;

  private final Books books;
  private final RunPlan plan;
  private final Batches batches;
  private final Rounds rounds;
  private final Goals goals;

  /// No worker that asks is granted fewer training groups at once, unless the learner starves. A
  /// lower bound; exact after all of them were gone through.
  private int leastWanted;

  Rollouts(Books books, Batches batches, Rounds rounds, Goals goals) {
    this.books = books;
    this.plan = books.plan;
    this.batches = batches;
    this.rounds = rounds;
    this.goals = goals;
  }

  void join(Turn turn, Input.WorkerJoined joined) {
    books.workers.put(joined.session(), new Books.WorkerSession(joined.worker(), joined.slots()));
    var announced = new TreeSet<>(books.neededVersions());
    books.versions.head().ifPresent(head -> announced.add(head.manifest().version()));
    for (PolicyVersion version : announced) {
      books
          .versions
          .find(version)
          .filter(row -> !row.deleted())
          .ifPresent(row ->
              turn.effect(
                  new Effect.AnnounceVersion(Optional.of(joined.session()), row.manifest())));
    }
    if (plan.rollout().lockstep()) {
      // The same leases again: with new ones the run would not be the same.
      List<Effect.Grant> again =
          books.leases.claim(joined.session(), joined.worker()).stream()
              .flatMap(held -> books.groups.find(held.group()).stream())
              .map(Rollouts::grantOf)
              .toList();
      if (!again.isEmpty()) {
        turn.effect(new Effect.GrantLeases(joined.session(), again));
      }
    }
  }

  void leave(Turn turn, SessionId session, Input.Departure departure) {
    books.leave(session);
    List<LeaseTable.Held> lost = books.leases.of(session);
    boolean isBlamed = departure == Input.Departure.LOST;
    boolean hasOneSuspect = isBlamed && suspectsIn(lost).size() == 1;
    for (LeaseTable.Held held : lost) {
      if (isBlamed) {
        blame(turn, held, hasOneSuspect);
      } else {
        lose(turn, held, StateReason.WORKER_LOST);
      }
    }
  }

  /// A worker is to sample for other runs: it may go once it holds nothing of this one.
  void letGo(Turn turn, SessionId session) {
    Books.WorkerSession worker = books.workers.get(session);
    if (worker == null) {
      return;
    }
    books.setCredits(session, worker, 0);
    if (books.leases.of(session).isEmpty()) {
      books.leave(session);
      turn.effect(new Effect.EndSession(session));
    }
  }

  /// A worker was lost for good while it held a lease.
  private void blame(Turn turn, LeaseTable.Held held, boolean hasOneSuspect) {
    books.leases.end(held.group());
    books
        .groups
        .find(held.group())
        .ifPresent(group -> {
          if (hasOneSuspect && group.reason() == StateReason.SUSPECT) {
            fail(turn, group, StateReason.POISON_TASK);
          } else if (hasAttemptsLeft(group)) {
            wait(
                turn,
                group,
                group.reason().blames() ? StateReason.SUSPECT : StateReason.WORKER_DIED);
          } else {
            fail(turn, group, StateReason.WORKER_LOST);
          }
        });
  }

  private List<GroupRow> suspectsIn(List<LeaseTable.Held> leases) {
    return leases.stream()
        .flatMap(held -> books.groups.find(held.group()).stream())
        .filter(group -> group.reason() == StateReason.SUSPECT)
        .toList();
  }

  void heartbeat(Turn turn, Input.Heartbeat heartbeat) {
    Books.WorkerSession worker = books.workers.get(heartbeat.session());
    if (worker == null) {
      return;
    }
    List<LeaseId> lost =
        books.leases.renew(heartbeat.session(), worker.worker, heartbeat.progress(), turn.now());
    if (!lost.isEmpty()) {
      turn.effect(
          new Effect.RevokeLeases(
              heartbeat.session(), lost, "the group was decided or given to another worker"));
    }
    int onTheirWay = books.leases.unnamed(heartbeat.session(), heartbeat.progress());
    books.setCredits(heartbeat.session(), worker, Math.max(0, heartbeat.credits() - onTheirWay));
    if (worker.credits() > 0) {
      leastWanted = Math.min(leastWanted, leastOf(worker));
    }
  }

  void loaded(Input.VersionLoaded loaded) {
    Books.WorkerSession worker = books.workers.get(loaded.session());
    if (worker != null) {
      books.load(worker, loaded.version());
    }
  }

  void giveBack(Turn turn, Input.GroupFailed failed) {
    books
        .leases
        .of(failed.group())
        .filter(held -> held.lease().equals(failed.lease()))
        .filter(held -> held.session().filter(failed.session()::equals).isPresent())
        .ifPresent(held -> lose(turn, held, StateReason.WORKER_FAILED));
  }

  void expire(Turn turn) {
    for (LeaseTable.Lost lost : books.leases.lostAt(turn.now())) {
      books.revoke(turn, lost.held(), "its deadline passed: " + lost.reason());
      lose(turn, lost.held(), lost.reason());
    }
  }

  /// Takes the leases of a paused run back, so that other runs have the workers at once. A group at
  /// its last attempt is waited for: nobody failed that it should fail for. So are all in lockstep,
  /// where the same group goes to the same worker.
  void takeBack(Turn turn) {
    if (plan.rollout().lockstep()) {
      return;
    }
    books.groups.in(GroupState.LEASED).stream()
        .filter(this::hasAttemptsLeft)
        .toList()
        .forEach(group ->
            books
                .leases
                .of(group.id())
                .ifPresent(held -> {
                  books.leases.end(held.group());
                  books.revoke(turn, held, "the run is paused");
                  books.move(turn, group, GroupState.PENDING, StateReason.PAUSED);
                }));
  }

  private boolean hasAttemptsLeft(GroupRow group) {
    return group.attempts() < plan.rollout().maxAttempts();
  }

  /// A lease is lost: its group waits for another one, or fails after the last attempt.
  private void lose(Turn turn, LeaseTable.Held held, StateReason reason) {
    books.leases.end(held.group());
    books.groups.find(held.group()).ifPresent(group -> returnGroup(turn, group, reason));
  }

  private void returnGroup(Turn turn, GroupRow group, StateReason reason) {
    if (hasAttemptsLeft(group)) {
      boolean isUnclear = reason == StateReason.WORKER_LOST && group.reason().blames();
      wait(turn, group, isUnclear ? group.reason() : reason);
    } else {
      fail(turn, group, reason);
    }
  }

  /// A group waits for another lease: the first one at once, later ones after pauses that double.
  private void wait(Turn turn, GroupRow group, StateReason reason) {
    books.move(turn, group, GroupState.PENDING, reason);
    if (group.attempts() > 1) {
      Duration pause =
          FIRST_PAUSE.multipliedBy(1L << Math.min(group.attempts() - 2, MOST_DOUBLINGS));
      Duration longest = plan.rollout().leaseTtl();
      books.notBefore.put(
          group.id(), turn.now().plus(pause.compareTo(longest) < 0 ? pause : longest));
    }
  }

  private void fail(Turn turn, GroupRow group, StateReason reason) {
    books.move(turn, group, GroupState.FAILED, reason);
    if (group.purpose().isTraining()) {
      if (plan.rounds().isPresent()) {
        books.curriculum.replaceInRound(group.task());
      }
    } else if (isUnderEvaluation(group)) {
      goals.abandonEvaluation(turn);
    }
  }

  private boolean isUnderEvaluation(GroupRow group) {
    return group.pinnedVersion().isPresent()
        && group.pinnedVersion().equals(books.evaluations.version());
  }

  // ---- what workers submit

  void submit(Turn turn, Input.GroupSubmitted submitted) {
    turn.effect(
        new Effect.AnswerSubmit(
            submitted.request(), submitted.group(), submitted.lease(), admit(turn, submitted)));
  }

  private Admission admit(Turn turn, Input.GroupSubmitted submitted) {
    GroupId id = submitted.group();
    if (id.value() > books.groups.created()) {
      return new Admission.Refused("group %d was never granted".formatted(id.value()));
    }
    Optional<GroupRow> open = books.groups.find(id);
    if (open.isEmpty()) {
      books.sweep(turn, id);
      return new Admission.Duplicate();
    }
    GroupRow group = open.get();
    Optional<WorkerId> sampler = books.groups.granteeOf(id, submitted.lease());
    if (sampler.isEmpty()) {
      return new Admission.Refused(
          "lease %d was never granted for group %d"
              .formatted(submitted.lease().value(), id.value()));
    }
    if (group.state() == GroupState.ACCEPTED) {
      turn.write(new Write.SweepPayloads(List.of(id)));
      return new Admission.Duplicate();
    }
    Optional<String> fault = faultOf(group, submitted);
    if (fault.isPresent()) {
      return new Admission.Refused(fault.get());
    }
    if (submitted.outcomes().size() < leastMembers(group)) {
      if (books.leases.of(id).filter(held -> held.lease().equals(submitted.lease())).isPresent()) {
        books.leases.end(id);
        returnGroup(turn, group, StateReason.TOO_FEW_MEMBERS);
      }
      return new Admission.Incomplete();
    }
    if (group.state() == GroupState.PENDING) {
      // Late, but first: any lease of an open group may win. It is as if it had been granted again.
      books.notBefore.remove(id);
      group = books.groups.move(group, GroupState.LEASED, StateReason.NONE);
    }
    books
        .leases
        .end(id)
        .filter(held -> !held.lease().equals(submitted.lease()))
        .ifPresent(held -> books.revoke(turn, held, "another worker was first"));
    return group.purpose().isTraining()
        ? train(turn, group, sampler.get(), submitted)
        : evaluate(turn, group, sampler.get(), submitted);
  }

  /// A group closes with at least three quarters of its members.
  private static int leastMembers(GroupRow group) {
    return (3 * group.size() + 3) / 4;
  }

  private Optional<String> faultOf(GroupRow group, Input.GroupSubmitted submitted) {
    var members = new TreeSet<Integer>();
    for (Outcome outcome : submitted.outcomes()) {
      if (outcome.member() >= group.size() || !members.add(outcome.member())) {
        return Optional.of(
            "member %d is not one of %d, or there twice".formatted(outcome.member(), group.size()));
      }
    }
    if (submitted.oldestVersion().value() < 1
        || submitted.oldestVersion().value() >= books.nextVersion) {
      return Optional.of(
          "policy version %d was never published".formatted(submitted.oldestVersion().value()));
    }
    if (group.pinnedVersion().filter(v -> !v.equals(submitted.oldestVersion())).isPresent()) {
      return Optional.of(
          "it was sampled with version %d but is to be sampled with %d"
              .formatted(
                  submitted.oldestVersion().value(),
                  group.pinnedVersion().map(PolicyVersion::value).orElse(0L)));
    }
    return Optional.empty();
  }

  private static GroupRow.Admitted admitted(Input.GroupSubmitted submitted) {
    return new GroupRow.Admitted(
        submitted.lease(), submitted.digest(), submitted.oldestVersion(), submitted.outcomes());
  }

  private Admission evaluate(
      Turn turn, GroupRow group, WorkerId sampler, Input.GroupSubmitted submitted) {
    end(turn, group, sampler, submitted, GroupState.EVALUATED, StateReason.NONE);
    boolean isRight =
        submitted.outcomes().stream().allMatch(outcome -> outcome.verdict() == Verdict.RIGHT);
    books
        .evaluations
        .answer(group, isRight, books.elapsed)
        .ifPresent(row -> {
          turn.write(new Write.PutEvaluation(row));
          if (row.finished()) {
            goals.evaluated(turn, row);
          }
        });
    return new Admission.Evaluated();
  }

  private Admission train(
      Turn turn, GroupRow group, WorkerId sampler, Input.GroupSubmitted submitted) {
    List<Outcome> outcomes = submitted.outcomes();
    int right = (int) outcomes.stream().filter(o -> o.verdict() == Verdict.RIGHT).count();
    books.trajectoriesSampled += outcomes.size();
    books.tokensSampled += outcomes.stream().mapToLong(Outcome::tokens).sum();
    if (group.purpose() == GroupPurpose.TRAINING) {
      books.curriculum.observe(group.task(), right, outcomes.size() - right);
    }
    if (plan.unit() == RunPlan.Unit.GROUP) {
      long staleness =
          books.versions.staleness(submitted.oldestVersion(), books.line.next().value() - 1);
      boolean isForgotten = books.versions.find(submitted.oldestVersion()).isEmpty();
      if (isForgotten || staleness > plan.rollout().maxStaleness()) {
        end(turn, group, sampler, submitted, GroupState.STALE, StateReason.TOO_OLD);
        return new Admission.Stale(staleness, plan.rollout().maxStaleness());
      }
    }
    Optional<StateReason> filter = filterOf(outcomes);
    if (filter.isPresent()) {
      end(turn, group, sampler, submitted, GroupState.FILTERED, filter.get());
      return new Admission.Filtered(filter.get());
    }
    turn.write(new Write.RequirePayload(group.id(), submitted.lease(), submitted.digest()));
    GroupRow accepted =
        books.groups.admit(
            group, admitted(submitted), sampler, GroupState.ACCEPTED, StateReason.NONE);
    turn.write(new Write.PutGroup(accepted));
    if (books.groups.hasOtherLeases(group.id())) {
      turn.write(new Write.SweepPayloads(List.of(group.id())));
    }
    books.unitsAccepted += Replay.unitsIn(plan, outcomes);
    books.endLeft(turn, books.replay.add(accepted, new TreeMap<>()));
    return new Admission.Accepted();
  }

  /// Why a group carries no signal.
  private Optional<StateReason> filterOf(List<Outcome> outcomes) {
    return switch (plan.unit()) {
      case TRAJECTORY ->
          Replay.unitsIn(plan, outcomes) == 0
              ? Optional.of(StateReason.NONE_RIGHT)
              : Optional.empty();
      case GROUP -> {
        List<Float> rewards =
            outcomes.stream().filter(o -> o.tokens() > 0).map(Outcome::reward).distinct().toList();
        yield rewards.size() < 2 ? Optional.of(StateReason.NO_VARIANCE) : Optional.empty();
      }
    };
  }

  /// The group has ended with numbers and a digest alone: its payload is not kept.
  private void end(
      Turn turn,
      GroupRow group,
      WorkerId sampler,
      Input.GroupSubmitted submitted,
      GroupState state,
      StateReason reason) {
    turn.write(
        new Write.PutGroup(books.groups.admit(group, admitted(submitted), sampler, state, reason)));
    turn.write(new Write.SweepPayloads(List.of(group.id())));
  }

  // ---- what workers are granted

  void grant(Turn turn) {
    if (books.state != RunState.RUNNING || books.versions.head().isEmpty()) {
      return;
    }
    boolean isLockstep = plan.rollout().lockstep();
    if (isLockstep && books.groups.size(GroupState.LEASED) > 0) {
      return;
    }
    int least = Integer.MAX_VALUE;
    Optional<SessionId> next = books.firstAsking();
    while (next.isPresent()) {
      if (!isLockstep && !mayGrant()) {
        return;
      }
      SessionId session = next.get();
      Books.WorkerSession worker = books.worker(session);
      var grants = new ArrayList<Effect.Grant>();
      // In lockstep a block fills a worker that holds nothing: what is left of its credits after a
      // smaller block says only how soon its next heartbeat came.
      if (!isLockstep || worker.credits() >= worker.slots) {
        grantPending(turn, session, worker, grants);
        if (!isLockstep || grants.isEmpty()) {
          grantQuestions(turn, session, worker, grants);
        }
        if (!isLockstep || (grants.isEmpty() && mayGrantBlock())) {
          grantTraining(turn, session, worker, grants);
        }
      }
      if (worker.credits() > 0) {
        least = Math.min(least, leastOf(worker));
      }
      if (!grants.isEmpty()) {
        turn.effect(new Effect.GrantLeases(session, grants));
        if (isLockstep) {
          return;
        }
      }
      next = books.nextAsking(session);
    }
    leastWanted = least;
  }

  /// Whether a worker that asks may get something. Most inputs bring no room, and then nobody is to
  /// go through all workers to find that out.
  private boolean mayGrant() {
    if (slotsLeft() == 0) {
      return false;
    }
    if (books.groups.size(GroupState.PENDING) > 0 || books.evaluations.hasQuestion()) {
      return true;
    }
    int capacity = capacity();
    return capacity > 0 && (capacity >= leastWanted || isStarving());
  }

  /// Whether nothing is left that timing could change.
  private boolean mayGrantBlock() {
    return books.groups.size(GroupState.PENDING) == 0
        && books.evaluations.version().isEmpty()
        && books.line.isApplied()
        && !batches.canBind()
        && batches.isPublished();
  }

  private void grantPending(
      Turn turn, SessionId session, Books.WorkerSession worker, List<Effect.Grant> grants) {
    boolean mayHaveSuspects = true;
    for (GroupRow group : books.groups.in(GroupState.PENDING)) {
      if (worker.credits() == 0 || slotsLeft() == 0) {
        return;
      }
      MonotonicTime notBefore = books.notBefore.get(group.id());
      if (notBefore != null && turn.now().compareTo(notBefore) < 0) {
        continue;
      }
      if (group.reason() == StateReason.SUSPECT) {
        mayHaveSuspects = mayHaveSuspects && mayHave(session, worker, group);
        if (!mayHaveSuspects) {
          continue;
        }
      }
      LeaseId lease = books.nextLease();
      GroupRow leased = books.groups.leaseAgain(group, lease, worker.worker);
      begin(turn, session, worker, leased, grants);
    }
  }

  /// Whether a worker may hold one suspect more.
  private boolean mayHave(SessionId session, Books.WorkerSession worker, GroupRow suspect) {
    List<GroupRow> there = suspectsIn(books.leases.of(session));
    int room =
        Math.min(
            mostSuspects(worker, suspect.attempts()),
            there.stream()
                .mapToInt(group -> mostSuspects(worker, group.attempts() - 1))
                .min()
                .orElse(Integer.MAX_VALUE));
    return there.size() < room;
  }

  /// Suspects that a worker may hold together with one that lost so many leases.
  private static int mostSuspects(Books.WorkerSession worker, int lost) {
    return lost == 2 ? Math.max(1, worker.slots / SUSPECTS_SHARE) : 1;
  }

  private void grantQuestions(
      Turn turn, SessionId session, Books.WorkerSession worker, List<Effect.Grant> grants) {
    while (worker.credits() > 0 && slotsLeft() > 0) {
      Optional<EvaluationBook.Question> question = books.evaluations.nextQuestion();
      if (question.isEmpty()) {
        return;
      }
      GroupRow created =
          books.groups.create(
              question.get().purpose(),
              question.get().task(),
              1,
              books.nextLease(),
              worker.worker,
              Optional.of(question.get().version()));
      begin(turn, session, worker, created, grants);
    }
  }

  private void grantTraining(
      Turn turn, SessionId session, Books.WorkerSession worker, List<Effect.Grant> grants) {
    int grantable = Math.min(worker.credits(), capacity());
    if (grantable < leastOf(worker) && !isStarving()) {
      return;
    }
    // In lockstep all groups of a block are sampled with one version, whichever the worker has.
    Optional<PolicyVersion> pinned =
        plan.rollout().lockstep()
            ? books.versions.head().map(head -> head.manifest().version())
            : Optional.empty();
    for (int count = 0; count < grantable; count++) {
      Optional<Curriculum.Choice> choice = choose();
      if (choice.isEmpty()) {
        return;
      }
      GroupRow created =
          books.groups.create(
              choice.get().purpose(),
              choice.get().task(),
              plan.rollout().groupSize(),
              books.nextLease(),
              worker.worker,
              pinned);
      begin(turn, session, worker, created, grants);
    }
  }

  private Optional<Curriculum.Choice> choose() {
    return plan.rounds().isPresent()
        ? books.curriculum.chooseInRound(rounds.quota(), books.random)
        : Optional.of(books.curriculum.choose(books.random));
  }

  private void begin(
      Turn turn,
      SessionId session,
      Books.WorkerSession worker,
      GroupRow leased,
      List<Effect.Grant> grants) {
    books.setCredits(session, worker, worker.credits() - 1);
    books.notBefore.remove(leased.id());
    books.grantedAt.put(leased.id(), books.publishedBatch().orElse(0L));
    books.leases.begin(
        leased.id(), leased.lease(), worker.worker, Optional.of(session), turn.now());
    turn.write(new Write.PutGroup(leased));
    turn.write(new Write.PutLease(new LeaseRow(leased.lease(), leased.id(), worker.worker)));
    grants.add(grantOf(leased));
  }

  private static Effect.Grant grantOf(GroupRow group) {
    return new Effect.Grant(
        group.id(),
        group.lease(),
        group.purpose(),
        group.task(),
        IntStream.range(0, group.size()).boxed().toList(),
        group.pinnedVersion());
  }

  private int slotsLeft() {
    return Math.max(0, plan.rollout().concurrency() - books.leases.size());
  }

  /// Training groups that would be granted now if workers had room.
  int capacity() {
    if (!books.isWarm() || books.isLineComplete() || books.state != RunState.RUNNING) {
      return 0;
    }
    if (plan.rounds().isPresent()) {
      return Math.min(
          slotsLeft(), rounds.isSampling() ? books.curriculum.lackingInRound(rounds.quota()) : 0);
    }
    int running = books.groups.undecidedTraining();
    long room =
        switch (plan.unit()) {
          case GROUP -> {
            long ahead =
                books.publishedBatch().orElse(0L)
                    + plan.rollout().maxStaleness()
                    + 1
                    - (books.line.next().value() - 1);
            yield plan.batch().units() * ahead - books.replay.size() - running;
          }
          case TRAJECTORY ->
              books.lacksUnits()
                  ? slotsLeft()
                  : (long) Math.ceil((mostAhead() - batches.unitsAhead()) / groupSize()) - running;
        };
    return Math.clamp(room, 0, slotsLeft());
  }

  private double groupSize() {
    return plan.rollout().groupSize();
  }

  /// Units that rollouts may be ahead of the batches bound.
  private double mostAhead() {
    return (double) plan.batch().units()
        / plan.replay().drawsPerSample()
        * (plan.rollout().maxStaleness() + 1);
  }

  /// Training groups that a worker that asks is granted at once, at least.
  private int leastOf(Books.WorkerSession worker) {
    return Math.max(1, Math.min(worker.credits(), leastGrant(worker)));
  }

  private int leastGrant(Books.WorkerSession worker) {
    if (plan.rounds().isPresent() || plan.rollout().lockstep()) {
      return 1;
    }
    double most =
        switch (plan.unit()) {
          case GROUP -> (double) plan.batch().units() * (plan.rollout().maxStaleness() + 1);
          case TRAJECTORY -> mostAhead() / groupSize();
        };
    return (int) Math.max(1, Math.min(worker.slots, most / 2));
  }

  /// Whether the learner waits, or soon will: then small grants are better than none.
  private boolean isStarving() {
    return books.leases.size() == 0 || batches.isWaiting();
  }
}
