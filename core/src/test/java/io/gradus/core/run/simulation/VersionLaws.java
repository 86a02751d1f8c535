package io.gradus.core.run.simulation;

import io.gradus.core.batch.BatchNumber;
import io.gradus.core.batch.BatchState;
import io.gradus.core.group.GroupState;
import io.gradus.core.group.SessionId;
import io.gradus.core.ledger.BatchRow;
import io.gradus.core.ledger.EvaluationRow;
import io.gradus.core.ledger.GroupRow;
import io.gradus.core.ledger.VersionRow;
import io.gradus.core.policy.Lineage;
import io.gradus.core.policy.PolicyVersion;
import io.gradus.core.run.Decision;
import io.gradus.core.run.Effect;
import io.gradus.core.run.Input;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.TreeMap;
import java.util.TreeSet;

/// G3, G4 and G7, as far as versions show them.
final class VersionLaws {

  private final ModelLedger rows;
  private final boolean isLockstep;

  /// What workers whose sessions live have loaded.
  private final TreeMap<SessionId, PolicyVersion> loaded = new TreeMap<>();

  private final TreeSet<SessionId> alive = new TreeSet<>();
  private final List<VersionRow> deleted = new ArrayList<>();

  /// @param isLockstep what is applied again has the same weights: nothing is abandoned
  VersionLaws(ModelLedger rows, boolean isLockstep) {
    this.isLockstep = isLockstep;
    this.rows = rows;
  }

  void heard(Input input) {
    deleted.clear();
    switch (input) {
      case Input.WorkerJoined(var session, _, _) -> alive.add(session);
      case Input.WorkerLeft(var session, _) -> {
        alive.remove(session);
        loaded.remove(session);
      }
      case Input.VersionLoaded(var session, var version) -> {
        if (alive.contains(session)) {
          loaded.put(session, version);
        }
      }
      default -> {}
    }
  }

  /// A row is about to be put.
  void put(VersionRow row) {
    PolicyVersion version = row.manifest().version();
    Optional<VersionRow> found = Optional.ofNullable(rows.versions().get(version));
    if (found.isEmpty()) {
      published(row);
      return;
    }
    VersionRow before = found.get();
    Violation.unless(
        before.manifest().equals(row.manifest())
            && before.parent().equals(row.parent())
            && before.learnerEpoch().equals(row.learnerEpoch())
            && before.batchesBound() == row.batchesBound()
            && before.base() == row.base()
            && before.ancestor() >= row.ancestor()
            && (!before.deleted() || row.deleted()),
        "G4: %s becomes %s",
        before,
        row);
    if (row.deleted() && !before.deleted()) {
      deleted.add(row);
    }
  }

  private void published(VersionRow row) {
    long last = rows.versions().isEmpty() ? 0 : rows.versions().lastKey().value();
    Violation.unless(
        row.manifest().version().value() == last + 1,
        "G4: version %d is published after version %d",
        row.manifest().version().value(),
        last);
    Violation.unless(
        !rows.learners().isEmpty() && row.learnerEpoch().equals(rows.learners().lastKey()),
        "G3: %s is published by another session than %s",
        row,
        rows.learners().keySet());
    Violation.unless(
        !row.deleted()
            && row.ancestor() == row.manifest().batchOrZero()
            && row.batchesBound() == rows.lastNumber()
            && row.parent().value() <= last,
        "G4: %s is published",
        row);
    Violation.unless(
        row.manifest().lineage().equals(lineageAt(row.manifest().batchOrZero())),
        "G3: the lineage of %s is not that of the batches of the ledger",
        row);
    Violation.unless(
        rows.binding(new BatchNumber(row.manifest().batchOrZero() + 1))
            .filter(next -> next.state() == BatchState.APPLIED)
            .isEmpty(),
        "G3: %s leaves out a batch that was applied",
        row);
  }

