package io.gradus.coordinator.audit;

import com.google.errorprone.annotations.FormatMethod;
import com.google.errorprone.annotations.FormatString;
import io.gradus.coordinator.ledger.Payload;
import io.gradus.coordinator.ledger.RunScan.GroupFile;
import io.gradus.coordinator.ledger.RunScan.Named;
import io.gradus.coordinator.ledger.Scanned;
import io.gradus.core.group.GroupState;
import io.gradus.core.group.Outcome;
import io.gradus.core.group.StateReason;
import io.gradus.core.ledger.GroupRow;
import io.gradus.core.run.RunPlan;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;

/// Checks groups one after the other, with their leases, payloads and uses, and counts them.
final class GroupAudit {

  private final AuditedRun run;
  private final LeaseAudit leases;
  private final TaskAudit tasks;
  private final UseAudit uses;
  private final PayloadAudit payloads;
  private final EvaluationAudit evaluations;
  private final Map<GroupState, Long> states = new EnumMap<>(GroupState.class);
  private final Map<String, Long> labels = new TreeMap<>();
  private long last;
  private long rows;
  private long trajectories;
  private long tokens;
  private long units;

  GroupAudit(AuditedRun run, TaskAudit tasks, EvaluationAudit evaluations) {
    this.run = run;
    this.leases = new LeaseAudit(run);
    this.tasks = tasks;
    this.uses = new UseAudit(run);
    this.payloads = new PayloadAudit(run);
    this.evaluations = evaluations;
  }

  /// Why a group may be in a state.
  static Set<StateReason> reasonsOf(GroupState state) {
    return switch (state) {
      case TRAINED, EVALUATED, CANCELLED -> EnumSet.of(StateReason.NONE);
      case LEASED -> EnumSet.of(StateReason.NONE, StateReason.WORKER_DIED, StateReason.SUSPECT);
      case ACCEPTED -> EnumSet.of(StateReason.NONE, StateReason.DISPLACED);
      case FILTERED -> EnumSet.of(StateReason.NO_VARIANCE, StateReason.NONE_RIGHT);
      case STALE -> EnumSet.of(StateReason.TOO_OLD, StateReason.DISPLACED);
      case PENDING ->
          EnumSet.of(
              StateReason.WORKER_LOST,
              StateReason.WORKER_DIED,
              StateReason.SUSPECT,
              StateReason.NO_PROGRESS,
              StateReason.WORKER_FAILED,
              StateReason.PAUSED,
              StateReason.TOO_FEW_MEMBERS);
      case FAILED ->
          EnumSet.of(
              StateReason.WORKER_LOST,
              StateReason.NO_PROGRESS,
              StateReason.WORKER_FAILED,
              StateReason.TOO_FEW_MEMBERS,
              StateReason.POISON_TASK,
              StateReason.POISON_BATCH);
    };
  }

  void check(GroupFile file) {
    String name = "group " + file.id();
    switch (file.group()) {
      case Scanned.Absent<GroupRow>() -> orphans(file);
      case Scanned.Broken<GroupRow>(var message) -> {
        follow(file.id());
        run.findings().add(Rule.ROW_IS_READABLE, name, "%s", message);
      }
      case Scanned.Sound<GroupRow>(var group) -> {
        follow(file.id());
        check(name, group, file);
      }
    }
    for (Named<?> row : file.leases()) {
      readable(row);
    }
    for (Named<?> row : file.payloads()) {
      readable(row);
    }
  }

  private void readable(Named<?> named) {
    if (named.row() instanceof Scanned.Broken<?>(var message)) {
      run.findings().add(Rule.ROW_IS_READABLE, named.name(), "%s", message);
    }
  }

  private void orphans(GroupFile file) {
    for (Named<?> row : file.leases()) {
      run.findings().add(Rule.GROUP_IS_THERE, row.name(), "there is no group %d", file.id());
    }
    for (Named<?> row : file.uses()) {
      run.findings().add(Rule.GROUP_IS_THERE, row.name(), "there is no group %d", file.id());
    }
    leases.count(file.leases());
  }

  /// Notes the number of a row: they come in rising order.
  private void follow(long id) {
    rows++;
    if (id != last + 1) {
      missing(last + 1, id - 1);
    }
    last = id;
  }

