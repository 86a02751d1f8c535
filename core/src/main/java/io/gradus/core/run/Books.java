package io.gradus.core.run;

import io.gradus.core.batch.BatchLine;
import io.gradus.core.batch.BatchPlace;
import io.gradus.core.batch.Use;
import io.gradus.core.curriculum.Curriculum;
import io.gradus.core.evaluation.EvaluationBook;
import io.gradus.core.group.GroupBook;
import io.gradus.core.group.GroupId;
import io.gradus.core.group.GroupState;
import io.gradus.core.group.LeaseId;
import io.gradus.core.group.SessionId;
import io.gradus.core.group.StateReason;
import io.gradus.core.group.WorkerId;
import io.gradus.core.lease.LeaseTable;
import io.gradus.core.ledger.EvaluationRow;
import io.gradus.core.ledger.GroupRow;
import io.gradus.core.ledger.LearnerRow;
import io.gradus.core.ledger.RunImage;
import io.gradus.core.ledger.RunRow;
import io.gradus.core.ledger.RunState;
import io.gradus.core.ledger.Write;
import io.gradus.core.policy.LearnerEpoch;
import io.gradus.core.policy.LearnerId;
import io.gradus.core.policy.PolicyVersion;
import io.gradus.core.policy.VersionLine;
import io.gradus.core.random.RunRandom;
import io.gradus.core.replay.Replay;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.NavigableSet;
import java.util.Optional;
import java.util.TreeMap;
import java.util.TreeSet;

/// Everything that is known of a run, and the moves that several decisions share. What is not in a
/// row of the ledger (sessions, credits, deadlines) means nothing to the next incarnation.
final class Books {

  /// A worker's stream.
  static final class WorkerSession {
    final WorkerId worker;
    final int slots;
    private int credits;
    private Optional<PolicyVersion> loaded = Optional.empty();

    WorkerSession(WorkerId worker, int slots) {
      this.worker = worker;
      this.slots = slots;
    }

    int credits() {
      return credits;
    }
  }

  /// The newest learner session.
  static final class LearnerSession {
    final LearnerEpoch epoch;
    final LearnerId learner;
    boolean hasLeft;
    MonotonicTime heard;

    /// Batches wanted: from this one …
    long from;

    /// … to this one.
    long upTo;

    /// The last batch that was sent to it.
    long sent;

    LearnerSession(LearnerEpoch epoch, LearnerId learner, MonotonicTime heard) {
      this.epoch = epoch;
      this.learner = learner;
      this.heard = heard;
    }
  }

  final RunPlan plan;
  final GroupBook groups;
  final LeaseTable leases;
  final Curriculum curriculum;
  final Replay replay;
  final BatchLine line;
  final VersionLine versions;
  final EvaluationBook evaluations;
  final RunRandom random;
  final TreeMap<SessionId, WorkerSession> workers = new TreeMap<>();

  /// The sessions with credits: an input must not cost more for workers that ask for nothing.
  private final TreeSet<SessionId> asking = new TreeSet<>();

  /// How many workers have each version loaded.
  private final TreeMap<PolicyVersion, Integer> loaded = new TreeMap<>();

  /// Uses of each group in open batches.
  final NavigableMap<GroupId, Integer> openUses;

  /// Batches in the lineage of the newest version when this incarnation granted a group.
  final TreeMap<GroupId, Long> grantedAt = new TreeMap<>();

  /// When a group that waits for another lease may have it; absent: at once.
  final TreeMap<GroupId, MonotonicTime> notBefore = new TreeMap<>();

  /// Groups that have a use in a settled batch.
  final TreeSet<GroupId> settledUses;

  /// Groups whose last unit newer ones displaced while replay was put together again.
  private List<GroupId> leftAtRecovery = new ArrayList<>();

  Optional<LearnerSession> learner = Optional.empty();
  RunState state;
  String reason;
  long nextLease;
  long nextVersion;
  int round;
  long trajectoriesSampled;
  long tokensSampled;
  long unitsAccepted;
  long tokensTrained;
  long sequencesTrained;
  Duration elapsed;

  /// Uses by staleness in batches since this incarnation began; the last entry holds the rest.
  final long[] stalenessOfUses = new long[65];

