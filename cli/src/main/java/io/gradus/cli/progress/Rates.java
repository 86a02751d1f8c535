package io.gradus.cli.progress;

import io.gradus.run.v1.EvaluationProgress;
import io.gradus.run.v1.RunProgress;
import io.gradus.run.v1.Stop;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;

/// Turns a stream of progress messages into frames, with rates over the last seconds.
///
/// Owned by the thread that watches the run.
public final class Rates {

  /// Long enough to be steady, short enough to show a stall.
  private static final Duration WINDOW = Duration.ofSeconds(5);

  private record Sample(Duration elapsed, long ended, long tokens, long batches) {}

  private final Stop stop;
  private final Deque<Sample> samples = new ArrayDeque<>();

  /// By policy version: a message holds only the newest evaluation.
  private final SortedMap<Long, Integer> handled = new TreeMap<>();

  public Rates(Stop stop) {
    this.stop = stop;
  }

  /// The frame of `progress`, the newest message.
  public Frame next(RunProgress progress) {
    var newest =
        new Sample(
            Frame.seconds(progress.getElapsed()),
            progress.getGroupsCreated() - progress.getRunning(),
            progress.getTokensSampled(),
            progress.getBatchesApplied());
    samples.addLast(newest);
    while (samples.size() > 2
        && newest.elapsed.minus(samples.getFirst().elapsed).compareTo(WINDOW) > 0) {
      samples.removeFirst();
    }
    for (EvaluationProgress evaluation : progress.getEvaluationsList()) {
      if (evaluation.getFinished() && !evaluation.getConfirmation()) {
        handled.put(evaluation.getPolicyVersion(), evaluation.getHandled());
      }
    }
    Sample oldest = samples.getFirst();
    double seconds = newest.elapsed.minus(oldest.elapsed).toNanos() / 1e9;
    return new Frame(
        progress,
        stop,
        rate(newest.ended - oldest.ended, seconds),
        rate(newest.tokens - oldest.tokens, seconds),
        List.copyOf(handled.values()),
        remaining(newest, rate(newest.batches - oldest.batches, seconds)));
  }

  /// A restart of the decider may take a count back; a rate is never negative.
  private static double rate(long difference, double seconds) {
    return seconds <= 0 ? 0 : Math.max(0, difference / seconds);
  }

  private Optional<Duration> remaining(Sample newest, double batchesPerSecond) {
    Optional<Duration> byTime =
        stop.hasWallTime()
            ? Optional.of(Frame.seconds(stop.getWallTime()).minus(newest.elapsed))
            : Optional.empty();
    Optional<Duration> byBatches =
        stop.hasBatches() && batchesPerSecond > 0
            ? Optional.of(
                Duration.ofSeconds(
                    (long) Math.ceil((stop.getBatches() - newest.batches) / batchesPerSecond)))
            : Optional.empty();
    return byTime
        .map(time -> byBatches.filter(batches -> batches.compareTo(time) < 0).orElse(time))
        .or(() -> byBatches)
        .map(left -> left.isNegative() ? Duration.ZERO : left);
  }
}
