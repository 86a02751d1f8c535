package io.gradus.core.evaluation;

import io.gradus.core.group.GroupPurpose;
import io.gradus.core.ledger.EvaluationRow;
import io.gradus.core.ledger.GroupRow;
import io.gradus.core.policy.PolicyVersion;
import io.gradus.core.run.RunPlan;
import io.gradus.core.task.StratumKey;
import io.gradus.core.task.Task;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/// The evaluation that is under way, at most one, and the newest finished ones.
///
/// Problems are given easiest strata first, each once. The held-out set is the same for every
/// version; a confirmation draws problems that no other version's drew, by the number of its set.
public final class EvaluationBook {

  private static final Comparator<StratumKey> EASIEST_FIRST =
      Comparator.comparingInt(StratumKey::stratum).thenComparingInt(StratumKey::source);

  private static final class Tally {
    private int given;
    private int answered;
    private int right;
  }

  private static final class Active {
    private final PolicyVersion version;
    private final boolean isConfirmation;
    private final int set;
    private final long batch;
    private final int problems;
    private final TreeMap<StratumKey, Tally> strata = new TreeMap<>(EASIEST_FIRST);

    private Active(
        PolicyVersion version, boolean isConfirmation, int set, long batch, int problems) {
      this.version = version;
      this.isConfirmation = isConfirmation;
      this.set = set;
      this.batch = batch;
      this.problems = problems;
    }
  }

  private final RunPlan plan;
  private Optional<Active> active = Optional.empty();
  private Optional<EvaluationRow> evaluated = Optional.empty();
  private Optional<EvaluationRow> confirmed = Optional.empty();

  /// The last batch whose version was evaluated, or is being so; -1 before the first.
  private long lastBatch = -1;

  /// @param rows unfinished evaluations and the newest finished of each kind
  /// @param openGroups open groups of any purpose
  public EvaluationBook(RunPlan plan, List<EvaluationRow> rows, Collection<GroupRow> openGroups) {
    this.plan = plan;
    for (EvaluationRow row : rows) {
      if (row.abandoned()) {
        continue;
      }
      lastBatch = Math.max(lastBatch, row.batch());
      if (row.finished()) {
        keep(row);
      } else {
        recover(row, openGroups);
      }
    }
  }

  private void recover(EvaluationRow row, Collection<GroupRow> openGroups) {
    Active found = begin(row.version(), row.confirmation(), row.set(), row.batch(), row.handled());
    row.results()
        .forEach(result -> {
          Tally tally = found.strata.get(new StratumKey(result.source(), result.stratum()));
          if (tally != null) {
            tally.right = result.right();
            tally.answered = result.answered();
            tally.given = result.answered();
          }
        });
    for (GroupRow group : openGroups) {
      if (isOf(found, group)) {
        Tally tally = found.strata.get(StratumKey.of(group.task()));
        if (tally != null) {
          tally.given++;
        }
      }
    }
    active = Optional.of(found);
  }

  private static boolean isOf(Active evaluation, GroupRow group) {
    return group.purpose() == purposeOf(evaluation)
        && group.pinnedVersion().filter(evaluation.version::equals).isPresent();
  }

  private static GroupPurpose purposeOf(Active evaluation) {
    return evaluation.isConfirmation ? GroupPurpose.CONFIRMATION : GroupPurpose.EVALUATION;
  }

  /// Whether a version of this batch is to be evaluated now.
  ///
  /// @param isLast whether no batch follows
  public boolean isDue(long batch, boolean isLast) {
    if (plan.evaluation().isEmpty() || active.isPresent() || batch <= lastBatch) {
      return false;
    }
    return lastBatch < 0 || isLast || batch - lastBatch >= plan.evaluation().get().every();
  }

  /// Begins the evaluation of a version on the held-out set.
  public EvaluationRow start(PolicyVersion version, long batch) {
    lastBatch = batch;
    Active begun = begin(version, false, 0, batch, 0);
    active = Optional.of(begun);
    return row(begun, Duration.ZERO, false, false);
  }

  /// Begins the confirmation of a candidate, up to the stratum that it handled.
  public EvaluationRow startConfirmation(EvaluationRow candidate) {
    int set = Math.toIntExact(candidate.batch() + 1);
    Active begun = begin(candidate.version(), true, set, candidate.batch(), candidate.handled());
    active = Optional.of(begun);
    return row(begun, Duration.ZERO, false, false);
  }

  private Active begin(
      PolicyVersion version, boolean isConfirmation, int set, long batch, int candidate) {
    RunPlan.Evaluation settings =
        plan.evaluation().orElseThrow(() -> new IllegalStateException("nothing is evaluated"));
    var begun =
        new Active(
            version,
            isConfirmation,
            set,
            batch,
            isConfirmation ? settings.confirm() : settings.problems());
    int last = isConfirmation ? candidate : settings.lastStratum();
    for (int source = 0; source < plan.sources().size(); source++) {
      for (int number = plan.sources().get(source).firstStratum(); number <= last; number++) {
        begun.strata.put(new StratumKey(source, number), new Tally());
      }
    }
    return begun;
  }

  /// Whether a finished evaluation reached the target, and new problems must confirm it.
  public boolean isCandidate(EvaluationRow row) {
    return !row.confirmation() && mustConfirm() && reachesTarget(row);
  }

  /// The newest finished evaluation, if it reached the target and nothing must confirm it any more.
  public Optional<EvaluationRow> reached() {
    return (mustConfirm() ? confirmed : evaluated).filter(this::reachesTarget);
  }

  private boolean mustConfirm() {
    return plan.evaluation().map(RunPlan.Evaluation::confirm).orElse(0) > 0;
  }

