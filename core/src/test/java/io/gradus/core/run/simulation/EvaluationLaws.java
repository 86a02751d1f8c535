package io.gradus.core.run.simulation;

import io.gradus.core.evaluation.StratumResult;
import io.gradus.core.group.GroupPurpose;
import io.gradus.core.group.GroupState;
import io.gradus.core.group.Verdict;
import io.gradus.core.ledger.EvaluationRow;
import io.gradus.core.ledger.GroupRow;
import io.gradus.core.run.RunPlan;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;

/// What evaluations say is what their groups say.
final class EvaluationLaws {

  private final RunPlan plan;
  private final ModelLedger rows;

  EvaluationLaws(RunPlan plan, ModelLedger rows) {
    this.plan = plan;
    this.rows = rows;
  }

  /// A row is about to be put.
  void put(EvaluationRow row) {
    Optional<EvaluationRow> before =
        Optional.ofNullable(rows.evaluations().get(ModelLedger.EvaluationKey.of(row)));
    Violation.unless(
        before
            .map(old -> !old.finished() && (!old.abandoned() || row.results().isEmpty()))
            .orElse(true),
        "G5: %s becomes %s",
        before,
        row);
    Violation.unless(
        rows.versions().containsKey(row.version()) && !(row.finished() && row.abandoned()),
        "G5: %s is impossible",
        row);
    Violation.unless(
        row.confirmation() == row.set() > 0, "G5: %s draws from the wrong problems", row);
    if (before.isEmpty() && row.confirmation()) {
      Violation.unless(
          rows.evaluations().values().stream()
              .anyMatch(candidate ->
                  !candidate.confirmation()
                      && candidate.finished()
                      && candidate.version().equals(row.version())
                      && candidate.handled() >= plan.stop().digitsHandled().orElseThrow()),
          "G5: %s confirms what no evaluation found",
          row);
    }
  }

  /// After a decision: the counts are those of the groups.
  void isWhole(EvaluationRow touched) {
    EvaluationRow row = rows.evaluations().get(ModelLedger.EvaluationKey.of(touched));
    if (row == null || row.abandoned()) {
      return;
    }
    List<GroupRow> groups = groupsOf(row);
    int problems = problemsOf(row);
    for (StratumResult result : row.results()) {
      List<GroupRow> answered =
          groups.stream()
              .filter(group -> group.state() == GroupState.EVALUATED)
              .filter(group ->
                  group.task().source() == result.source()
                      && group.task().stratum() == result.stratum())
              .toList();
      long right =
          answered.stream()
              .filter(group ->
                  group.admitted().orElseThrow().outcomes().stream()
                      .allMatch(o -> o.verdict() == Verdict.RIGHT))
              .count();
      Violation.unless(
          result.answered() == answered.size()
              && result.right() == right
              && result.answered() <= problems,
          "G5: %s counts %s but its groups are %s",
          row,
          result,
          answered);
    }
    Violation.unless(
        row.results().stream().mapToInt(StratumResult::answered).sum()
            == groups.stream().filter(g -> g.state() == GroupState.EVALUATED).count(),
        "G5: %s leaves groups out",
        row);
    if (row.finished()) {
      Violation.unless(
          row.handled() == handled(row, problems),
          "G5: %s should handle %d",
          row,
          handled(row, problems));
    }
  }

  private List<GroupRow> groupsOf(EvaluationRow row) {
    GroupPurpose purpose = row.confirmation() ? GroupPurpose.CONFIRMATION : GroupPurpose.EVALUATION;
    long began = rows.evaluationBegan(ModelLedger.EvaluationKey.of(row));
    List<GroupRow> groups =
        rows.groups().values().stream()
            .filter(group -> group.purpose() == purpose)
            .filter(group -> group.pinnedVersion().filter(row.version()::equals).isPresent())
            .filter(group -> group.id().value() > began)
            .toList();
    Violation.unless(
        groups.stream().map(GroupRow::task).distinct().count() == groups.size(),
        "G5: %s asks the same twice",
        row);
    int problems = problemsOf(row);
    Violation.unless(
        groups.stream()
            .allMatch(group ->
                group.task().index() >= (long) row.set() * problems
                    && group.task().index() < (row.set() + 1L) * problems),
        "G5: %s asks problems of another set",
        row);
    return groups;
  }

  private int problemsOf(EvaluationRow row) {
    RunPlan.Evaluation settings = plan.evaluation().orElseThrow();
    return row.confirmation() ? settings.confirm() : settings.problems();
  }

  /// The hardest stratum up to which every one of every source reaches the threshold.
  private int handled(EvaluationRow row, int problems) {
    double threshold = plan.evaluation().orElseThrow().threshold();
    int most = row.results().stream().mapToInt(StratumResult::stratum).max().orElse(0);
    return IntStream.rangeClosed(1, most)
        .filter(stratum ->
            plan.sources().stream().anyMatch(source -> source.firstStratum() <= stratum)
                && IntStream.rangeClosed(1, stratum)
                    .allMatch(easier -> isPassed(row, easier, problems, threshold)))
        .max()
        .orElse(0);
  }

  private boolean isPassed(EvaluationRow row, int stratum, int problems, double threshold) {
    return IntStream.range(0, plan.sources().size())
        .filter(source -> plan.sources().get(source).firstStratum() <= stratum)
        .allMatch(source ->
            row.results().stream()
                .anyMatch(result ->
                    result.source() == source
                        && result.stratum() == stratum
                        && result.answered() == problems
                        && result.right() >= threshold * problems));
  }
}