  private void missing(long from, long to) {
    run.findings()
        .add(
            Rule.GROUPS_WITHOUT_HOLES,
            from == to ? "group " + from : "groups %d to %d".formatted(from, to),
            "missing; groups are numbered 1 to n without holes");
  }

  private void check(String name, GroupRow group, GroupFile file) {
    states.merge(group.state(), 1L, Long::sum);
    labels.merge(TransitionAudit.label(group.state(), group.reason()), 1L, Long::sum);
    state(name, group);
    leases.check(name, group, file.leases());
    tasks.check(name, group);
    group
        .admitted()
        .ifPresent(admitted -> {
          outcomes(name, group, admitted);
          count(group, admitted.outcomes());
        });
    uses.check(name, group, file.uses());
    payloads(name, group, file);
    evaluations.count(group);
  }

  // ---- the state and what it requires

  private void state(String name, GroupRow group) {
    if (!reasonsOf(group.state()).contains(group.reason())) {
      illegal(name, "is %s for the reason %s", group.state(), group.reason());
    }
    boolean mustBe = mustBeAdmitted(group);
    if (mustBe && group.admitted().isEmpty()) {
      illegal(name, "is %s, but nothing was admitted for it", labelOf(group));
    }
    if (!mustBe && group.admitted().isPresent() && !mayBeAdmitted(group)) {
      illegal(name, "is %s, but something was admitted for it", labelOf(group));
    }
    boolean isOfTraining =
        switch (group.state()) {
          case ACCEPTED, TRAINED, FILTERED, STALE -> true;
          case EVALUATED -> false;
          case PENDING, LEASED, FAILED, CANCELLED -> group.purpose().isTraining();
        };
    if (isOfTraining != group.purpose().isTraining()) {
      illegal(name, "is %s, but it is for %s", labelOf(group), group.purpose());
    }
    if (run.row().state().isFinal() && !group.state().isFinal()) {
      run.findings()
          .add(
              Rule.ENDED_RUN_IS_CLOSED,
              name,
              "is %s, but the run is %s",
              labelOf(group),
              run.row().state());
    }
    size(name, group);
  }

  private void size(String name, GroupRow group) {
    int expected = group.purpose().isTraining() ? run.plan().rollout().groupSize() : 1;
    if (group.size() != expected) {
      illegal(name, "has %d members but must have %d", group.size(), expected);
    }
    boolean isPinned = !group.purpose().isTraining() || run.plan().rollout().lockstep();
    if (isPinned != group.pinnedVersion().isPresent()) {
      illegal(name, "%s to be sampled with one version", isPinned ? "has" : "has not");
    }
  }

  private static String labelOf(GroupRow group) {
    return TransitionAudit.label(group.state(), group.reason());
  }

  private static boolean mustBeAdmitted(GroupRow group) {
    return switch (group.state()) {
      case ACCEPTED, TRAINED, FILTERED, EVALUATED -> true;
      case STALE -> group.reason() == StateReason.DISPLACED;
      case FAILED -> group.reason() == StateReason.POISON_BATCH;
      case PENDING, LEASED, CANCELLED -> false;
    };
  }

  /// A straggler that was too old was never admitted; a group that was cancelled may have been.
  private static boolean mayBeAdmitted(GroupRow group) {
    return group.state() == GroupState.STALE
        || (group.state() == GroupState.CANCELLED && group.purpose().isTraining());
  }

  /// Whether it was in replay, as far as its row tells.
  private static boolean wasAccepted(GroupRow group) {
    return switch (group.state()) {
      case ACCEPTED, TRAINED -> true;
      case STALE -> group.reason() == StateReason.DISPLACED;
      case FAILED -> group.reason() == StateReason.POISON_BATCH;
      case CANCELLED -> group.admitted().isPresent();
      case PENDING, LEASED, FILTERED, EVALUATED -> false;
    };
  }

  @FormatMethod
  private void illegal(String name, @FormatString String message, Object... arguments) {
    run.findings().add(Rule.LEGAL_STATE, name, message, arguments);
  }

  // ---- what was admitted

