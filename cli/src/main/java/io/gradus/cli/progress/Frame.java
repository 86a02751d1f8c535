package io.gradus.cli.progress;

import io.gradus.run.v1.EvaluationProgress;
import io.gradus.run.v1.RunProgress;
import io.gradus.run.v1.Stop;
import java.time.Duration;
import java.util.List;
import java.util.Optional;

/// What is shown of a run at one moment: its progress, and what only two moments together tell.
///
/// @param groupsPerSecond groups that reached an end in the last seconds
/// @param tokensPerSecond completion tokens sampled in the last seconds
/// @param handledSoFar strata handled by each evaluation of the fixed set that was seen, oldest
///   first
/// @param remaining most time that the run may still take by its bounds; empty when they do not say
public record Frame(
    RunProgress progress,
    Stop stop,
    double groupsPerSecond,
    double tokensPerSecond,
    List<Integer> handledSoFar,
    Optional<Duration> remaining) {

  public Frame {
    handledSoFar = List.copyOf(handledSoFar);
  }

  /// Time that the run has run.
  public Duration elapsed() {
    return seconds(progress.getElapsed());
  }

  /// The newest finished evaluations.
  public List<EvaluationProgress> finished() {
    return progress.getEvaluationsList().stream().filter(EvaluationProgress::getFinished).toList();
  }

  /// Strata handled by the newest finished evaluation of the fixed set.
  public Optional<Integer> handled() {
    return finished().stream()
        .filter(evaluation -> !evaluation.getConfirmation())
        .reduce((_, newer) -> newer)
        .map(EvaluationProgress::getHandled);
  }

  /// Strata handled by the newest confirmation on new problems.
  public Optional<Integer> confirmed() {
    return finished().stream()
        .filter(EvaluationProgress::getConfirmation)
        .reduce((_, newer) -> newer)
        .map(EvaluationProgress::getHandled);
  }

  /// Mean staleness of all uses so far, in batches; the last entry of the histogram counts as its
  /// least staleness.
  public double meanStaleness() {
    long uses = 0;
    double sum = 0;
    for (int i = 0; i < progress.getStalenessCount(); i++) {
      uses += progress.getStaleness(i);
      sum += (double) i * progress.getStaleness(i);
    }
    return uses == 0 ? 0 : sum / uses;
  }

  static Duration seconds(com.google.protobuf.Duration duration) {
    return Duration.ofSeconds(duration.getSeconds(), duration.getNanos());
  }
}
