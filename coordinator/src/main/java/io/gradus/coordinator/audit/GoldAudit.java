package io.gradus.coordinator.audit;

import com.google.errorprone.annotations.FormatMethod;
import com.google.errorprone.annotations.FormatString;
import io.gradus.core.batch.GoldRange;
import io.gradus.core.ledger.BatchRow;
import io.gradus.core.run.RunPlan;
import io.gradus.core.task.GoldBatch;
import io.gradus.core.task.GoldText;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/// Makes the text of warm-up batches again, and looks how hard it is.
final class GoldAudit {

  private record Shown(long end, long batch) {}

  private final AuditedRun run;

  /// How far the sequences of each generator and seed were shown: numbers rise with the batches.
  private final Map<String, Shown> shown = new TreeMap<>();

  GoldAudit(AuditedRun run) {
    this.run = run;
  }

  void check(String name, BatchRow batch) {
    batch.gold().ifPresent(range -> check(name, batch.number().value(), range));
  }

  private void check(String name, long number, GoldRange range) {
    Optional<RunPlan.WarmUp> warmUp = run.plan().warmUp();
    if (warmUp.isEmpty() || number > warmUp.get().batches()) {
      wrong(name, "is gold text, but the warm-up is over before it");
      return;
    }
    if (range.count() == warmUp.get().sequences()) {
      text(name, range, warmUp.get().lastStratum());
    }
    Shown before =
        shown.put(
            "%s v%d seed %d".formatted(range.generator(), range.generatorVersion(), range.seed()),
            new Shown(range.firstIndex() + range.count(), number));
    if (before != null && before.batch() != number && range.firstIndex() < before.end()) {
      wrong(
          name,
          "shows sequences from %d, but batch %d showed those up to %d",
          range.firstIndex(),
          before.batch(),
          before.end() - 1);
    }
  }

  private void text(String name, GoldRange range, int hardest) {
    try {
      GoldBatch.sequences(range).stream()
          .filter(text -> text.stratum() > hardest)
          .findFirst()
          .map(GoldText::stratum)
          .ifPresent(stratum ->
              wrong(
                  name,
                  "holds text of stratum %d, but the warm-up goes to stratum %d",
                  stratum,
                  hardest));
    } catch (IllegalArgumentException unknown) {
      wrong(name, "%s", String.valueOf(unknown.getMessage()));
    }
  }

  @FormatMethod
  private void wrong(String name, @FormatString String message, Object... arguments) {
    run.findings().add(Rule.GOLD_TEXT, name, message, arguments);
  }
}
