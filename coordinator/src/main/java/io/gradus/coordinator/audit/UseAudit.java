package io.gradus.coordinator.audit;

import io.gradus.coordinator.ledger.RunScan.GroupUse;
import io.gradus.coordinator.ledger.RunScan.Named;
import io.gradus.core.batch.BatchState;
import io.gradus.core.group.GroupState;
import io.gradus.core.group.Outcome;
import io.gradus.core.group.StateReason;
import io.gradus.core.ledger.GroupRow;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/*
 * | state | uses in batches that are |
 * |---|---|
 * | PENDING, LEASED, FILTERED, EVALUATED | no batch at all |
 * | ACCEPTED | any; displaced: at least one open |
 * | TRAINED | at least one settled, none open |
 * | STALE | none but void |
 * | FAILED(POISON_BATCH) | at least one void; others may have used it too |
 * | FAILED | no batch at all |
 * | CANCELLED | none but void |
 *
 * An accepted group ends when no unit of it may be used again and no batch that uses it is open.
 */

/// Holds the state of a group against its uses.
final class UseAudit {

  private final AuditedRun run;

  UseAudit(AuditedRun run) {
    this.run = run;
  }

  private static boolean isOpen(BatchState state) {
    return state == BatchState.BOUND || state == BatchState.APPLIED;
  }

  /// Whether an open batch uses the group.
  static boolean hasOpen(List<Named<GroupUse>> uses) {
    return uses.stream()
        .flatMap(use -> use.row().sound().flatMap(GroupUse::state).stream())
        .anyMatch(UseAudit::isOpen);
  }

  void check(String name, GroupRow group, List<Named<GroupUse>> named) {
    int open = 0;
    int settled = 0;
    int voided = 0;
    var counts = new TreeMap<Integer, Integer>();
    for (Named<GroupUse> use : named) {
      Optional<BatchState> state = use.row().sound().flatMap(GroupUse::state);
      if (state.isEmpty()) {
        continue;
      }
      switch (state.get()) {
        case BOUND, APPLIED -> open++;
        case SETTLED -> settled++;
        case VOID -> voided++;
      }
      if (state.get() != BatchState.VOID) {
        use.row()
            .sound()
            .ifPresent(sound -> counts.merge(sound.row().use().member(), 1, Integer::sum));
      }
    }
    counts.forEach((member, uses) -> {
      if (uses > run.plan().replay().maxUses()) {
        run.findings()
            .add(
                Rule.MAX_USES,
                name,
                "%s is in %d batches that are not void, but at most %d are allowed",
                member < 0 ? "it" : "its member " + member,
                uses,
                run.plan().replay().maxUses());
      }
    });
    if (!fits(group, counts, open, settled, voided)) {
      run.findings()
          .add(
              Rule.STATE_FITS_USES,
              name,
              "is %s with %d uses in open batches, %d in settled and %d in void ones",
              TransitionAudit.label(group.state(), group.reason()),
              open,
              settled,
              voided);
    }
  }

  private boolean fits(
      GroupRow group, Map<Integer, Integer> counts, int open, int settled, int voided) {
    return switch (group.state()) {
      case PENDING, LEASED, FILTERED, EVALUATED -> open + settled + voided == 0;
      case ACCEPTED ->
          open > 0 || (group.reason() == StateReason.NONE && mayBeUsedAgain(group, counts));
      case TRAINED -> settled > 0 && open == 0;
      case STALE, CANCELLED -> open + settled == 0;
      case FAILED ->
          group.reason() == StateReason.POISON_BATCH ? voided > 0 : open + settled + voided == 0;
    };
  }

  private boolean mayBeUsedAgain(GroupRow group, Map<Integer, Integer> counts) {
    if (group.state() != GroupState.ACCEPTED) {
      return false;
    }
    List<Outcome> outcomes = group.admitted().map(GroupRow.Admitted::outcomes).orElse(List.of());
    return Outcomes.units(run.plan(), outcomes).stream()
        .anyMatch(unit -> counts.getOrDefault(unit, 0) < run.plan().replay().maxUses());
  }
}
