package io.gradus.cli.progress;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.protobuf.Duration;
import io.gradus.run.v1.EvaluationProgress;
import io.gradus.run.v1.EvaluationResult;
import io.gradus.run.v1.LearnerProgress;
import io.gradus.run.v1.RunProgress;
import io.gradus.run.v1.RunState;
import io.gradus.run.v1.Stop;
import io.gradus.run.v1.StratumProgress;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.junit.jupiter.api.Test;

class BlockTest {

  private static final Stop STOP =
      Stop.newBuilder()
          .setWallTime(Duration.newBuilder().setSeconds(300))
          .setDigitsHandled(10)
          .build();

  @Test
  void showsARunInTheMiddle() {
    assertThat(String.join("\n", Block.lines(frame(72, 4), Palette.PLAIN, 80)))
        .isEqualTo(
            """
            addition-20261124-153501  running  1m 12s, at most 3m 48s left
            handled    4 of 10 digits (3 confirmed)  ▄█  round 7
            length       1   2   3   4   5
            pass rate  100  99  50   1   ·
            greedy     100 100  98  91  12
            sampling   200 groups/s  3.0k tokens/s  128 leased  version 31  staleness 1.2
            learning   batch 640  step 640  loss 0.1340  rate 2.1e-3  waits 12 %  812 waiting
            ledger     24,811 groups  residual 0\
            """
                .indent(2)
                .stripTrailing());
  }

  @Test
  void saysTheSameWithColorsAsWithout() {
    Frame frame = frame(72, 4);

    List<String> colored = Block.lines(frame, Palette.COLOR, 80);

    assertThat(String.join("\n", colored)).contains("\u001b[97;48;5;28m100 \u001b[0m");
    assertThat(
            colored.stream()
                .map(line -> line.replaceAll("\u001b\\[[0-9;]*m", "").stripTrailing())
                .toList())
        .isEqualTo(Block.lines(frame, Palette.PLAIN, 80));
  }

  @Test
  void cutsTheHeatRowToTheTerminal() {
    assertThat(Block.lines(frame(72, 4), Palette.PLAIN, 24).get(2))
        .isEqualTo("  length       1   2");
  }

  @Test
  void saysThatNothingIsEvaluatedYet() {
    var frame =
        new Rates(Stop.getDefaultInstance())
            .next(RunProgress.newBuilder().setState(RunState.RUN_STATE_RUNNING).build());

    assertThat(Block.lines(frame, Palette.PLAIN, 80).get(1))
        .isEqualTo("  handled    not evaluated yet");
  }

  @Test
  void drawsOverItsOwnLinesOnly() {
    var bytes = new ByteArrayOutputStream();
    var terminal =
        ProgressDisplay.terminal(new PrintStream(bytes, true, StandardCharsets.UTF_8), 80, false);

    terminal.show(frame(72, 4));
    terminal.say("hello");

    String text = bytes.toString(StandardCharsets.UTF_8);
    assertThat(text).contains("\u001b[8A\r\u001b[Jhello\n  addition");
    assertThat(text.indexOf("\u001b[8A")).isEqualTo(text.lastIndexOf("\u001b[8A"));
  }

  @Test
  void writesALineWhenDigitsChangeAndOtherwiseEveryTenSeconds() {
    var bytes = new ByteArrayOutputStream();
    var lines = ProgressDisplay.lines(new PrintStream(bytes, true, StandardCharsets.UTF_8));

    for (int second = 0; second < 25; second++) {
      lines.show(frame(second, second < 12 ? 4 : 5));
    }

    assertThat(bytes.toString(StandardCharsets.UTF_8).lines().map(line -> line.substring(0, 22)))
        .containsExactly(
            "0.0s running digits=4 ",
            "10s running digits=4 c",
            "12s running digits=5 c",
            "22s running digits=5 c");
  }

  @Test
  void foretellsByBatchesWhenTheyEndTheRunFirst() {
    var rates = new Rates(STOP.toBuilder().setBatches(110).build());
    rates.next(RunProgress.newBuilder().setBatchesApplied(0).build());

    Frame frame =
        rates.next(
            RunProgress.newBuilder()
                .setElapsed(Duration.newBuilder().setSeconds(2))
                .setBatchesApplied(10)
                .build());

    assertThat(frame.remaining()).hasValue(java.time.Duration.ofSeconds(20));
  }

  /// A frame whose rates come from a message five seconds before.
  private static Frame frame(int seconds, int handled) {
    var rates = new Rates(STOP);
    RunProgress now = progress(seconds, handled);
    rates.next(
        now.toBuilder()
            .setElapsed(Duration.newBuilder().setSeconds(seconds - 5))
            .setGroupsCreated(23_811)
            .setTokensSampled(985_000)
            .clearEvaluations()
            .addEvaluations(evaluation(false, 2, 100, 97, 50).toBuilder().setPolicyVersion(20))
            .build());
    return rates.next(now);
  }

  private static RunProgress progress(int seconds, int handled) {
    return RunProgress.newBuilder()
        .setRunId("addition-20261124-153501")
        .setState(RunState.RUN_STATE_RUNNING)
        .setElapsed(Duration.newBuilder().setSeconds(seconds))
        .setRound(7)
        .setGroupsCreated(24_811)
        .setRunning(128)
        .setTokensSampled(1_000_000)
        .setPolicyVersion(31)
        .setBatchesBound(641)
        .setBatchesApplied(640)
        .setWarmUpBatches(500)
        .setOptimizerSteps(640)
        .setWaiting(812)
        .addAllStaleness(List.of(20L, 50L, 20L, 10L))
        .addStrata(stratum(1, 1.0))
        .addStrata(stratum(2, 0.995))
        .addStrata(stratum(3, 0.5))
        .addStrata(stratum(4, 0.001))
        .addEvaluations(evaluation(true, 3, 400, 396, 380))
        .addEvaluations(
            evaluation(false, handled, 100, 100, 98, 91, 12).toBuilder().setPolicyVersion(30))
        .setLearner(
            LearnerProgress.newBuilder()
                .setLoss(0.134)
                .setLearningRate(0.0021)
                .setWaitingShare(0.12))
        .build();
  }

  private static StratumProgress stratum(int number, double passRate) {
    return StratumProgress.newBuilder().setStratum(number).setPassRate(passRate).build();
  }

  private static EvaluationProgress evaluation(boolean confirmation, int handled, int... right) {
    var evaluation =
        EvaluationProgress.newBuilder()
            .setConfirmation(confirmation)
            .setFinished(true)
            .setHandled(handled);
    for (int i = 0; i < right.length; i++) {
      evaluation.addResults(
          EvaluationResult.newBuilder()
              .setStratum(i + 1)
              .setRight(right[i])
              .setProblems(confirmation ? 400 : 100));
    }
    return evaluation.build();
  }
}
