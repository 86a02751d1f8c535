package io.gradus.core.run.simulation;

import io.gradus.core.batch.BatchState;
import io.gradus.core.batch.Use;
import io.gradus.core.group.GroupId;
import io.gradus.core.group.GroupPurpose;
import io.gradus.core.group.GroupState;
import io.gradus.core.group.LeaseId;
import io.gradus.core.group.Outcome;
import io.gradus.core.group.SessionId;
import io.gradus.core.group.StateReason;
import io.gradus.core.group.Verdict;
import io.gradus.core.group.WorkerId;
import io.gradus.core.ledger.BatchRow;
import io.gradus.core.ledger.GroupRow;
import io.gradus.core.ledger.LeaseRow;
import io.gradus.core.ledger.UseRow;
import io.gradus.core.policy.PolicyVersion;
import io.gradus.core.run.Input;
import io.gradus.core.run.RunPlan;
import java.time.Duration;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;

/// G1, G2 and G5, as far as a group's row shows them.
final class GroupLaws {

  /// Written down from the design, not taken from the code under test.
  private static final Map<GroupState, Set<GroupState>> MOVES = new EnumMap<>(GroupState.class);

  static {
    for (GroupState state : GroupState.values()) {
      MOVES.put(state, EnumSet.noneOf(GroupState.class));
    }
    MOVES.put(GroupState.PENDING, EnumSet.of(GroupState.LEASED, GroupState.CANCELLED));
    MOVES.put(
        GroupState.LEASED,
        EnumSet.of(
            GroupState.PENDING,
            GroupState.ACCEPTED,
            GroupState.FILTERED,
            GroupState.STALE,
            GroupState.FAILED,
            GroupState.EVALUATED,
            GroupState.CANCELLED));
    MOVES.put(
        GroupState.ACCEPTED,
        EnumSet.of(GroupState.TRAINED, GroupState.STALE, GroupState.FAILED, GroupState.CANCELLED));
  }

  private static final Map<GroupState, Set<StateReason>> REASONS = new EnumMap<>(GroupState.class);

  static {
    for (GroupState state : GroupState.values()) {
      REASONS.put(state, EnumSet.of(StateReason.NONE));
    }
    REASONS.put(
        GroupState.LEASED,
        EnumSet.of(StateReason.NONE, StateReason.WORKER_DIED, StateReason.SUSPECT));
    REASONS.put(
        GroupState.PENDING,
        EnumSet.of(
            StateReason.WORKER_LOST,
            StateReason.WORKER_DIED,
            StateReason.SUSPECT,
            StateReason.NO_PROGRESS,
            StateReason.WORKER_FAILED,
            StateReason.PAUSED,
            StateReason.TOO_FEW_MEMBERS));
    REASONS.put(GroupState.FILTERED, EnumSet.of(StateReason.NO_VARIANCE, StateReason.NONE_RIGHT));
    REASONS.put(GroupState.STALE, EnumSet.of(StateReason.TOO_OLD, StateReason.DISPLACED));
    REASONS.put(
        GroupState.FAILED,
        EnumSet.of(
            StateReason.WORKER_LOST,
            StateReason.NO_PROGRESS,
            StateReason.WORKER_FAILED,
            StateReason.TOO_FEW_MEMBERS,
            StateReason.POISON_TASK,
            StateReason.POISON_BATCH));
    // Displaced from replay while an open batch still uses it.
    REASONS.put(GroupState.ACCEPTED, EnumSet.of(StateReason.NONE, StateReason.DISPLACED));
  }

  private final SimulatedRun world;
  private final RunPlan plan;
  private final ModelLedger rows;
  private final StragglerLaws stragglers;
  private final SuspectLaws suspects;
  private final Staleness staleness;
  private final long epoch;
  private final long openedNanos;

  /// Workers whose sessions this incarnation knows or has known.
  private final Map<SessionId, WorkerId> sessions = new HashMap<>();

  private final TreeSet<WorkerId> left = new TreeSet<>();
  private final TreeMap<LeaseId, Long> grantedAt = new TreeMap<>();

  GroupLaws(SimulatedRun world, ModelLedger rows, StragglerLaws stragglers) {
    this.world = world;
    this.plan = world.plan();
    this.rows = rows;
    this.stragglers = stragglers;
    this.suspects = new SuspectLaws(world.plan(), rows);
    this.staleness = new Staleness(rows);
    this.epoch = world.ledger().epoch();
    this.openedNanos = world.time().nanos();
  }

