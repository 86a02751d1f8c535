package io.gradus.cli.progress;

import io.gradus.run.v1.EvaluationResult;
import io.gradus.run.v1.RunProgress;
import io.gradus.run.v1.RunState;
import io.gradus.run.v1.StratumProgress;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;

/// The block of lines that a terminal shows of a run.
final class Block {

  private static final String[] BARS = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  private static final int LONGEST_SPARKLINE = 40;
  private static final int LABEL = 11;
  private static final int CELL = 4;

  private final Frame frame;
  private final Palette palette;
  private final int columns;

  private Block(Frame frame, Palette palette, int columns) {
    this.frame = frame;
    this.palette = palette;
    this.columns = columns;
  }

  /// The lines of `frame`, none of them wider than `columns`.
  static List<String> lines(Frame frame, Palette palette, int columns) {
    return new Block(frame, palette, columns).lines();
  }

  private List<String> lines() {
    List<String> lines = new ArrayList<>();
    lines.add(heading());
    lines.add(handled());
    lines.addAll(heat());
    lines.add(sampling());
    lines.add(learning());
    lines.add(ledger());
    return lines;
  }

  private String heading() {
    RunProgress progress = frame.progress();
    String state = state(progress.getState());
    String time =
        Words.of(frame.elapsed())
            + frame.remaining().map(left -> ", at most " + Words.of(left) + " left").orElse("");
    String dressed =
        switch (progress.getState()) {
          case RUN_STATE_COMPLETED -> palette.good(state);
          case RUN_STATE_FAILED -> palette.bad(state);
          default -> state;
        };
    return "  %s  %s  %s"
        .formatted(palette.bold(progress.getRunId()), dressed, palette.faint(time));
  }

  static String state(RunState state) {
    return state.name().replace("RUN_STATE_", "").toLowerCase(Locale.ROOT);
  }

  private String handled() {
    List<Integer> handled = frame.handledSoFar();
    String label = label("handled");
    if (handled.isEmpty()) {
      return label + (phase().isEmpty() ? palette.faint("not evaluated yet") : phase());
    }
    String target = frame.stop().hasDigitsHandled() ? " of " + frame.stop().getDigitsHandled() : "";
    String confirmed = frame.confirmed().map(" (%d confirmed)"::formatted).orElse("");
    return label
        + palette.bold(handled.getLast() + target + " digits")
        + confirmed
        + "  "
        + sparkline(handled)
        + "  "
        + phase();
  }

  private String phase() {
    RunProgress progress = frame.progress();
    if (progress.getState() != RunState.RUN_STATE_RUNNING) {
      return "";
    }
    if (progress.getBatchesApplied() < progress.getBatchesBound()
        && progress.getBatchesBound() <= progress.getWarmUpBatches()) {
      return palette.faint("warming up");
    }
    return progress.getRound() > 0 ? palette.faint("round " + progress.getRound()) : "";
  }

  private static String sparkline(List<Integer> handled) {
    int most = Math.max(1, Collections.max(handled));
    var line = new StringBuilder();
    for (int each :
        handled.subList(Math.max(0, handled.size() - LONGEST_SPARKLINE), handled.size())) {
      line.append(BARS[each * (BARS.length - 1) / most]);
    }
    return line.toString();
  }

  /// A cell for each stratum: pass rate of training samples above, greedy answers below.
  private List<String> heat() {
    Map<Integer, Double> passRates = new TreeMap<>();
    for (StratumProgress stratum : frame.progress().getStrataList()) {
      if (stratum.getSource() == 0) {
        passRates.put(stratum.getStratum(), stratum.getPassRate());
      }
    }
    Map<Integer, Double> greedy = new TreeMap<>();
    frame.finished().stream()
        .filter(evaluation -> !evaluation.getConfirmation())
        .reduce((_, newer) -> newer)
        .ifPresent(newest -> newest.getResultsList().forEach(result -> put(greedy, result)));
    List<Integer> strata = new ArrayList<>(new TreeMap<>(greedy).keySet());
    passRates.keySet().stream()
        .filter(stratum -> !greedy.containsKey(stratum))
        .forEach(strata::add);
    strata.sort(null);
    int most = Math.max(1, (columns - LABEL - 3) / CELL);
    List<Integer> shown = strata.subList(0, Math.min(most, strata.size()));
    if (shown.isEmpty()) {
      return List.of();
    }
    var numbers = new StringBuilder(label("length"));
    shown.forEach(stratum -> numbers.append(String.format(Locale.ROOT, "%3d ", stratum)));
    List<String> lines = new ArrayList<>();
    lines.add(palette.faint(numbers.toString().stripTrailing()));
    lines.add(row("pass rate", shown, passRates));
    if (!greedy.isEmpty()) {
      lines.add(row("greedy", shown, greedy));
    }
    return lines;
  }

  private static void put(Map<Integer, Double> greedy, EvaluationResult result) {
    if (result.getProblems() > 0) {
      greedy.put(result.getStratum(), (double) result.getRight() / result.getProblems());
    }
  }

  private String row(String name, List<Integer> strata, Map<Integer, Double> shares) {
    var row = new StringBuilder(label(name));
    for (int stratum : strata) {
      Double share = shares.get(stratum);
      row.append(
          share == null
              ? "  · "
              : palette.heat(share, String.format(Locale.ROOT, "%3d ", Words.percent(share))));
    }
    return row.toString().stripTrailing();
  }

  private String sampling() {
    RunProgress progress = frame.progress();
    return label("sampling")
        + "%s groups/s  %s tokens/s  %d leased  version %d  staleness %.1f"
            .formatted(
                Words.rate(frame.groupsPerSecond()),
                Words.rate(frame.tokensPerSecond()),
                progress.getRunning(),
                progress.getPolicyVersion(),
                frame.meanStaleness());
  }

  private String learning() {
    RunProgress progress = frame.progress();
    var learner = progress.getLearner();
    return label("learning")
        + "batch %s  step %s  loss %.4f  rate %s  waits %d %%  %s waiting"
            .formatted(
                Words.count(progress.getBatchesApplied()),
                Words.count(progress.getOptimizerSteps()),
                learner.getLoss(),
                learningRate(learner.getLearningRate()),
                Words.percent(learner.getWaitingShare()),
                Words.count(progress.getWaiting()));
  }

  static String learningRate(double rate) {
    return String.format(Locale.ROOT, "%.1e", rate).replace("e-0", "e-");
  }

  private String ledger() {
    RunProgress progress = frame.progress();
    String residual = "residual " + progress.getAccountingResidual();
    return label("ledger")
        + Words.count(progress.getGroupsCreated())
        + " groups  "
        + (progress.getAccountingResidual() == 0 ? residual : palette.bad(residual));
  }

  private static String label(String name) {
    return "  " + name + " ".repeat(Math.max(1, LABEL - name.length()));
  }
}