  /// The hash chain over the bindings that are not void, all of which must have been applied.
  private Lineage lineageAt(long batch) {
    Lineage lineage = Lineage.root();
    for (long number = 1; number <= batch; number++) {
      BatchRow row = rows.binding(new BatchNumber(number)).orElseThrow();
      Violation.unless(
          row.state() == BatchState.APPLIED || row.state() == BatchState.SETTLED,
          "G3: a lineage of %d batches has %s",
          batch,
          row);
      lineage = lineage.after(row.number(), row.digest());
    }
    return lineage;
  }

  /// After a decision.
  void end(Input input, Decision decision, boolean isOver) {
    if (!deleted.isEmpty()) {
      deleted.forEach(row -> {
        if (isOver) {
          return;
        }
        boolean isDamaged =
            input instanceof Input.LearnerJoined joined
                && joined.damaged().contains(row.manifest().version());
        Violation.unless(
            isDamaged || !isNeeded(row), "G7: %s is deleted although it is needed", row);
      });
    }
    Violation.unless(
        !isOver
            || rows.versions().isEmpty()
            || rows.versions().values().stream().anyMatch(row -> !row.deleted()),
        "G7: the run has ended without a version");
    for (Effect effect : decision.effects()) {
      if (effect instanceof Effect.DeleteCheckpoints(var versions)) {
        versions.forEach(row ->
            Violation.unless(
                rows.version(row.manifest().version()).filter(VersionRow::deleted).isPresent(),
                "G7: %s goes although its row says that it is there",
                row));
      }
      if (effect instanceof Effect.AnswerJoin answer) {
        joined(answer);
      }
    }
  }

  /// Head, one of the last two durable ones, in use by an evaluation or a lease, or loaded by a
  /// worker whose session lives.
  private boolean isNeeded(VersionRow row) {
    PolicyVersion version = row.manifest().version();
    if (version.equals(rows.versions().lastKey()) || loaded.containsValue(version)) {
      return true;
    }
    boolean isDurable =
        row.manifest().durable()
            && row.ancestor() == row.manifest().batchOrZero()
            && row.manifest().batchOrZero() >= rows.rollbackFloor();
    boolean isEvaluated =
        rows.evaluations().values().stream()
            .filter(evaluation -> !evaluation.finished() && !evaluation.abandoned())
            .map(EvaluationRow::version)
            .anyMatch(version::equals);
    boolean isPinned =
        rows.openGroups().stream()
            .map(id -> rows.group(id).orElseThrow())
            .filter(group -> group.state() != GroupState.ACCEPTED)
            .map(GroupRow::pinnedVersion)
            .anyMatch(pinned -> pinned.filter(version::equals).isPresent());
    return isDurable || isEvaluated || isPinned;
  }

  /// A learner goes on from the newest durable version that is sound, and everything beyond it is
  /// to be applied again.
  private void joined(Effect.AnswerJoin answer) {
    Optional<VersionRow> newest = rows.resumable().stream().findFirst();
    long batch = newest.map(row -> row.manifest().batchOrZero()).orElse(0L);
    Violation.unless(
        answer.checkpoint().map(row -> row.manifest().batchOrZero()).orElse(0L) == batch
            && answer.checkpoint().isPresent() == newest.isPresent()
            && answer.checkpoint().map(row -> row.manifest().durable()).orElse(true)
            && answer.nextBatch().value() == batch + 1,
        "G3: a learner is answered %s where %s is the newest durable checkpoint",
        answer,
        newest);
    Violation.unless(
        answer.nextVersion().value()
            == (rows.versions().isEmpty() ? 1 : rows.versions().lastKey().value() + 1),
        "G4: the next version is not %s",
        answer.nextVersion());
    rows.batches()
        .values()
        .forEach(row ->
            Violation.unless(
                row.number().value() <= batch
                    || row.state() == BatchState.BOUND
                    || row.state() == BatchState.VOID,
                "G3: a learner goes on from batch %d but %s",
                batch,
                row));
    rows.versions()
        .values()
        .forEach(row ->
            Violation.unless(
                row.ancestor() <= batch || row.deleted() || isLockstep,
                "G4: a learner goes on from batch %d, but %s counts as live",
                batch,
                row));
  }
}
