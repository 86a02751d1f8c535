package io.gradus.core.run.simulation;

import io.gradus.core.group.GroupPurpose;
import io.gradus.core.group.GroupState;
import io.gradus.core.group.Verdict;
import io.gradus.core.ledger.BatchRow;
import io.gradus.core.ledger.GroupRow;
import io.gradus.core.ledger.StratumRow;
import io.gradus.core.run.RunPlan;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/// G5: the posterior moves once by every verified unhinted training group, by nothing else, and
/// decays once a version. Tasks are never given twice.
final class StratumLaws {

  private record Counts(double right, double wrong) {}

  private final RunPlan plan;
  private final ModelLedger rows;
  private final TreeMap<ModelLedger.StratumKey, Counts> observed = new TreeMap<>();
  private int decays;

  StratumLaws(RunPlan plan, ModelLedger rows) {
    this.plan = plan;
    this.rows = rows;
  }

  /// Before a decision.
  void begin() {
    observed.clear();
    decays = 0;
  }

  /// A group's row is about to be put.
  void put(GroupRow row) {
    Optional<GroupRow> before = rows.group(row.id());
    if (before.isEmpty()) {
      given(row);
      return;
    }
    boolean isVerified =
        before.get().admitted().isEmpty()
            && row.admitted().isPresent()
            && row.state() != GroupState.EVALUATED;
    if (!isVerified || row.purpose() != GroupPurpose.TRAINING) {
      return;
    }
    var outcomes = row.admitted().orElseThrow().outcomes();
    double right = outcomes.stream().filter(o -> o.verdict() == Verdict.RIGHT).count();
    var counts = new Counts(right, outcomes.size() - right);
    var key = new ModelLedger.StratumKey(row.task().source(), row.task().stratum());
    observed.merge(key, counts, (a, b) -> new Counts(a.right() + b.right(), a.wrong() + b.wrong()));
  }

  /// Training problems, and the failed ones that are given again with a hint.
  private void given(GroupRow row) {
    RunPlan.Source source = plan.sources().get(row.task().source());
    if (!row.purpose().isTraining()) {
      return;
    }
    Violation.unless(
        row.task().stratum() >= source.firstStratum()
            && row.task().stratum() <= source.lastStratum(),
        "G5: %s is not a task of %s",
        row,
        source);
    boolean isGivenBefore =
        rows.groups().values().stream()
            .anyMatch(other -> other.purpose() == row.purpose() && other.task().equals(row.task()));
    Violation.unless(!isGivenBefore, "G5: the task of %s was given before", row);
    Violation.unless(
        row.purpose() == GroupPurpose.TRAINING
            || rows.groups().values().stream()
                .anyMatch(other ->
                    other.purpose() == GroupPurpose.TRAINING
                        && other.task().equals(row.task())
                        && other.admitted().isPresent()
                        && other.admitted().get().outcomes().stream()
                            .noneMatch(o -> o.verdict() == Verdict.RIGHT)),
        "G5: %s has a hint although nobody has failed its task",
        row);
  }

  /// A batch is bound whose version solves what the present one does not.
  void bound(BatchRow row) {
    if (row.gold().isEmpty() && row.publish() && row.binding() == 1) {
      decays++;
    }
  }

  /// After a decision that began with these rows.
  void end(Map<ModelLedger.StratumKey, StratumRow> before) {
    if (observed.isEmpty() && decays == 0 && before.equals(rows.strata())) {
      return;
    }
    double factor = Math.pow(plan.curriculum().decay(), decays);
    for (var entry : rows.strata().entrySet()) {
      Counts added = observed.getOrDefault(entry.getKey(), new Counts(0, 0));
      StratumRow old = before.get(entry.getKey());
      double right = ((old == null ? 0 : old.right()) + added.right()) * factor;
      double wrong = ((old == null ? 0 : old.wrong()) + added.wrong()) * factor;
      Violation.unless(
          Math.abs(right - entry.getValue().right()) < 1e-9
              && Math.abs(wrong - entry.getValue().wrong()) < 1e-9,
          "G5: the posterior should hold %s right and %s wrong but is %s",
          right,
          wrong,
          entry.getValue());
      Violation.unless(
          plan.rounds().isEmpty() || entry.getValue().roundGroups() <= quota(),
          "G4: a round gives %d groups to each stratum, and %s",
          quota(),
          entry.getValue());
    }
    observed
        .keySet()
        .forEach(key ->
            Violation.unless(
                rows.strata().containsKey(key), "G5: %s was observed and has no row", key));
  }

  private int quota() {
    int samples = plan.rounds().map(RunPlan.Rounds::samplesPerStratum).orElse(0);
    return (samples + plan.rollout().groupSize() - 1) / plan.rollout().groupSize();
  }
}
