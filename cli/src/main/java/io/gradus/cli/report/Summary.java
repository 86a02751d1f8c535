package io.gradus.cli.report;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.gradus.run.v1.EvaluationProgress;
import io.gradus.run.v1.EvaluationResult;
import io.gradus.run.v1.RunProgress;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.util.Optional;
import java.util.TreeMap;

/// `summary.json`: how a run ended, in the fields that scripts hold on to.
///
/// @param state of the run, or `STOPPED` with a reason when only this process ended
/// @param usage of this process
/// @param secondsToFirstStep from the start of this process; empty when it took no step
public record Summary(
    RunProgress progress,
    String state,
    String reason,
    long seed,
    ProcessUsage usage,
    Optional<Duration> secondsToFirstStep) {

  private static final ObjectMapper MAPPER =
      new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT);

  /// The JSON of `summary.json`.
  public ObjectNode json() {
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    json.put("run_id", progress.getRunId());
    json.put("state", state);
    json.put("reason", reason);
    json.put("seed", seed);
    json.put("wall_seconds", seconds(usage.wall()));
    json.put("cpu_seconds", seconds(usage.cpu()));
    secondsToFirstStep.ifPresentOrElse(
        first -> json.put("seconds_to_first_step", seconds(first)),
        () -> json.putNull("seconds_to_first_step"));
    json.put(
        "run_seconds", progress.getElapsed().getSeconds() + progress.getElapsed().getNanos() / 1e9);
    json.put("optimizer_steps", progress.getOptimizerSteps());
    json.put("batches_applied", progress.getBatchesApplied());
    json.put("policy_version", progress.getPolicyVersion());
    ObjectNode groups = json.putObject("groups");
    groups.put("created", progress.getGroupsCreated());
    new TreeMap<>(progress.getGroupsMap()).forEach(groups::put);
    json.put("accounting_residual", progress.getAccountingResidual());
    ObjectNode tokens = json.putObject("tokens");
    tokens.put("sampled", progress.getTokensSampled());
    tokens.put("trained", progress.getTokensTrained());
    json.put("trajectories_sampled", progress.getTrajectoriesSampled());
    json.put("sequences_trained", progress.getSequencesTrained());
    json.set("evaluation", evaluation());
    json.put("checkpoint", progress.getCheckpoint());
    json.put("durable_checkpoint", progress.getDurableCheckpoint());
    json.put("peak_rss_bytes", usage.peakRssBytes());
    return json;
  }

  /// The last value of each metric. `digits_handled` is the confirmed value where confirmation is
  /// on: a candidate that was not confirmed does not count.
  private ObjectNode evaluation() {
    ObjectNode evaluation = JsonNodeFactory.instance.objectNode();
    Optional<EvaluationProgress> newest = newest(false);
    Optional<EvaluationProgress> confirmation = newest(true);
    newest.ifPresent(candidate -> {
      evaluation.put("digits_handled", candidate.getHandled());
      evaluation.put("digits_handled_candidate", candidate.getHandled());
      evaluation.put("policy_version", candidate.getPolicyVersion());
      ObjectNode accuracy = evaluation.putObject("accuracy");
      for (EvaluationResult result : candidate.getResultsList()) {
        if (result.getProblems() > 0) {
          accuracy.put(
              String.valueOf(result.getStratum()),
              (double) result.getRight() / result.getProblems());
        }
      }
    });
    confirmation.ifPresent(confirmed -> {
      evaluation.put("digits_handled", confirmed.getHandled());
      evaluation.put("digits_handled_confirmed", confirmed.getHandled());
      evaluation.put("confirmed_policy_version", confirmed.getPolicyVersion());
    });
    return evaluation;
  }

  private Optional<EvaluationProgress> newest(boolean isConfirmation) {
    return progress.getEvaluationsList().stream()
        .filter(evaluation -> evaluation.getFinished())
        .filter(evaluation -> evaluation.getConfirmation() == isConfirmation)
        .reduce((_, newer) -> newer);
  }

  /// Writes the JSON to `file`, under another name first, so that a reader never meets half of it.
  public ObjectNode writtenTo(Path file) throws IOException {
    ObjectNode json = json();
    Path draft = file.resolveSibling(file.getFileName() + ".draft");
    Files.writeString(draft, MAPPER.writeValueAsString(json) + "\n");
    Files.move(draft, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    return json;
  }

  private static double seconds(Duration duration) {
    return duration.toMillis() / 1e3;
  }
}
