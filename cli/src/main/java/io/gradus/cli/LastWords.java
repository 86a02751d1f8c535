package io.gradus.cli;

import io.gradus.cli.progress.Words;
import io.gradus.cli.session.RunSession.Ending;
import io.gradus.run.v1.EvaluationProgress;
import io.gradus.run.v1.RunProgress;
import io.gradus.run.v1.RunState;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/// How a run ended here, for whoever reads the terminal: state and reason, what was reached, where
/// to look, and how to go on.
///
/// @param wasOver whether the run had ended before this process looked at it
record LastWords(Path directory, Ending ending, boolean wasOver) {

  /// Whether the run can be gone on with.
  boolean canResume() {
    return !(ending instanceof Ending.RunEnded);
  }

  int status() {
    return switch (ending) {
      case Ending.RunEnded(RunProgress progress) ->
          progress.getState() == RunState.RUN_STATE_FAILED ? ExitStatus.FAILED : ExitStatus.DONE;
      case Ending.Interrupted _ -> ExitStatus.INTERRUPTED;
      case Ending.Broken _ -> ExitStatus.FAILED;
    };
  }

  List<String> lines() {
    RunProgress progress = ending.progress();
    List<String> lines = new ArrayList<>();
    lines.add("");
    lines.add(heading());
    if (!wasOver) {
      handled().ifPresent(words -> lines.add(line("digits", words)));
      lines.add(
          line(
              "took",
              "%s, %s optimizer steps, version %d, residual %d"
                  .formatted(
                      Words.of(elapsed(progress)),
                      Words.count(progress.getOptimizerSteps()),
                      progress.getPolicyVersion(),
                      progress.getAccountingResidual())));
    }
    lines.add(line("report", directory.resolve("report.html").toString()));
    if (canResume()) {
      lines.add(line("go on", "gradus run --resume " + directory));
    } else if (!progress.getCheckpoint().isEmpty()) {
      lines.add(line("audit", "gradus ledger audit " + directory));
    }
    return lines;
  }

  private String heading() {
    String run = ending.progress().getRunId();
    return switch (ending) {
      case Ending.RunEnded(RunProgress progress) ->
          "  %s %s %s%s"
              .formatted(
                  run,
                  wasOver ? "had ended before:" : "is",
                  LocalRun.name(progress.getState()).toLowerCase(Locale.ROOT),
                  progress.getReason().isEmpty() ? "" : ": " + progress.getReason());
      case Ending.Interrupted _ -> "  %s stopped before its end".formatted(run);
      case Ending.Broken _ -> "  %s broke off".formatted(run);
    };
  }

  private static String line(String label, String words) {
    return "  %-9s%s".formatted(label, words);
  }

  private Optional<String> handled() {
    Optional<Integer> candidate = newest(false);
    return candidate.map(digits ->
        newest(true)
            .map(confirmed -> confirmed + " handled, confirmed on new problems")
            .orElse(digits + " handled"));
  }

  private Optional<Integer> newest(boolean isConfirmation) {
    return ending.progress().getEvaluationsList().stream()
        .filter(EvaluationProgress::getFinished)
        .filter(evaluation -> evaluation.getConfirmation() == isConfirmation)
        .reduce((_, newer) -> newer)
        .map(EvaluationProgress::getHandled);
  }

  private static Duration elapsed(RunProgress progress) {
    return Duration.ofSeconds(progress.getElapsed().getSeconds(), progress.getElapsed().getNanos());
  }

  /// What went wrong and what to do, in one line; empty where nothing did.
  Optional<String> complaint() {
    return switch (ending) {
      case Ending.RunEnded(RunProgress progress) ->
          progress.getState() == RunState.RUN_STATE_FAILED
              ? Optional.of("the run failed: " + progress.getReason())
              : Optional.empty();
      case Ending.Interrupted _ -> Optional.empty();
      case Ending.Broken(_, Throwable cause) ->
          Optional.of(
              "%s; the log is %s; go on with: gradus run --resume %s"
                  .formatted(
                      told(cause), directory.resolve("log").resolve("gradus.log"), directory));
    };
  }

  static String told(Throwable cause) {
    return Optional.ofNullable(cause.getMessage()).orElse(cause.getClass().getSimpleName());
  }
}
