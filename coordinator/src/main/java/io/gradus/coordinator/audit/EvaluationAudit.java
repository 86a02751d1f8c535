package io.gradus.coordinator.audit;

import com.google.errorprone.annotations.FormatMethod;
import com.google.errorprone.annotations.FormatString;
import io.gradus.coordinator.ledger.RunScan.Named;
import io.gradus.coordinator.ledger.Scanned;
import io.gradus.core.evaluation.StratumResult;
import io.gradus.core.group.GroupPurpose;
import io.gradus.core.group.GroupState;
import io.gradus.core.group.Verdict;
import io.gradus.core.ledger.EvaluationRow;
import io.gradus.core.ledger.GroupRow;
import io.gradus.core.policy.PolicyVersion;
import io.gradus.core.run.RunPlan;
import io.gradus.core.task.StratumKey;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Function;

/*
 * An evaluation of which a group failed is given up, and the same version may be evaluated again,
 * under the same row: then more was answered than the row tells.
 */

/// Holds evaluations against the answers of their groups.
final class EvaluationAudit {

  private record Key(PolicyVersion version, boolean isConfirmation) implements Comparable<Key> {

    @Override
    public int compareTo(Key other) {
      return version.equals(other.version)
          ? Boolean.compare(isConfirmation, other.isConfirmation)
          : version.compareTo(other.version);
    }
  }

  private static final class Answers {
    private final Map<StratumKey, StratumResult> results = new TreeMap<>();

    /// The first group of each set of problems.
    private final Map<Long, GroupRow> sets = new TreeMap<>();

    private boolean hasFailed;
    private boolean isRecorded;
  }

  private final AuditedRun run;
  private final Map<Key, Answers> answers = new TreeMap<>();
  private long underWay;

  EvaluationAudit(AuditedRun run) {
    this.run = run;
  }

  /// Counts a group, of whatever purpose.
  void count(GroupRow group) {
    if (group.purpose().isTraining() || group.pinnedVersion().isEmpty()) {
      return;
    }
    Answers of =
        answers.computeIfAbsent(
            new Key(group.pinnedVersion().get(), group.purpose() == GroupPurpose.CONFIRMATION),
            _ -> new Answers());
    of.sets.putIfAbsent(setOf(group), group);
    of.hasFailed |= group.state() == GroupState.FAILED;
    if (group.state() == GroupState.EVALUATED) {
      boolean isRight =
          group
              .admitted()
              .filter(a -> a.outcomes().stream().allMatch(o -> o.verdict() == Verdict.RIGHT))
              .isPresent();
      StratumKey stratum = StratumKey.of(group.task());
      of.results.merge(
          stratum,
          new StratumResult(stratum.source(), stratum.stratum(), isRight ? 1 : 0, 1),
          (a, b) ->
              new StratumResult(
                  a.source(), a.stratum(), a.right() + b.right(), a.answered() + b.answered()));
    }
  }

  /// The set of problems that a group's task is from: 0 is the held-out one.
  private long setOf(GroupRow group) {
    int confirm = run.plan().evaluation().map(RunPlan.Evaluation::confirm).orElse(0);
    return group.purpose() == GroupPurpose.CONFIRMATION && confirm > 0
        ? group.task().index() / confirm
        : 0;
  }

  /// Checks an evaluation, once all groups were counted.
  ///
  /// @param batchOf the last batch in the lineage of a version
  void check(Named<EvaluationRow> named, Function<PolicyVersion, Optional<Long>> batchOf) {
    switch (named.row()) {
      case Scanned.Sound<EvaluationRow>(var row) -> check(named.name(), row, batchOf);
      case Scanned.Broken<EvaluationRow>(var message) ->
          run.findings().add(Rule.ROW_IS_READABLE, named.name(), "%s", message);
      case Scanned.Absent<EvaluationRow>() -> {}
    }
  }

