package io.gradus.core.run.simulation;

import io.gradus.core.batch.BatchState;
import io.gradus.core.group.GroupState;
import io.gradus.core.ledger.BatchRow;
import io.gradus.core.ledger.GroupRow;
import io.gradus.core.ledger.RunRow;
import io.gradus.core.ledger.RunState;
import io.gradus.core.run.Input;
import io.gradus.core.run.RunPlan;
import io.gradus.core.run.RunView;
import java.util.Map;
import java.util.TreeMap;

/// The run row: its state and the counts that every commit maintains (G1, G3).
final class RunLaws {

  private final SimulatedRun world;
  private final RunPlan plan;
  private final ModelLedger rows;

  RunLaws(SimulatedRun world, ModelLedger rows) {
    this.world = world;
    this.plan = world.plan();
    this.rows = rows;
  }

  /// A row is about to be put.
  void put(RunRow row) {
    RunState before = rows.run().map(RunRow::state).orElse(RunState.RUNNING);
    Violation.unless(!before.isFinal(), "G1: the run was %s and goes on as %s", before, row);
    Violation.unless(
        rows.run().map(RunRow::elapsed).filter(was -> was.compareTo(row.elapsed()) > 0).isEmpty(),
        "G7: the run has run for %s after %s",
        row.elapsed(),
        rows.run().map(RunRow::elapsed));
    Violation.unless(
        rows.run().map(RunRow::nextRandom).orElse(0L) <= row.nextRandom(),
        "G4: random numbers are drawn again: %s",
        row);
  }

  /// After a decision that wrote something.
  void end(boolean isRunWritten) {
    Violation.unless(isRunWritten, "G1: rows changed without the run row's counts");
    RunRow run = rows.run().orElseThrow();
    Violation.unless(
        run.transitions().equals(rows.transitions()),
        "G1: the run row counts %s where groups made %s",
        run.transitions(),
        rows.transitions());
    long lease = rows.leases().isEmpty() ? 0 : rows.leases().lastKey().value();
    long version = rows.versions().isEmpty() ? 0 : rows.versions().lastKey().value();
    Violation.unless(
        run.groupsCreated() == rows.groups().size()
            && run.nextLease() == lease + 1
            && run.nextVersion() == version + 1
            && run.batchesBound() == rows.lastNumber(),
        "G1: the run row does not count what is there: %s",
        run);
    boolean isPoisoned =
        rows.batches().values().stream()
            .anyMatch(row -> row.binding() >= 3 && row.state() == BatchState.VOID);
    Violation.unless(
        !isPoisoned || run.state().isFinal(),
        "G3: three poisonous batches in a row, and the run goes on as %s",
        run);
    switch (run.state()) {
      case RUNNING, PAUSED -> {}
      case COMPLETED ->
          Violation.unless(
              rows.evaluations().values().stream()
                  .anyMatch(row ->
                      row.finished()
                          && row.confirmation() == plan.evaluation().orElseThrow().confirm() > 0
                          && row.handled() >= plan.stop().digitsHandled().orElseThrow()),
              "G5: the run is completed without a confirmed evaluation: %s",
              rows.evaluations().values());
      case STOPPED ->
          Violation.unless(
              plan.stop().wallTime().filter(most -> run.elapsed().compareTo(most) >= 0).isPresent()
                  || plan.stop()
                      .batches()
                      .filter(last -> rows.publishedBatch() == last)
                      .isPresent(),
              "G3: the run is stopped before any bound: %s",
              run);
      case FAILED ->
          Violation.unless(
              isPoisoned, "G3: the run failed without three poisonous batches in a row");
      case CANCELLED -> Violation.unless(world.wasCancelled(), "G7: nobody has cancelled the run");
    }
  }

  /// What people ask for is so once it is acknowledged.
  void asked(Input input) {
    RunState state = rows.run().map(RunRow::state).orElse(RunState.RUNNING);
    boolean isSo =
        switch (input) {
          case Input.PauseRequested _ -> state != RunState.RUNNING;
          case Input.ResumeRequested _ -> state != RunState.PAUSED;
          case Input.CancelRequested _ -> state.isFinal();
          default -> true;
        };
    Violation.unless(isSo, "G7: after %s the run is %s", input, state);
  }

  /// Work that begins needs a run that is not paused.
  void begun(int granted, int bound) {
    Violation.unless(
        granted + bound == 0 || rows.run().orElseThrow().state() != RunState.PAUSED,
        "G7: %d leases are granted and %d batches bound while the run is paused",
        granted,
        bound);
  }

  /// Counts that can be summed up from rows.
  void isSummedUp() {
    RunRow run = rows.run().orElseThrow();
    long trajectories = rows.sampledTrajectories();
    long tokens = rows.sampledTokens();
    long trained =
        rows.batches().values().stream()
            .filter(row -> row.state() == BatchState.APPLIED || row.state() == BatchState.SETTLED)
            .mapToLong(BatchRow::completionTokens)
            .sum();
    Violation.unless(
        run.trajectoriesSampled() == trajectories
            && run.tokensSampled() == tokens
            && run.tokensTrained() == trained,
        "G1: %s should have %d trajectories and %d tokens sampled, %d tokens trained",
        run,
        trajectories,
        tokens,
        trained);
  }

  /// What people see is what the rows say.
  void viewed(RunView view) {
    Violation.unless(view.residual() == 0, "G1: the residual is %d", view.residual());
    var counts = new TreeMap<String, Long>();
    int leased = 0;
    int unused = 0;
    for (GroupRow group : rows.groups().values()) {
      boolean isOpen = rows.openGroups().contains(group.id());
      counts.merge(
          isOpen || group.reason() == io.gradus.core.group.StateReason.NONE
              ? group.state().name()
              : "%s(%s)".formatted(group.state(), group.reason()),
          1L,
          Long::sum);
      leased += group.state() == GroupState.LEASED ? 1 : 0;
      unused += group.state() == GroupState.ACCEPTED && rows.isUnused(group.id()) ? 1 : 0;
    }
    Violation.unless(
        summedUp(view.groups()).equals(summedUp(counts)),
        "G1: the view shows %s but there are %s",
        view.groups(),
        counts);
    Violation.unless(
        view.running() == leased, "G1: %d groups are leased, not %d", leased, view.running());
    Violation.unless(
        plan.unit() == RunPlan.Unit.TRAJECTORY || view.waiting() == unused,
        "G4: %d accepted groups were never used, not %d",
        unused,
        view.waiting());
  }

  private static Map<String, Long> summedUp(Map<String, Long> counts) {
    var open = new TreeMap<String, Long>();
    counts.forEach((name, count) -> {
      if (count != 0) {
        open.merge(name.startsWith("PENDING") ? "PENDING" : name, count, Long::sum);
      }
    });
    return open;
  }
}