  Books(RunPlan plan, RunImage image, MonotonicTime now) {
    this.plan = plan;
    RunRow row = image.run().orElseGet(Books::beginning);
    state = row.state();
    reason = row.reason();
    nextLease = row.nextLease();
    nextVersion = row.nextVersion();
    round = row.round();
    trajectoriesSampled = row.trajectoriesSampled();
    tokensSampled = row.tokensSampled();
    unitsAccepted = row.unitsAccepted();
    tokensTrained = row.tokensTrained();
    sequencesTrained = row.sequencesTrained();
    elapsed = row.elapsed();
    groups =
        new GroupBook(row.groupsCreated(), row.transitions(), image.openGroups(), image.leases());
    curriculum = new Curriculum(plan, image.strata());
    random = new RunRandom(plan.seed(), row.nextRandom());
    line =
        new BatchLine(
            row.batchesBound(),
            image.openBatches(),
            image.openUses(),
            image.voidBindings(),
            image.learner().map(LearnerRow::epoch));
    versions = new VersionLine(image.versions());
    evaluations = new EvaluationBook(plan, image.evaluations(), image.openGroups());
    openUses = line.openUses();
    settledUses = new TreeSet<>(image.settledUses());
    leases = new LeaseTable(plan.rollout().leaseTtl(), plan.rollout().progressTimeout());
    replay = new Replay(plan);
    for (GroupRow group : image.openGroups()) {
      switch (group.state()) {
        case LEASED ->
            leases.begin(group.id(), group.lease(), group.worker(), Optional.empty(), now);
        case ACCEPTED -> {
          if (group.reason() != StateReason.DISPLACED) {
            leftAtRecovery.addAll(
                replay.add(group, image.useCounts().getOrDefault(group.id(), Map.of())));
          }
        }
        default -> {}
      }
    }
    image
        .learner()
        .ifPresent(session ->
            learner = Optional.of(new LearnerSession(session.epoch(), session.learner(), now)));
  }

  private static RunRow beginning() {
    return new RunRow(
        RunState.RUNNING, "", Map.of(), 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, Duration.ZERO);
  }

  /// The run row, with the time that the run has run.
  RunRow row(Duration elapsed) {
    return new RunRow(
        state,
        reason,
        groups.transitions(),
        groups.created(),
        nextLease,
        nextVersion,
        line.bound(),
        Math.min(line.bound(), warmUpBatches()),
        round,
        trajectoriesSampled,
        tokensSampled,
        unitsAccepted,
        tokensTrained,
        sequencesTrained,
        random.draws(),
        elapsed);
  }

  List<GroupId> takeLeftAtRecovery() {
    List<GroupId> left = leftAtRecovery;
    leftAtRecovery = List.of();
    return left;
  }

  /// Groups that a worker takes now.
  void setCredits(SessionId session, WorkerSession worker, int credits) {
    worker.credits = credits;
    if (credits > 0) {
      asking.add(session);
    } else {
      asking.remove(session);
    }
  }

  /// The first session that asks for groups.
  Optional<SessionId> firstAsking() {
    return asking.isEmpty() ? Optional.empty() : Optional.of(asking.first());
  }

  /// The next one after `session`, which may have stopped asking.
  Optional<SessionId> nextAsking(SessionId session) {
    return Optional.ofNullable(asking.higher(session));
  }

  WorkerSession worker(SessionId session) {
    WorkerSession worker = workers.get(session);
    if (worker == null) {
      throw new IllegalStateException("session %d is not here".formatted(session.value()));
    }
    return worker;
  }

  /// A worker has loaded a version, in place of the one before.
  void load(WorkerSession worker, PolicyVersion version) {
    unload(worker);
    worker.loaded = Optional.of(version);
    loaded.merge(version, 1, Integer::sum);
  }

  private void unload(WorkerSession worker) {
    worker.loaded.ifPresent(version ->
        loaded.computeIfPresent(version, (_, workers) -> workers == 1 ? null : workers - 1));
  }

  /// Forgets a session.
  void leave(SessionId session) {
    WorkerSession worker = workers.remove(session);
    asking.remove(session);
    if (worker != null) {
      unload(worker);
    }
  }

  long warmUpBatches() {
    return BatchPlace.warmUpBatches(plan);
  }

  LeaseId nextLease() {
    var lease = new LeaseId(nextLease);
    nextLease++;
    return lease;
  }

  /// Batches in the lineage of the newest published version; empty before the first one.
  Optional<Long> publishedBatch() {
    return versions.head().map(head -> head.manifest().batchOrZero());
  }

