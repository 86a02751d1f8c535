package io.gradus.cli.report;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.google.protobuf.Duration;
import io.gradus.run.v1.EvaluationProgress;
import io.gradus.run.v1.EvaluationResult;
import io.gradus.run.v1.LearnerProgress;
import io.gradus.run.v1.RunProgress;
import io.gradus.run.v1.RunState;
import io.gradus.run.v1.StratumProgress;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

class ReportTest {

  private static final ProcessUsage USAGE =
      new ProcessUsage(
          java.time.Duration.ofMillis(81_250),
          java.time.Duration.ofMillis(140_500),
          300L << 20,
          310L << 20);

  @TempDir Path directory;

  @Test
  void writesTheFieldsThatScriptsHoldOnTo() throws Exception {
    Path file = directory.resolve("summary.json");

    summary(progress(80)).writtenTo(file);

    var json = new ObjectMapper().readTree(Files.readString(file));
    assertThat(json.fieldNames())
        .toIterable()
        .startsWith("run_id", "state", "reason", "seed", "wall_seconds", "cpu_seconds")
        .contains(
            "seconds_to_first_step",
            "optimizer_steps",
            "policy_version",
            "groups",
            "accounting_residual",
            "tokens",
            "evaluation",
            "peak_rss_bytes");
    assertThat(json.path("state").asText()).isEqualTo("COMPLETED");
    assertThat(json.path("wall_seconds").asDouble()).isEqualTo(81.25);
    assertThat(json.path("cpu_seconds").asDouble()).isEqualTo(140.5);
    assertThat(json.path("groups").toString())
        .isEqualTo("{\"created\":8000,\"FILTERED(NONE_RIGHT)\":3000,\"TRAINED\":5000}");
    assertThat(json.path("tokens").toString()).isEqualTo("{\"sampled\":160000,\"trained\":40000}");
    assertThat(directory).isDirectoryNotContaining("glob:**draft*");
  }

  @Test
  void countsOnlyConfirmedDigitsWhereConfirmationIsOn() {
    assertThat(summary(progress(90)).json().path("evaluation").path("digits_handled").asInt())
        .isEqualTo(8);
    assertThat(
            summary(progress(90))
                .json()
                .path("evaluation")
                .path("digits_handled_candidate")
                .asInt())
        .isEqualTo(9);
  }

  @Test
  void tellsOfNoFirstStepWhenThereWasNone() {
    var summary = new Summary(progress(0), "FAILED", "why", 1, USAGE, Optional.empty()).json();

    assertThat(summary.get("seconds_to_first_step").isNull()).isTrue();
  }

  @Test
  void writesEachEvaluationIntoOneLineOfMetrics() throws Exception {
    Path file = metrics(20);

    assertThat(Files.readAllLines(file)).hasSize(20);
    assertThat(
            Files.readAllLines(file).stream()
                .filter(line -> line.contains("\"confirmation\":false"))
                .count())
        .as("lines with evaluations of the fixed set")
        .isEqualTo(2);
  }

  @Test
  void staysOneFileWhateverTheSpecHolds() throws Exception {
    String page = page(metrics(20), "name: </script><script>alert(1)</script>");

    assertThat(page).doesNotContain("</script><script>alert");
    assertThat(page).doesNotContainPattern("(src|href)=|url\\(|@import|https?://(?!www.w3.org)");
  }

  @Test
  void thinsTheCurvesOfALongRunAndSurvivesADamagedLine() throws Exception {
    Path file = metrics(1900);
    Files.writeString(file, "{\"elapsed_seconds\": 19", StandardOpenOption.APPEND);

    String page = page(file, "");

    int points = page.split("\"tokensPerSecond\"", -1).length - 1;
    assertThat(points).isBetween(Report.MAX_POINTS / 3, Report.MAX_POINTS);
  }

  @Test
  void drawsEveryChartInABrowser() throws Exception {
    String dom = dom(page(metrics(90), "seed: 1"));

    for (String chart : new String[] {"accuracy", "handled", "passrate", "staleness", "time"}) {
      String card = dom.substring(dom.indexOf("id=\"" + chart + "\""));
      card = card.substring(0, card.indexOf("<div class=\"card", 1));
      assertThat(card).as(chart).contains("<svg").containsPattern("<(rect|path)[^>]+(series|hot)");
    }
    assertThat(dom).contains("<td>FILTERED(NONE_RIGHT)</td><td>3,375</td>").contains("seed: 1");
  }

