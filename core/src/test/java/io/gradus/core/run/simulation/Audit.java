package io.gradus.core.run.simulation;

import io.gradus.core.batch.BatchNumber;
import io.gradus.core.batch.BatchState;
import io.gradus.core.batch.Use;
import io.gradus.core.group.GroupState;
import io.gradus.core.group.StateReason;
import io.gradus.core.ledger.BatchRow;
import io.gradus.core.ledger.GroupRow;
import io.gradus.core.ledger.RunRow;
import io.gradus.core.ledger.UseRow;
import io.gradus.core.ledger.VersionRow;
import io.gradus.core.policy.Lineage;
import io.gradus.core.run.RunPlan;
import java.util.TreeMap;

/// Recomputes from rows alone what the ledger claims, as anybody could after the fact.
final class Audit {

  private final RunPlan plan;
  private final ModelLedger rows;

  private Audit(RunPlan plan, ModelLedger rows) {
    this.plan = plan;
    this.rows = rows;
  }

  /// Checks the rows.
  ///
  /// @throws Violation when they contradict each other
  static void of(RunPlan plan, ModelLedger rows) {
    var audit = new Audit(plan, rows);
    audit.groupsAreNumberedWithoutHoles();
    audit.transitionsLeadToTheStates();
    audit.numbersHaveOneBinding();
    audit.unitsAreUsedAtMost();
    audit.lineagesRecompute();
    if (rows.run().filter(run -> run.state().isFinal()).isPresent()) {
      audit.nothingIsOpen();
    }
  }

  private void groupsAreNumberedWithoutHoles() {
    long expected = 1;
    long leases = 0;
    for (GroupRow group : rows.groups().values()) {
      Violation.unless(group.id().value() == expected, "G1: group %d is missing", expected);
      expected++;
      leases += group.attempts();
    }
    Violation.unless(
        leases == rows.leases().size(),
        "G7: groups were leased %d times, and there are %d leases",
        leases,
        rows.leases().size());
  }

  private void transitionsLeadToTheStates() {
    RunRow run = rows.run().orElseThrow();
    var reached = new TreeMap<String, Long>();
    run.transitions()
        .forEach((transition, times) -> {
          String from = transition.substring(0, transition.indexOf('>'));
          String to = transition.substring(transition.indexOf('>') + 1).replaceFirst("\\(.*", "");
          reached.merge(to, times, Long::sum);
          reached.merge(from, -times, Long::sum);
        });
    for (GroupState state : GroupState.values()) {
      long there = rows.groups().values().stream().filter(group -> group.state() == state).count();
      Violation.unless(
          reached.getOrDefault(state.name(), 0L) == there,
          "G1: transitions lead to %d groups %s, but there are %d",
          reached.getOrDefault(state.name(), 0L),
          state,
          there);
    }
    for (GroupRow group : rows.groups().values()) {
      boolean isSettled =
          rows.usesOf(group.id()).stream().anyMatch(use -> rows.stateOf(use) == BatchState.SETTLED);
      boolean isOpen =
          rows.usesOf(group.id()).stream()
              .map(rows::stateOf)
              .anyMatch(state -> state == BatchState.BOUND || state == BatchState.APPLIED);
      Violation.unless(
          group.state() != GroupState.TRAINED || (isSettled && !isOpen),
          "G1: %s is trained, but its uses are not",
          group);
      Violation.unless(
          !isSettled
              || group.state() == GroupState.TRAINED
              || group.state() == GroupState.ACCEPTED
              || group.reason() == StateReason.POISON_BATCH,
          "G1: %s has a use in a settled batch",
          group);
      Violation.unless(
          !isOpen
              || group.state() == GroupState.ACCEPTED
              || group.reason() == StateReason.POISON_BATCH,
          "G1: %s has a use in an open batch",
          group);
    }
  }

  private void numbersHaveOneBinding() {
    var live = new TreeMap<BatchNumber, BatchRow>();
    for (BatchRow row : rows.batches().values()) {
      if (row.state() != BatchState.VOID) {
        Violation.unless(
            live.put(row.number(), row) == null, "G3: %s has two bindings", row.number());
      }
    }
    // Settled, applied, bound: in this order.
    BatchState last = BatchState.SETTLED;
    for (BatchRow row : live.values()) {
      Violation.unless(
          rank(row.state()) >= rank(last), "G3: %s comes after one that is %s", row, last);
      last = row.state();
    }
  }

  private static int rank(BatchState state) {
    return switch (state) {
      case SETTLED -> 0;
      case APPLIED -> 1;
      case BOUND -> 2;
      case VOID -> 3;
    };
  }

  private void unitsAreUsedAtMost() {
    var counts = new TreeMap<String, Integer>();
    rows.batches()
        .forEach((key, batch) -> {
          if (batch.state() != BatchState.VOID) {
            for (UseRow use : rows.uses(key)) {
              Use unit = use.use();
              int count = counts.merge(unit.group().value() + "/" + unit.member(), 1, Integer::sum);
              Violation.unless(
                  count <= plan.replay().maxUses(), "G3: %s is used %d times", unit, count);
            }
          }
        });
  }

  private void lineagesRecompute() {
    var lineages = new TreeMap<Long, Lineage>();
    lineages.put(0L, Lineage.root());
    Lineage lineage = Lineage.root();
    for (BatchRow row : rows.batches().values()) {
      if (row.state() == BatchState.APPLIED || row.state() == BatchState.SETTLED) {
        lineage = lineage.after(row.number(), row.digest());
        lineages.put(row.number().value(), lineage);
      }
    }
    for (VersionRow version : rows.versions().values()) {
      long batch = version.manifest().batchOrZero();
      boolean isLive = version.ancestor() == batch && !version.deleted();
      Violation.unless(
          !isLive || version.manifest().lineage().equals(lineages.get(batch)),
          "G3: the lineage of %s does not recompute",
          version);
    }
  }

  private void nothingIsOpen() {
    Violation.unless(
        rows.openGroups().isEmpty(), "G1: groups are open after the end: %s", rows.openGroups());
    for (BatchRow row : rows.batches().values()) {
      Violation.unless(
          row.state() == BatchState.SETTLED || row.state() == BatchState.VOID,
          "G3: %s is open after the end",
          row);
    }
    rows.evaluations()
        .values()
        .forEach(row ->
            Violation.unless(
                row.finished() || row.abandoned(), "G5: %s is open after the end", row));
  }
}