  private boolean reachesTarget(EvaluationRow row) {
    return plan.stop().digitsHandled().filter(target -> row.handled() >= target).isPresent();
  }

  /// The version under evaluation.
  public Optional<PolicyVersion> version() {
    return active.map(evaluation -> evaluation.version);
  }

  /// A problem to be given.
  public record Question(Task task, GroupPurpose purpose, PolicyVersion version) {}

  /// The next problem, which now counts as given; empty when all are, or when harder strata wait
  /// for the answers of an easier one.
  public Optional<Question> nextQuestion() {
    return active.flatMap(evaluation ->
        asked(evaluation)
            .map(stratum -> {
              StratumKey key = stratum.getKey();
              Tally tally = stratum.getValue();
              long index = (long) evaluation.set * evaluation.problems + tally.given;
              tally.given++;
              return new Question(
                  new Task(key.source(), key.stratum(), index),
                  purposeOf(evaluation),
                  evaluation.version);
            }));
  }

  /// Whether there is a next problem now.
  public boolean hasQuestion() {
    return active.flatMap(this::asked).isPresent();
  }

  /// The stratum of the next problem.
  private Optional<Map.Entry<StratumKey, Tally>> asked(Active evaluation) {
    for (var entry : evaluation.strata.entrySet()) {
      Tally tally = entry.getValue();
      if (tally.given < evaluation.problems) {
        return Optional.of(entry);
      }
      if (endsAt(evaluation, tally)) {
        return Optional.empty();
      }
    }
    return Optional.empty();
  }

  /// Whether harder strata have to wait for this one, or are not asked at all.
  private boolean endsAt(Active evaluation, Tally tally) {
    double stopBelow = plan.evaluation().map(RunPlan.Evaluation::stopBelow).orElse(0.0);
    if (stopBelow == 0) {
      return false;
    }
    return tally.answered < evaluation.problems || tally.right < stopBelow * evaluation.problems;
  }

  /// Counts the answer of an evaluation group; ignores one of an evaluation that was abandoned.
  ///
  /// @return the evaluation as it stands
  public Optional<EvaluationRow> answer(GroupRow group, boolean isRight, Duration elapsed) {
    if (active.filter(evaluation -> isOf(evaluation, group)).isEmpty()) {
      return Optional.empty();
    }
    Active evaluation = active.get();
    Tally tally = evaluation.strata.get(StratumKey.of(group.task()));
    if (tally == null) {
      return Optional.empty();
    }
    tally.answered++;
    tally.right += isRight ? 1 : 0;
    boolean isFinished = isFinished(evaluation);
    EvaluationRow row = row(evaluation, elapsed, isFinished, false);
    if (isFinished) {
      active = Optional.empty();
      keep(row);
    }
    return Optional.of(row);
  }

  private boolean isFinished(Active evaluation) {
    for (Tally tally : evaluation.strata.values()) {
      if (tally.answered < evaluation.problems) {
        return false;
      }
      if (endsAt(evaluation, tally)) {
        return true;
      }
    }
    return true;
  }

  /// Gives the evaluation up that is under way.
  ///
  /// @return its row; its open groups are to be cancelled
  public Optional<EvaluationRow> abandon(Duration elapsed) {
    Optional<EvaluationRow> row = active.map(evaluation -> row(evaluation, elapsed, false, true));
    active = Optional.empty();
    lastBatch =
        Math.max(
            evaluated.map(EvaluationRow::batch).orElse(-1L),
            confirmed.map(EvaluationRow::batch).orElse(-1L));
    return row;
  }

  private EvaluationRow row(
      Active evaluation, Duration elapsed, boolean isFinished, boolean isAbandoned) {
    var results = new ArrayList<StratumResult>();
    evaluation.strata.forEach((key, tally) -> {
      if (tally.answered > 0) {
        results.add(new StratumResult(key.source(), key.stratum(), tally.right, tally.answered));
      }
    });
    return new EvaluationRow(
        evaluation.version,
        evaluation.isConfirmation,
        evaluation.set,
        evaluation.batch,
        isFinished,
        isFinished ? handled(evaluation) : limit(evaluation),
        elapsed,
        isAbandoned,
        results);
  }

  /// Of an unfinished confirmation, the stratum up to which it asks: recovery needs it.
  private static int limit(Active evaluation) {
    return evaluation.isConfirmation && !evaluation.strata.isEmpty()
        ? evaluation.strata.lastKey().stratum()
        : 0;
  }

  private int handled(Active evaluation) {
    double threshold = plan.evaluation().map(RunPlan.Evaluation::threshold).orElse(1.0);
    int handled = 0;
    int previous = 0;
    for (var entry : evaluation.strata.entrySet()) {
      int stratum = entry.getKey().stratum();
      if (stratum > previous) {
        handled = previous;
        previous = stratum;
      }
      Tally tally = entry.getValue();
      if (tally.answered < evaluation.problems || tally.right < threshold * evaluation.problems) {
        return handled;
      }
    }
    return previous;
  }

  private void keep(EvaluationRow row) {
    if (row.confirmation()) {
      confirmed = Optional.of(row);
    } else {
      evaluated = Optional.of(row);
    }
  }

  /// The newest finished ones and the one under way.
  public List<EvaluationRow> rows(Duration elapsed) {
    var rows = new ArrayList<EvaluationRow>();
    evaluated.ifPresent(rows::add);
    confirmed.ifPresent(rows::add);
    active.ifPresent(evaluation -> {
      EvaluationRow row = row(evaluation, elapsed, false, false);
      rows.add(
          new EvaluationRow(
              row.version(),
              row.confirmation(),
              row.set(),
              row.batch(),
              false,
              0,
              row.elapsed(),
              false,
              row.results()));
    });
    return rows;
  }
}