  /// What the decider is told, before it decides.
  void heard(Input input) {
    switch (input) {
      case Input.WorkerJoined(var session, var worker, _) -> sessions.put(session, worker);
      case Input.WorkerLeft(var session, _) ->
          Optional.ofNullable(sessions.get(session)).ifPresent(left::add);
      default -> {}
    }
    suspects.heard(input);
  }

  /// A row is about to be put.
  void put(GroupRow row, Input input) {
    Optional<GroupRow> found = rows.group(row.id());
    Violation.unless(
        REASONS.getOrDefault(row.state(), Set.of()).contains(row.reason()),
        "G1: %s has a reason that its state does not have",
        row);
    if (found.isEmpty()) {
      created(row);
      return;
    }
    GroupRow before = found.get();
    Violation.unless(
        before.purpose() == row.purpose()
            && before.task().equals(row.task())
            && before.size() == row.size(),
        "G1: %s becomes %s",
        before,
        row);
    if (before.state() == row.state()) {
      Violation.unless(
          before.admitted().equals(row.admitted())
              && before.attempts() == row.attempts()
              && before.lease().equals(row.lease())
              && rows.openGroups().contains(row.id()),
          "G1: %s changes to %s without a transition",
          before,
          row);
      return;
    }
    boolean isLate = before.state() == GroupState.PENDING && row.admitted().isPresent();
    Violation.unless(
        MOVES
            .getOrDefault(isLate ? GroupState.LEASED : before.state(), Set.of())
            .contains(row.state()),
        "G1: %s goes to %s, which is no legal transition",
        before,
        row);
    Violation.unless(
        row.purpose().isTraining()
            ? row.state() != GroupState.EVALUATED
            : row.state() != GroupState.ACCEPTED
                && row.state() != GroupState.FILTERED
                && row.state() != GroupState.STALE,
        "G1: %s is for %s",
        row,
        row.purpose());
    switch (row.state()) {
      case LEASED -> {
        Violation.unless(
            row.attempts() == before.attempts() + 1
                && row.attempts() <= plan.rollout().maxAttempts()
                && !row.lease().equals(before.lease()),
            "G1: %s is leased again as %s, attempt at most %d",
            before,
            row,
            plan.rollout().maxAttempts());
        suspects.leasedAgain(before, row);
        granted(row);
      }
      case PENDING -> {
        Violation.unless(
            row.attempts() < plan.rollout().maxAttempts(),
            "G1: %s waits for another lease after %d attempts",
            row,
            row.attempts());
        lost(before, row, input);
      }
      case ACCEPTED, FILTERED, EVALUATED -> admitted(row);
      case STALE -> {
        if (before.state() != GroupState.ACCEPTED && row.admitted().isPresent()) {
          admitted(row);
        } else if (before.state() == GroupState.LEASED) {
          stragglers.givenUp(row);
        } else {
          Violation.unless(
              row.reason() == StateReason.DISPLACED
                  || isTooOld(row.admitted().orElseThrow().oldestVersion()),
              "G4: %s is called stale, %d are allowed",
              row,
              eta());
        }
        Violation.unless(
            liveUses(row.id(), BatchState.SETTLED) == 0
                && liveUses(row.id(), BatchState.BOUND) == 0
                && liveUses(row.id(), BatchState.APPLIED) == 0,
            "G1: %s was used and is called stale",
            row);
      }
      case TRAINED -> trained(row);
      case FAILED -> failed(before, row, input);
      case CANCELLED ->
          Violation.unless(
              liveUses(row.id(), BatchState.SETTLED) == 0,
              "G1: %s has a use in a settled batch and is cancelled",
              row);
    }
  }

  private void created(GroupRow row) {
    long last = rows.groups().isEmpty() ? 0 : rows.groups().lastKey().value();
    Violation.unless(
        row.id().value() == last + 1,
        "G1: group %d is created after group %d; groups are numbered without holes",
        row.id().value(),
        last);
    Violation.unless(
        row.state() == GroupState.LEASED
            && row.reason() == StateReason.NONE
            && row.attempts() == 1
            && row.admitted().isEmpty(),
        "G1: %s is created other than by its first grant",
        row);
    Violation.unless(
        row.purpose().isTraining()
            ? row.size() == plan.rollout().groupSize()
                && row.pinnedVersion().isPresent() == plan.rollout().lockstep()
            : row.size() == 1 && row.pinnedVersion().isPresent(),
        "G1: %s has the wrong size or version",
        row);
    Violation.unless(
        row.purpose() != GroupPurpose.RATIONALIZATION
            || plan.sources().get(row.task().source()).hintedShare() > 0,
        "G5: %s has a hint that its source does not allow",
        row);
    suspects.created(row);
    granted(row);
  }

