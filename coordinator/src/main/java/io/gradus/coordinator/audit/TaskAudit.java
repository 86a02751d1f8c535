package io.gradus.coordinator.audit;

import io.gradus.coordinator.ledger.RunScan.Named;
import io.gradus.coordinator.ledger.Scanned;
import io.gradus.core.group.GroupPurpose;
import io.gradus.core.ledger.GroupRow;
import io.gradus.core.ledger.StratumRow;
import io.gradus.core.run.RunPlan;
import io.gradus.core.task.StratumKey;
import io.gradus.core.task.Task;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/*
 * Training tasks of a stratum are numbered in the order of their first grants, so those below the
 * counter of the stratum were sampled once each. A task that nobody solved may be sampled once more
 * with its answer as a hint. The held-out set is sampled again by every evaluation.
 */

/// Checks that no task is sampled twice for the same purpose.
final class TaskAudit {

  private static final class Seen {
    private final NumberSet tried = new NumberSet();
    private final NumberSet unsolved = new NumberSet();
    private final NumberSet hinted = new NumberSet();
    private long training;
  }

  private final AuditedRun run;
  private final Map<StratumKey, StratumRow> strata = new TreeMap<>();
  private final Map<StratumKey, Seen> seen = new TreeMap<>();

  TaskAudit(AuditedRun run) {
    this.run = run;
  }

  void stratum(Named<StratumRow> named) {
    switch (named.row()) {
      case Scanned.Sound<StratumRow>(var row) -> {
        var key = new StratumKey(row.source(), row.stratum());
        strata.put(key, row);
        if (!isPractised(key)) {
          run.findings().add(Rule.TASK_ONCE, named.name(), "is not one of the spec");
        }
        if (!(row.right() >= 0 && row.wrong() >= 0)) {
          run.findings()
              .add(
                  Rule.TASK_ONCE,
                  named.name(),
                  "counts %s right and %s wrong",
                  row.right(),
                  row.wrong());
        }
      }
      case Scanned.Broken<StratumRow>(var message) ->
          run.findings().add(Rule.ROW_IS_READABLE, named.name(), "%s", message);
      case Scanned.Absent<StratumRow>() -> {}
    }
  }

  private boolean isPractised(StratumKey key) {
    if (key.source() >= run.plan().sources().size()) {
      return false;
    }
    RunPlan.Source source = run.plan().sources().get(key.source());
    return key.stratum() >= source.firstStratum() && key.stratum() <= source.lastStratum();
  }

  void check(String name, GroupRow group) {
    Task task = group.task();
    switch (group.purpose()) {
      case TRAINING -> training(name, group, task);
      case RATIONALIZATION -> rationalization(name, task);
      case EVALUATION -> evaluation(name, group, task);
      case CONFIRMATION -> {
        // By the set that its evaluation names; EvaluationAudit sees to that.
      }
    }
  }

  private Seen of(Task task) {
    return seen.computeIfAbsent(StratumKey.of(task), _ -> new Seen());
  }

  private void training(String name, GroupRow group, Task task) {
    if (!isPractised(StratumKey.of(task))) {
      wrong(name, "%s is not one of the spec".formatted(StratumKey.of(task)));
      return;
    }
    Seen stratum = of(task);
    stratum.training++;
    if (task.index() >= next(task)) {
      wrong(
          name,
          "its task is number %d of its stratum, whose next one is %d"
              .formatted(task.index(), next(task)));
    } else if (!stratum.tried.add(task.index())) {
      wrong(name, "%s was sampled by another group too".formatted(task));
    }
    boolean isUnsolved =
        group.admitted().filter(a -> Outcomes.right(a.outcomes()) == 0).isPresent();
    if (isUnsolved) {
      stratum.unsolved.add(task.index());
    }
  }

  private long next(Task task) {
    StratumRow row = strata.get(StratumKey.of(task));
    return row == null ? 0 : row.nextIndex().getOrDefault(GroupPurpose.TRAINING, 0L);
  }

  private void rationalization(String name, Task task) {
    if (!isPractised(StratumKey.of(task))
        || run.plan().sources().get(task.source()).hintedShare() == 0) {
      wrong(name, "the spec gives no hints there");
      return;
    }
    Seen stratum = of(task);
    if (!stratum.unsolved.contains(task.index())) {
      wrong(name, "%s was not tried in vain without a hint".formatted(task));
    }
    if (!stratum.hinted.add(task.index())) {
      wrong(name, "%s was sampled by another group too".formatted(task));
    }
  }

  private void evaluation(String name, GroupRow group, Task task) {
    int problems = run.plan().evaluation().map(RunPlan.Evaluation::problems).orElse(0);
    if (task.index() >= problems) {
      wrong(name, "%s is not one of the %d of the held-out set".formatted(group.task(), problems));
    }
  }

  private void wrong(String name, String message) {
    run.findings().add(Rule.TASK_ONCE, name, "%s", message);
  }

  void finish() {
    strata.forEach((key, row) ->
        run.findings()
            .expect(
                Rule.TASK_ONCE,
                "stratum %d of source %d".formatted(key.stratum(), key.source()),
                "its next task",
                row.nextIndex().getOrDefault(GroupPurpose.TRAINING, 0L),
                Optional.ofNullable(seen.get(key)).map(stratum -> stratum.training).orElse(0L)));
  }
}
