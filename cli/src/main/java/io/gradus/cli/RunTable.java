package io.gradus.cli;

import io.gradus.cli.progress.Words;
import io.gradus.run.v1.EvaluationProgress;
import io.gradus.run.v1.RunProgress;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/// Runs as an aligned table: names on the left, numbers on the right.
final class RunTable {

  private static final List<String> HEADINGS =
      List.of("RUN", "STATE", "BATCHES", "STEPS", "VERSION", "HANDLED", "AGE");

  /// Columns of text; the others hold numbers.
  private static final int TEXTS = 2;

  private RunTable() {}

  static List<String> lines(List<RunProgress> runs, Instant now) {
    List<List<String>> rows = new ArrayList<>();
    rows.add(HEADINGS);
    runs.forEach(run -> rows.add(row(run, now)));
    int[] widths = new int[HEADINGS.size()];
    for (List<String> row : rows) {
      for (int column = 0; column < widths.length; column++) {
        widths[column] = Math.max(widths[column], row.get(column).length());
      }
    }
    return rows.stream().map(row -> line(row, widths)).toList();
  }

  private static String line(List<String> row, int[] widths) {
    var line = new StringBuilder();
    for (int column = 0; column < widths.length; column++) {
      String cell = row.get(column);
      String padding = " ".repeat(widths[column] - cell.length());
      line.append(column == 0 ? "" : "  ").append(column < TEXTS ? cell + padding : padding + cell);
    }
    return line.toString().stripTrailing();
  }

  private static List<String> row(RunProgress run, Instant now) {
    return List.of(
        run.getRunId(),
        LocalRun.name(run.getState()).toLowerCase(Locale.ROOT),
        Words.count(run.getBatchesApplied()),
        Words.count(run.getOptimizerSteps()),
        Words.count(run.getPolicyVersion()),
        handled(run),
        Words.of(age(run, now)));
  }

  /// Strata handled by the newest finished evaluation of the fixed set.
  static String handled(RunProgress run) {
    return run.getEvaluationsList().stream()
        .filter(EvaluationProgress::getFinished)
        .filter(evaluation -> !evaluation.getConfirmation())
        .reduce((_, newer) -> newer)
        .map(evaluation -> String.valueOf(evaluation.getHandled()))
        .orElse("-");
  }

  /// Since it was submitted; clocks differ, and none is in the future.
  static Duration age(RunProgress run, Instant now) {
    Duration age =
        Duration.between(
            Instant.ofEpochSecond(run.getSubmitted().getSeconds(), run.getSubmitted().getNanos()),
            now);
    return age.isNegative() ? Duration.ZERO : age;
  }
}