  private void granted(GroupRow row) {
    grantedAt.put(row.lease(), world.time().nanos());
    stragglers.granted(row);
  }

  /// After a decision: the leases that the row counts are there.
  void isWhole(GroupRow touched) {
    GroupRow row = rows.group(touched.id()).orElseThrow();
    LeaseRow lease = rows.leases().get(row.lease());
    Violation.unless(
        lease != null && lease.group().equals(row.id()), "G7: %s has no lease row", row);
  }

  private void admitted(GroupRow row) {
    GroupRow.Admitted admitted =
        row.admitted()
            .orElseThrow(() -> Violation.of("G2: %s was admitted without a payload", row));
    Violation.unless(
        row.state() != GroupState.ACCEPTED
            || rows.payload(row.id(), admitted.lease())
                .filter(admitted.digest()::equals)
                .isPresent(),
        "G2: %s is admitted but its payload is not in the ledger",
        row);
    LeaseRow lease = rows.leases().get(admitted.lease());
    Violation.unless(
        lease != null && lease.group().equals(row.id()),
        "G7: %s is admitted under a lease that was never granted for it",
        row);
    Submission submission =
        world
            .witness()
            .submission(row.id(), admitted.lease(), admitted.digest())
            .orElseThrow(() -> Violation.of("G2: nobody has submitted %s", row));
    Violation.unless(
        submission.outcomes().equals(admitted.outcomes())
            && submission.oldestVersion().equals(admitted.oldestVersion()),
        "G6: %s is not what was submitted: %s",
        row,
        submission);
    int recorded = admitted.outcomes().size();
    Violation.unless(
        4 * recorded >= 3 * row.size() && recorded <= row.size(),
        "G1: %s closes with %d of %d members",
        row,
        recorded,
        row.size());
    if (!row.purpose().isTraining()) {
      return;
    }
    boolean hasSignal = hasSignal(row);
    switch (row.state()) {
      case ACCEPTED -> {
        Violation.unless(hasSignal, "G4: %s carries no signal and is accepted", row);
        Violation.unless(
            plan.unit() == RunPlan.Unit.TRAJECTORY
                || staleness.of(admitted.oldestVersion(), bound()) <= eta(),
            "G4: %s is accepted with staleness %d, at most %d",
            row,
            staleness.of(admitted.oldestVersion(), bound()),
            eta());
      }
      case FILTERED ->
          Violation.unless(
              !hasSignal
                  && row.reason()
                      == (plan.unit() == RunPlan.Unit.GROUP
                          ? StateReason.NO_VARIANCE
                          : StateReason.NONE_RIGHT),
              "G4: %s is filtered",
              row);
      case STALE ->
          Violation.unless(
              plan.unit() == RunPlan.Unit.GROUP && isTooOld(admitted.oldestVersion()),
              "G4: %s is called stale with staleness %d, %d are allowed",
              row,
              staleness.of(admitted.oldestVersion(), bound()),
              eta());
      default -> {}
    }
  }

  /// A version that was deleted may count for older than it is: nobody keeps its row.
  private boolean isTooOld(PolicyVersion version) {
    return staleness.of(version, bound()) > eta() || staleness.isForgotten(version);
  }

  /// Batches before the one that is bound next.
  private long bound() {
    return rows.nextNumber().value() - 1;
  }

  private int eta() {
    return plan.rollout().maxStaleness();
  }

  private boolean hasSignal(GroupRow row) {
    var outcomes = row.admitted().orElseThrow().outcomes();
    return switch (plan.unit()) {
      case GROUP -> outcomes.stream().map(Outcome::reward).distinct().count() > 1;
      case TRAJECTORY ->
          outcomes.stream().anyMatch(o -> o.verdict() == Verdict.RIGHT && o.tokens() > 0);
    };
  }

  /// Uses of a group in batches of a state.
  private long liveUses(GroupId group, BatchState state) {
    return rows.usesOf(group).stream().filter(use -> rows.stateOf(use) == state).count();
  }

  private void trained(GroupRow row) {
    Violation.unless(
        liveUses(row.id(), BatchState.SETTLED) > 0,
        "G1: %s is trained without a use in a settled batch",
        row);
    Violation.unless(
        liveUses(row.id(), BatchState.BOUND) + liveUses(row.id(), BatchState.APPLIED) == 0,
        "G1: %s is trained with a use in an open batch",
        row);
  }

