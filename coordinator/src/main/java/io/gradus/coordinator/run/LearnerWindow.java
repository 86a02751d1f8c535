package io.gradus.coordinator.run;

import java.util.ArrayDeque;
import java.util.OptionalDouble;
import java.util.function.Function;

/// The newest figures of the learner. Not durable: it describes a process, not the run.
final class LearnerWindow {

  private static final int BATCHES = 20;

  private final ArrayDeque<LearnerFigures> newest = new ArrayDeque<>(BATCHES);
  private double waitedSeconds;
  private double steppedSeconds;
  private double publishedSeconds;

  void add(LearnerFigures figures) {
    if (newest.size() == BATCHES) {
      newest.removeFirst();
    }
    newest.addLast(figures);
    waitedSeconds += figures.waitedSeconds();
    steppedSeconds += figures.steppedSeconds();
  }

  void published(double seconds) {
    publishedSeconds += seconds;
  }

  LearnerSummary summary() {
    if (newest.isEmpty()) {
      return new LearnerSummary(
          0, 0, 0, 0, 0, 0, 0, waitedSeconds, steppedSeconds, publishedSeconds);
    }
    double waited = newest.stream().mapToDouble(LearnerFigures::waitedSeconds).sum();
    double stepped = newest.stream().mapToDouble(LearnerFigures::steppedSeconds).sum();
    double total = waited + stepped;
    return new LearnerSummary(
        mean(LearnerFigures::loss),
        mean(LearnerFigures::gradientNorm),
        mean(LearnerFigures::entropy),
        mean(LearnerFigures::clipFraction),
        newest.getLast().learningRate(),
        total > 0 ? waited / total : 0,
        total / newest.size(),
        waitedSeconds,
        steppedSeconds,
        publishedSeconds);
  }

  /// Over the batches that measured it; 0 where none did.
  private double mean(Function<LearnerFigures, OptionalDouble> figure) {
    return newest.stream()
        .map(figure)
        .filter(OptionalDouble::isPresent)
        .mapToDouble(OptionalDouble::getAsDouble)
        .average()
        .orElse(0);
  }
}
