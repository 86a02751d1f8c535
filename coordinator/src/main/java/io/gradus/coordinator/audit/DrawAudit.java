package io.gradus.coordinator.audit;

import com.google.errorprone.annotations.FormatMethod;
import com.google.errorprone.annotations.FormatString;
import io.gradus.coordinator.ledger.RunScan.DrawnUse;
import io.gradus.coordinator.ledger.Scanned;
import io.gradus.core.batch.Use;
import io.gradus.core.group.GroupId;
import io.gradus.core.ledger.BatchRow;
import io.gradus.core.ledger.GroupRow;
import io.gradus.core.ledger.UseRow;
import io.gradus.core.run.RunPlan;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/// Checks the uses of a batch against what their groups were admitted with.
final class DrawAudit {

  private record Unit(GroupId group, int member) {}

  private final AuditedRun run;

  DrawAudit(AuditedRun run) {
    this.run = run;
  }

  void check(String batchName, BatchRow batch, List<DrawnUse> drawn) {
    var units = new HashSet<Unit>();
    int expected = 0;
    for (DrawnUse one : drawn) {
      String name = one.use().name();
      switch (one.use().row()) {
        case Scanned.Sound<UseRow>(var row) -> {
          if (row.ordinal() != expected) {
            run.findings()
                .add(
                    Rule.USES_WITHOUT_HOLES,
                    "use %d of %s".formatted(expected, batchName),
                    "missing; uses are numbered 0 to n-1 without holes");
            expected = row.ordinal();
          }
          check(name, row.use(), one.admitted(), units);
        }
        case Scanned.Broken<UseRow>(var message) ->
            run.findings().add(Rule.ROW_IS_READABLE, name, "%s", message);
        case Scanned.Absent<UseRow>() -> {}
      }
      expected++;
    }
    if (batch.gold().isPresent() && !drawn.isEmpty()) {
      illegal(batchName, "is a gold batch, but %d uses name it", drawn.size());
    }
  }

  private void check(String name, Use use, Scanned<GroupRow.Admitted> admitted, Set<Unit> units) {
    if (!units.add(new Unit(use.group(), use.member()))) {
      illegal(name, "group %d, member %d is in the batch twice", use.group().value(), use.member());
    }
    boolean isWhole = use.member() == Use.WHOLE_GROUP;
    if (isWhole != (run.plan().unit() == RunPlan.Unit.GROUP)) {
      illegal(name, "is of member %d, but units are %s", use.member(), run.plan().unit());
      return;
    }
    if (run.plan().draw() == RunPlan.Draw.OLDEST_FIRST && use.probability() != 1) {
      illegal(name, "has probability %s, but nothing was drawn", use.probability());
    }
    switch (admitted) {
      case Scanned.Sound<GroupRow.Admitted>(var group) -> agree(name, use, group);
      case Scanned.Absent<GroupRow.Admitted>() ->
          illegal(name, "nothing was admitted for group %d", use.group().value());
      case Scanned.Broken<GroupRow.Admitted> _ -> {}
    }
  }

  private void agree(String name, Use use, GroupRow.Admitted group) {
    if (!use.lease().equals(group.lease())) {
      illegal(
          name,
          "is of lease %d, but group %d was admitted under lease %d",
          use.lease().value(),
          use.group().value(),
          group.lease().value());
    }
    if (!Outcomes.units(run.plan(), group.outcomes()).contains(use.member())) {
      illegal(
          name,
          "member %d of group %d is no right trajectory that carries loss: %s",
          use.member(),
          use.group().value(),
          group.outcomes());
    }
    run.findings()
        .expect(
            Rule.USE_IS_LEGAL,
            name,
            "its tokens",
            use.tokens(),
            Outcomes.tokensOf(use.member(), group.outcomes()));
    if (use.passRate() != Outcomes.passRate(group.outcomes())) {
      illegal(
          name,
          "its pass rate is %s but must be %s",
          use.passRate(),
          Outcomes.passRate(group.outcomes()));
    }
  }

  @FormatMethod
  private void illegal(String name, @FormatString String message, Object... arguments) {
    run.findings().add(Rule.USE_IS_LEGAL, name, message, arguments);
  }
}