  /// Whether rollouts may begin: the warm-up is published.
  boolean isWarm() {
    return publishedBatch().filter(batch -> batch >= warmUpBatches()).isPresent();
  }

  /// Whether no number is left to be bound.
  boolean isLineComplete() {
    return plan.stop().batches().filter(last -> line.next().value() > last).isPresent();
  }

  /// Whether groups are under way.
  boolean hasOpenRollouts() {
    return groups.size(GroupState.LEASED) + groups.size(GroupState.PENDING) > 0;
  }

  /// Whether replay has too few units for a batch.
  boolean lacksUnits() {
    return replay.size() < plan.batch().units();
  }

  /// Tells the holder of a lease that it is lost, if its session lives.
  void revoke(Turn turn, LeaseTable.Held held, String message) {
    held.session()
        .filter(workers::containsKey)
        .ifPresent(session ->
            turn.effect(new Effect.RevokeLeases(session, List.of(held.lease()), message)));
  }

  /// Moves a group, writes its row, and sweeps the payloads that nobody needs any more.
  GroupRow move(Turn turn, GroupRow group, GroupState to, StateReason why) {
    GroupRow moved = groups.move(group, to, why);
    turn.write(new Write.PutGroup(moved));
    if (to != GroupState.LEASED) {
      grantedAt.remove(group.id());
    }
    notBefore.remove(group.id());
    if (to.isFinal()) {
      settledUses.remove(group.id());
      if (group.state() == GroupState.ACCEPTED && to != GroupState.TRAINED) {
        sweep(turn, group.id());
      }
    }
    return moved;
  }

  /// Deletes the payloads of a group that has ended, unless an open batch still needs them.
  void sweep(Turn turn, GroupId group) {
    if (!openUses.containsKey(group)) {
      turn.write(new Write.SweepPayloads(List.of(group)));
    }
  }

  /// Ends accepted groups whose last unit has left replay, as soon as no open batch uses them.
  void endLeft(Turn turn, Collection<GroupId> left) {
    for (GroupId id : left) {
      Optional<GroupRow> group = groups.find(id).filter(row -> row.state() == GroupState.ACCEPTED);
      if (group.isEmpty() || replay.holds(id)) {
        continue;
      }
      if (openUses.containsKey(id)) {
        if (group.get().reason() == StateReason.NONE) {
          turn.write(new Write.PutGroup(groups.displace(group.get())));
        }
      } else if (settledUses.contains(id)) {
        move(turn, group.get(), GroupState.TRAINED, StateReason.NONE);
      } else {
        move(turn, group.get(), GroupState.STALE, StateReason.DISPLACED);
      }
    }
  }

  void addOpenUses(List<Use> uses) {
    uses.forEach(use -> openUses.merge(use.group(), 1, Integer::sum));
  }

  /// Forgets the uses of a batch that is closed.
  ///
  /// @return its groups, in the order of their numbers
  NavigableSet<GroupId> removeOpenUses(List<Use> uses) {
    var ids = new TreeSet<GroupId>();
    for (Use use : uses) {
      ids.add(use.group());
      openUses.computeIfPresent(use.group(), (_, count) -> count == 1 ? null : count - 1);
    }
    return ids;
  }

  /// Version ids that open groups name: the rows of these are kept.
  List<PolicyVersion> namedVersions() {
    var named = new TreeSet<PolicyVersion>();
    for (GroupRow group : groups.open()) {
      group.pinnedVersion().ifPresent(named::add);
      group.admitted().ifPresent(admitted -> named.add(admitted.oldestVersion()));
    }
    return List.copyOf(named);
  }

  /// Versions that somebody samples with, or is about to.
  NavigableSet<PolicyVersion> neededVersions() {
    var needed = new TreeSet<PolicyVersion>();
    evaluations.version().ifPresent(needed::add);
    evaluations.reached().map(EvaluationRow::version).ifPresent(needed::add);
    needed.addAll(loaded.keySet());
    needed.addAll(groups.pinnedVersions());
    return needed;
  }

  int staleness(GroupRow group) {
    PolicyVersion oldest =
        group
            .admitted()
            .orElseThrow(() -> new IllegalStateException("%s was not admitted".formatted(group)))
            .oldestVersion();
    return Math.clamp(versions.staleness(oldest, line.next().value() - 1), 0, 1_000_000_000);
  }
}