  /// A batch was settled: groups that nothing more can be drawn from are trained now.
  void settled(BatchRow batch) {
    for (UseRow use : rows.uses(ModelLedger.BindingKey.of(batch))) {
      GroupRow row = rows.group(use.use().group()).orElseThrow();
      boolean isOpen =
          liveUses(row.id(), BatchState.BOUND) + liveUses(row.id(), BatchState.APPLIED) > 0;
      Violation.unless(
          isOpen || row.state() != GroupState.ACCEPTED || !isUsedUp(row),
          "G1: %s has left replay, and all its batches are settled, but it is not trained",
          row);
    }
  }

  private boolean isUsedUp(GroupRow row) {
    GroupRow.Admitted admitted = row.admitted().orElseThrow();
    return switch (plan.unit()) {
      case GROUP -> rows.liveUses(row.id(), Use.WHOLE_GROUP) >= plan.replay().maxUses();
      case TRAJECTORY ->
          admitted.outcomes().stream()
              .filter(o -> o.verdict() == Verdict.RIGHT && o.tokens() > 0)
              .allMatch(o -> rows.liveUses(row.id(), o.member()) >= plan.replay().maxUses());
    };
  }

  private void failed(GroupRow before, GroupRow row, Input input) {
    switch (row.reason()) {
      case POISON_BATCH ->
          Violation.unless(
              rows.usesOf(row.id()).stream()
                  .anyMatch(use ->
                      rows.batch(ModelLedger.BindingKey.of(use))
                              .map(world.witness()::sessions)
                              .orElse(0)
                          >= 3),
              "G3: %s fails with a batch that has not failed in three sessions",
              row);
      case POISON_TASK -> suspects.lost(before, row, input);
      default -> {
        Violation.unless(
            row.attempts() >= plan.rollout().maxAttempts(),
            "G1: %s fails after %d of %d attempts",
            row,
            row.attempts(),
            plan.rollout().maxAttempts());
        lost(before, row, input);
      }
    }
  }

  /// A lease is lost only for a reason.
  private void lost(GroupRow before, GroupRow row, Input input) {
    LeaseId lease = before.lease();
    suspects.lost(before, row, input);
    if (world.ledger().epoch() != epoch) {
      // It was taken over, so heartbeats go elsewhere; nothing that it decides will last.
      return;
    }
    long now = world.time().nanos();
    switch (row.reason()) {
      case WORKER_LOST, WORKER_DIED, SUSPECT -> {
        if (left.contains(before.worker())) {
          return;
        }
        Duration ttl = plan.rollout().leaseTtl();
        long begun = Math.max(openedNanos, grantedAt.getOrDefault(lease, openedNanos));
        long heard = Math.max(begun, world.witness().namedAt(lease).orElse(begun));
        Violation.unless(
            now - heard >= ttl.toNanos(),
            "G7: %s expires %s after it was granted, adopted or named; its time to live is %s",
            lease,
            Duration.ofNanos(now - heard),
            ttl);
      }
      case NO_PROGRESS -> {
        Duration timeout = plan.rollout().progressTimeout();
        long begun = Math.max(openedNanos, grantedAt.getOrDefault(lease, openedNanos));
        long moved = Math.max(begun, world.witness().progressAt(lease).orElse(begun));
        Violation.unless(
            now - moved >= timeout.toNanos(),
            "G7: %s is revoked %s after its last progress; %s are allowed",
            lease,
            Duration.ofNanos(now - moved),
            timeout);
      }
      case PAUSED ->
          Violation.unless(
              input instanceof Input.PauseRequested pause && pause.revokes(),
              "G7: %s was taken back, and nobody asked for it",
              lease);
      case WORKER_FAILED ->
          Violation.unless(
              input instanceof Input.GroupFailed given && given.lease().equals(lease),
              "G7: %s was given back by nobody",
              lease);
      case TOO_FEW_MEMBERS ->
          Violation.unless(
              input instanceof Input.GroupSubmitted submitted
                  && submitted.lease().equals(lease)
                  && 4 * submitted.outcomes().size() < 3 * row.size(),
              "G1: %s lacks no members",
              row);
      default -> throw Violation.of("G1: %s lost its lease", row);
    }
  }

  /// A payload is about to be swept (G2, G3).
  void sweep(GroupId id) {
    GroupRow row = rows.group(id).orElseThrow();
    if (row.state() == GroupState.ACCEPTED) {
      // Only what lost against the admitted lease goes.
      return;
    }
    Violation.unless(
        !rows.openGroups().contains(id), "G2: the payload of %s is swept, which is open", row);
    for (UseRow use : rows.usesOf(id)) {
      Violation.unless(
          rows.stateOf(use) == BatchState.VOID || rows.stateOf(use) == BatchState.SETTLED,
          "G3: the payload of %s is swept, but a learner may go back and need %s",
          row,
          use);
    }
  }
}