  private void outcomes(String name, GroupRow group, GroupRow.Admitted admitted) {
    List<Outcome> outcomes = admitted.outcomes();
    int least = (3 * group.size() + 3) / 4;
    if (outcomes.size() < least || outcomes.size() > group.size()) {
      unfit(name, "has %d trajectories but %d to %d", outcomes.size(), least, group.size());
    }
    if (!Outcomes.areOrdered(outcomes)
        || outcomes.stream().anyMatch(outcome -> outcome.member() >= group.size())) {
      unfit(name, "its members are not distinct ones of %d: %s", group.size(), outcomes);
    }
    long oldest = admitted.oldestVersion().value();
    if (oldest < 1 || oldest >= run.row().nextVersion()) {
      unfit(name, "its oldest version is %d, which was never published", oldest);
    }
    if (group.pinnedVersion().filter(v -> !v.equals(admitted.oldestVersion())).isPresent()) {
      unfit(name, "was sampled with version %d but not with its own", oldest);
    }
    if (group.purpose().isTraining() && !outcomes.isEmpty()) {
      signal(name, group, outcomes);
    }
  }

  private void signal(String name, GroupRow group, List<Outcome> outcomes) {
    Optional<StateReason> filter = Outcomes.filter(run.plan(), outcomes);
    if (group.state() == GroupState.FILTERED && !filter.equals(Optional.of(group.reason()))) {
      unfit(name, "is %s, but its trajectories are %s", labelOf(group), outcomes);
    }
    if (wasAccepted(group) && filter.isPresent()) {
      unfit(name, "is %s, but its trajectories carry no signal: %s", labelOf(group), outcomes);
    }
  }

  @FormatMethod
  private void unfit(String name, @FormatString String message, Object... arguments) {
    run.findings().add(Rule.LEGAL_OUTCOMES, name, message, arguments);
  }

  private void count(GroupRow group, List<Outcome> outcomes) {
    if (group.purpose().isTraining()) {
      trajectories += outcomes.size();
      tokens += Outcomes.tokens(outcomes);
    }
    if (wasAccepted(group)) {
      units += Outcomes.units(run.plan(), outcomes).size();
    }
  }

  // ---- payloads

  private void payloads(String name, GroupRow group, GroupFile file) {
    boolean isThere = false;
    for (Named<Payload> named : file.payloads()) {
      Optional<Payload> payload = named.row().sound();
      if (payload.isPresent()) {
        payloads.check(named.name(), payload.get(), group);
        isThere |=
            group.admitted().filter(a -> a.lease().equals(payload.get().lease())).isPresent();
      }
    }
    boolean isNeeded = group.state() == GroupState.ACCEPTED || UseAudit.hasOpen(file.uses());
    if (isNeeded && !isThere && group.admitted().isPresent()) {
      run.findings()
          .add(
              Rule.PAYLOAD_IS_THERE,
              name,
              "is %s%s, but the payload admitted under lease %d is missing",
              labelOf(group),
              group.state().isFinal() ? " with a use in an open batch" : "",
              group.admitted().get().lease().value());
    }
  }

  // ---- sums

  /// Compares the sums with the run row.
  ///
  /// @return the distance between the row and the groups
  long finish() {
    long created = run.row().groupsCreated();
    if (last < created) {
      missing(last + 1, created);
    }
    Findings findings = run.findings();
    findings.expect(Rule.RUN_COUNTS, "run", "groups_created", created, rows);
    findings.expect(
        Rule.RUN_COUNTS,
        "run",
        "trajectories_sampled",
        run.row().trajectoriesSampled(),
        trajectories);
    findings.expect(Rule.RUN_COUNTS, "run", "tokens_sampled", run.row().tokensSampled(), tokens);
    findings.expect(
        Rule.RUN_COUNTS,
        "run",
        "units_accepted",
        run.row().unitsAccepted(),
        units + acceptedAndTooOld());
    leases.finish();
    tasks.finish();
    return new TransitionAudit(run).residual(states, labels) + Math.abs(created - rows);
  }

  /// Groups that became too old in replay; their rows are those of groups that were too old when
  /// they came. Only whole groups become too old, so each was one unit.
  private long acceptedAndTooOld() {
    return run.plan().unit() == RunPlan.Unit.GROUP
        ? run.row().transitions().getOrDefault("ACCEPTED>STALE(TOO_OLD)", 0L)
        : 0;
  }

  long rows() {
    return rows;
  }

  Map<String, Long> labels() {
    return labels;
  }
}
