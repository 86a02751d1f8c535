package io.gradus.cli.progress;

import io.gradus.run.v1.RunProgress;
import java.util.Locale;

/// One line about a run, for logs of CI and pipes.
final class PlainLine {

  private PlainLine() {}

  static String of(Frame frame) {
    RunProgress progress = frame.progress();
    return String.format(
        Locale.ROOT,
        "%s %s digits=%s confirmed=%s version=%d batch=%d groups=%d groups/s=%s tokens/s=%s"
            + " staleness=%.1f waits=%d%% loss=%.4f rate=%s",
        Words.of(frame.elapsed()),
        Block.state(progress.getState()),
        frame.handled().map(String::valueOf).orElse("-"),
        frame.confirmed().map(String::valueOf).orElse("-"),
        progress.getPolicyVersion(),
        progress.getBatchesApplied(),
        progress.getGroupsCreated(),
        Words.rate(frame.groupsPerSecond()),
        Words.rate(frame.tokensPerSecond()),
        frame.meanStaleness(),
        Words.percent(progress.getLearner().getWaitingShare()),
        progress.getLearner().getLoss(),
        Block.learningRate(progress.getLearner().getLearningRate()));
  }
}
