package io.gradus.cli.report;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.gradus.run.v1.EvaluationProgress;
import io.gradus.run.v1.RunProgress;
import java.io.IOException;
import java.io.Writer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/// `metrics.jsonl`: one line for each progress message, appended over all resumptions of a run.
///
/// A line holds only the evaluations that finished since the line before, so that the file grows
/// with time and not with its square. It is not synced: the ledger is the record, this is the view.
public final class MetricsLog implements AutoCloseable {

  private static final ObjectMapper MAPPER = new ObjectMapper();

  private record EvaluationKey(long policyVersion, boolean isConfirmation) {}

  private final Writer writer;
  private final Set<EvaluationKey> written = new HashSet<>();

  private MetricsLog(Writer writer) {
    this.writer = writer;
  }

  /// Opens `file` for appending.
  public static MetricsLog append(Path file) throws IOException {
    return new MetricsLog(
        Files.newBufferedWriter(
            file, StandardCharsets.UTF_8, StandardOpenOption.CREATE, StandardOpenOption.APPEND));
  }

  /// Lines that are only returned.
  public static MetricsLog unwritten() {
    return new MetricsLog(Writer.nullWriter());
  }

  /// Writes the line of `progress` and returns it, without the line break.
  ///
  /// @param workerSeconds what rollout workers spent on each activity, such as `sampling_seconds`
  public String write(RunProgress progress, ProcessUsage usage, Map<String, Double> workerSeconds)
      throws IOException {
    String line = line(progress, usage, workerSeconds);
    writer.write(line);
    writer.write('\n');
    writer.flush();
    return line;
  }

  private String line(RunProgress progress, ProcessUsage usage, Map<String, Double> workerSeconds)
      throws JsonProcessingException {
    ObjectNode json = ProtoJson.of(progress);
    json.remove("evaluations");
    ArrayNode evaluations = json.putArray("evaluations");
    for (EvaluationProgress evaluation : progress.getEvaluationsList()) {
      var key = new EvaluationKey(evaluation.getPolicyVersion(), evaluation.getConfirmation());
      if (evaluation.getFinished() && written.add(key)) {
        evaluations.add(ProtoJson.of(evaluation));
      }
    }
    ObjectNode worker = json.putObject("worker");
    new TreeMap<>(workerSeconds).forEach(worker::put);
    ObjectNode process = json.putObject("process");
    process.put("wall_seconds", usage.wall().toMillis() / 1e3);
    process.put("cpu_seconds", usage.cpu().toMillis() / 1e3);
    process.put("rss_bytes", usage.rssBytes());
    return MAPPER.writeValueAsString(json);
  }

  @Override
  public void close() throws IOException {
    writer.close();
  }
}
