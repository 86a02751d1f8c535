package io.gradus.cli;

import io.gradus.cli.link.Statuses;
import io.gradus.cli.progress.Words;
import io.gradus.cli.session.RunSession.Ending;
import io.gradus.run.v1.EvaluationProgress;
import io.gradus.run.v1.RunProgress;
import io.gradus.run.v1.RunState;
import io.grpc.Status;
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
record LastWords(Place place, Ending ending, boolean wasOver) {

  /// Where the run is kept.
  sealed interface Place {

    /// In a run directory of this process.
    record Directory(Path path) implements Place {}

    /// With coordinators, named as for `--coordinator`.
    record Coordinators(String list) implements Place {}
  }

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
    switch (place) {
      case Place.Directory(Path path) -> {
        lines.add(line("report", path.resolve("report.html").toString()));
        if (canResume()) {
          lines.add(line("go on", "gradus run --resume " + path));
        } else if (!progress.getCheckpoint().isEmpty()) {
          lines.add(line("audit", "gradus ledger audit " + path));
        }
      }
      case Place.Coordinators(String list) -> {
        String there = " %s --coordinator %s".formatted(progress.getRunId(), list);
        if (canResume()) {
          lines.add(line("go on", "gradus runs watch" + there));
          lines.add(line("end it", "gradus runs cancel" + there));
        } else {
          if (!progress.getCheckpoint().isEmpty()) {
            lines.add(line("weights", progress.getCheckpoint()));
          }
          lines.add(line("audit", "gradus ledger audit" + there));
        }
      }
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
      case Ending.Interrupted _ ->
          place instanceof Place.Directory
              ? "  %s stopped before its end".formatted(run)
              : "  %s goes on; it is only not watched here any more".formatted(run);
      case Ending.Broken _ ->
          place instanceof Place.Directory
              ? "  %s broke off".formatted(run)
              : "  %s is out of sight; whether it goes on is not known here".formatted(run);
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
              switch (place) {
                case Place.Directory(Path path) ->
                    "%s; the log is %s; go on with: gradus run --resume %s"
                        .formatted(told(cause), path.resolve("log").resolve("gradus.log"), path);
                case Place.Coordinators(String list) ->
                    "no coordinator of %s shows the run: %s"
                        .formatted(list, Statuses.told(Status.fromThrowable(cause)));
              });
    };
  }

  static String told(Throwable cause) {
    return Optional.ofNullable(cause.getMessage()).orElse(cause.getClass().getSimpleName());
  }
}