  private void check(
      String name, EvaluationRow row, Function<PolicyVersion, Optional<Long>> batchOf) {
    if (run.plan().evaluation().isEmpty()) {
      differ(name, "is there, but the spec evaluates nothing");
      return;
    }
    Optional<Long> batch = batchOf.apply(row.version());
    if (!batch.equals(Optional.of(row.batch()))) {
      differ(
          name,
          "is of batch %d, but version %d is of %s",
          row.batch(),
          row.version().value(),
          batch.map(number -> "batch " + number).orElse("none"));
    }
    long set = row.confirmation() ? row.batch() + 1 : 0;
    if (row.set() != set) {
      differ(name, "draws the problems of set %d, but must draw those of set %d", row.set(), set);
    }
    if (row.finished() && row.abandoned()) {
      differ(name, "is both finished and given up");
    }
    if (!row.finished() && !row.abandoned()) {
      underWay++;
      if (underWay > 1 || run.row().state().isFinal()) {
        differ(
            name, "is under way, but %s", underWay > 1 ? "another one is too" : "the run is over");
      }
    }
    answers(name, row);
    if (row.finished()) {
      run.findings().expect(Rule.EVALUATION_AGREES, name, "handled", row.handled(), handled(row));
    }
  }

  private void answers(String name, EvaluationRow row) {
    Answers given = answers.getOrDefault(new Key(row.version(), row.confirmation()), new Answers());
    given.isRecorded = true;
    given.sets.forEach((set, group) -> {
      if (set != row.set()) {
        run.findings()
            .add(
                Rule.TASK_ONCE,
                "group %d".formatted(group.id().value()),
                "%s is of set %d, but its evaluation draws from set %d",
                group.task(),
                set,
                row.set());
      }
    });
    Map<StratumKey, StratumResult> told = byStratum(row);
    var strata = new TreeSet<>(told.keySet());
    strata.addAll(given.results.keySet());
    for (StratumKey key : strata) {
      var none = new StratumResult(key.source(), key.stratum(), 0, 0);
      StratumResult recorded = told.getOrDefault(key, none);
      StratumResult counted = given.results.getOrDefault(key, none);
      boolean agrees =
          given.hasFailed
              ? recorded.answered() <= counted.answered() && recorded.right() <= counted.right()
              : recorded.equals(counted);
      if (!agrees) {
        differ(
            name,
            "says that %d of %d are right in stratum %d of source %d, but its groups make %d of %d",
            recorded.right(),
            recorded.answered(),
            key.stratum(),
            key.source(),
            counted.right(),
            counted.answered());
      }
    }
  }

  private static Map<StratumKey, StratumResult> byStratum(EvaluationRow row) {
    var told = new TreeMap<StratumKey, StratumResult>();
    row.results()
        .forEach(result -> told.put(new StratumKey(result.source(), result.stratum()), result));
    return told;
  }

  /// The hardest stratum up to which every one reaches the threshold.
  private int handled(EvaluationRow row) {
    RunPlan.Evaluation settings = run.plan().evaluation().orElseThrow();
    int problems = row.confirmation() ? settings.confirm() : settings.problems();
    Map<StratumKey, StratumResult> told = byStratum(row);
    int last =
        row.confirmation()
            ? row.results().stream().mapToInt(StratumResult::stratum).max().orElse(0)
            : settings.lastStratum();
    int handled = 0;
    for (int stratum = 1; stratum <= last; stratum++) {
      boolean isAsked = false;
      for (int source = 0; source < run.plan().sources().size(); source++) {
        if (stratum < run.plan().sources().get(source).firstStratum()) {
          continue;
        }
        isAsked = true;
        StratumResult result = told.get(new StratumKey(source, stratum));
        if (result == null
            || result.answered() < problems
            || result.right() < settings.threshold() * problems) {
          return handled;
        }
      }
      if (isAsked) {
        handled = stratum;
      }
    }
    return handled;
  }

  /// Names answers that no evaluation tells of.
  void finish() {
    answers.forEach((key, given) -> {
      if (!given.isRecorded && !given.results.isEmpty()) {
        differ(
            "%s of version %d"
                .formatted(
                    key.isConfirmation() ? "confirmation" : "evaluation", key.version().value()),
            "missing, but its groups were answered");
      }
    });
  }

  @FormatMethod
  private void differ(String name, @FormatString String message, Object... arguments) {
    run.findings().add(Rule.EVALUATION_AGREES, name, message, arguments);
  }
}
