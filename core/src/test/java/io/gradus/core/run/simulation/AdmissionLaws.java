package io.gradus.core.run.simulation;

import io.gradus.core.group.GroupState;
import io.gradus.core.group.Outcome;
import io.gradus.core.group.Verdict;
import io.gradus.core.ledger.GroupRow;
import io.gradus.core.ledger.LeaseRow;
import io.gradus.core.ledger.RunRow;
import io.gradus.core.run.Admission;
import io.gradus.core.run.Decision;
import io.gradus.core.run.Effect;
import io.gradus.core.run.Input;
import io.gradus.core.run.RunPlan;
import java.util.List;
import java.util.Optional;

/// What a submit must be answered, from the rows before it. The first admissible submit of any
/// lease granted for an open group wins, the others are duplicates (G7); a group that lacks members
/// is not admitted (G1), one without a signal or too old is recorded and not used (G4).
final class AdmissionLaws {

  private final RunPlan plan;
  private final ModelLedger rows;
  private final Staleness staleness;

  AdmissionLaws(RunPlan plan, ModelLedger rows) {
    this.plan = plan;
    this.rows = rows;
    this.staleness = new Staleness(rows);
  }

  /// A decision was made; its rows are not put yet.
  void decided(Input input, Decision decision) {
    if (!(input instanceof Input.GroupSubmitted submitted)) {
      return;
    }
    List<Admission> answers =
        decision.effects().stream()
            .filter(Effect.AnswerSubmit.class::isInstance)
            .map(effect -> ((Effect.AnswerSubmit) effect).admission())
            .toList();
    Violation.unless(answers.size() == 1, "G2: %s is answered %s", submitted, answers);
    Class<?> expected = expected(submitted);
    boolean isForgotten =
        (expected == Admission.Accepted.class || expected == Admission.Filtered.class)
            && answers.getFirst() instanceof Admission.Stale
            && staleness.isForgotten(submitted.oldestVersion());
    Violation.unless(
        expected.isInstance(answers.getFirst()) || isForgotten,
        "G7: %s, for %s, should be answered %s but is %s",
        submitted,
        rows.group(submitted.group()),
        expected.getSimpleName(),
        answers.getFirst());
  }

  private Class<? extends Admission> expected(Input.GroupSubmitted submitted) {
    if (rows.run().map(RunRow::state).filter(state -> state.isFinal()).isPresent()) {
      return Admission.Refused.class;
    }
    Optional<GroupRow> found = rows.group(submitted.group());
    if (found.isEmpty()) {
      return Admission.Refused.class;
    }
    GroupRow group = found.get();
    if (group.state() != GroupState.PENDING && group.state() != GroupState.LEASED) {
      boolean isGranted = group.state() != GroupState.ACCEPTED || isGranted(submitted);
      return isGranted ? Admission.Duplicate.class : Admission.Refused.class;
    }
    boolean isPinnedElsewhere =
        group.pinnedVersion().filter(v -> !v.equals(submitted.oldestVersion())).isPresent();
    // An incarnation that was taken over does not know the newest versions.
    boolean isUnknown = rows.version(submitted.oldestVersion()).isEmpty();
    if (!isGranted(submitted) || isPinnedElsewhere || isUnknown) {
      return Admission.Refused.class;
    }
    if (4 * submitted.outcomes().size() < 3 * group.size()) {
      return Admission.Incomplete.class;
    }
    if (!group.purpose().isTraining()) {
      return Admission.Evaluated.class;
    }
    return switch (plan.unit()) {
      case GROUP -> {
        long bound = rows.nextNumber().value() - 1;
        boolean isStale =
            staleness.of(submitted.oldestVersion(), bound) > plan.rollout().maxStaleness();
        boolean isFlat = submitted.outcomes().stream().map(Outcome::reward).distinct().count() < 2;
        yield isStale
            ? Admission.Stale.class
            : isFlat ? Admission.Filtered.class : Admission.Accepted.class;
      }
      case TRAJECTORY ->
          submitted.outcomes().stream().anyMatch(o -> o.verdict() == Verdict.RIGHT)
              ? Admission.Accepted.class
              : Admission.Filtered.class;
    };
  }

  private boolean isGranted(Input.GroupSubmitted submitted) {
    return Optional.ofNullable(rows.leases().get(submitted.lease()))
        .map(LeaseRow::group)
        .filter(submitted.group()::equals)
        .isPresent();
  }
}