  @Test
  void drawsARunThatEndedBeforeItBegan() throws Exception {
    String dom = dom(page(directory.resolve("none.jsonl"), ""));

    assertThat(dom).contains("Nothing to show yet.").contains("Effective spec");
  }

  /// The page as a browser builds it; the test is skipped where there is none.
  @Timeout(60)
  private String dom(String page) throws IOException, InterruptedException {
    Path browser = Path.of("/usr/bin/chromium");
    assumeTrue(Files.isExecutable(browser), "no /usr/bin/chromium to draw the report with");
    Path file = Files.writeString(directory.resolve("report.html"), page);
    Path dom = directory.resolve("dom.html");
    Process process =
        new ProcessBuilder(
                browser.toString(),
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--user-data-dir=" + directory.resolve("profile"),
                "--dump-dom",
                file.toUri().toString())
            .redirectOutput(dom.toFile())
            .redirectError(ProcessBuilder.Redirect.DISCARD)
            .start();
    boolean isDone = process.waitFor(50, TimeUnit.SECONDS);
    process.destroyForcibly();
    assertThat(isDone).as("the browser ends").isTrue();
    return Files.readString(dom, StandardCharsets.UTF_8);
  }

  private static String page(Path metrics, String spec) throws IOException {
    ObjectNode summary = summary(progress(90)).json();
    return Report.html(summary, metrics, spec, Optional.of(10));
  }

  private Path metrics(int seconds) throws IOException {
    Path file = directory.resolve("metrics.jsonl");
    try (var log = MetricsLog.append(file)) {
      for (int second = 0; second < seconds; second++) {
        log.write(
            progress(second),
            USAGE,
            Map.of(
                "sampling_seconds",
                0.6 * second,
                "verifying_seconds",
                0.05 * second,
                "loading_seconds",
                0.1 * second,
                "waiting_seconds",
                0.25 * second));
      }
    }
    return file;
  }

  private static Summary summary(RunProgress progress) {
    return new Summary(
        progress,
        "COMPLETED",
        "10 digits handled",
        1,
        USAGE,
        Optional.of(java.time.Duration.ofMillis(3100)));
  }

  /// A run that learns a digit every ten seconds.
  private static RunProgress progress(int second) {
    var progress =
        RunProgress.newBuilder()
            .setRunId("addition-20261124-153501")
            .setState(RunState.RUN_STATE_RUNNING)
            .setElapsed(Duration.newBuilder().setSeconds(second))
            .setGroupsCreated(100L * second)
            .putGroups("TRAINED", 62L * second + second / 2)
            .putGroups("FILTERED(NONE_RIGHT)", 37L * second + second / 2)
            .setTokensSampled(2000L * second)
            .setTokensTrained(500L * second)
            .setSequencesTrained(700L * second)
            .addAllStaleness(java.util.List.of(20L, 50L, 20L, 10L, 0L))
            .setLearner(
                LearnerProgress.newBuilder()
                    .setLoss(1.0 / (1 + second))
                    .setSteppedSeconds(0.7 * second)
                    .setWaitedSeconds(0.2 * second)
                    .setPublishedSeconds(0.1 * second));
    for (int length = 1; length <= 12; length++) {
      progress.addStrata(
          StratumProgress.newBuilder().setStratum(length).setPassRate(share(second, length)));
    }
    for (int at = 10; at <= Math.min(second, 90); at += 5) {
      progress.addEvaluations(evaluation(at, false));
      if (at % 40 == 0) {
        progress.addEvaluations(evaluation(at, true));
      }
    }
    return progress.build();
  }

  private static EvaluationProgress evaluation(int second, boolean confirmation) {
    var evaluation =
        EvaluationProgress.newBuilder()
            .setPolicyVersion(second)
            .setConfirmation(confirmation)
            .setFinished(true)
            .setHandled(Math.min(second / 10, confirmation ? 8 : 9))
            .setElapsed(Duration.newBuilder().setSeconds(second));
    for (int length = 1; length <= 14; length++) {
      evaluation.addResults(
          EvaluationResult.newBuilder()
              .setStratum(length)
              .setRight((int) (100 * share(second, length)))
              .setProblems(100));
    }
    return evaluation.build();
  }

  private static double share(int second, int length) {
    return 1 / (1 + Math.exp(2.5 * (length - second / 9.0)));
  }
}
