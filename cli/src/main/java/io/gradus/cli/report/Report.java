package io.gradus.cli.report;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// `report.html`: a page that needs nothing but itself.
///
/// The page is a template of this class path with one JSON document in it; its script draws the
/// charts. Lines of `metrics.jsonl` beyond [#MAX_POINTS] are thinned evenly, so that the page of a
/// long run opens as fast as that of a short one.
public final class Report {

  /// Most points of a curve.
  static final int MAX_POINTS = 600;

  private static final ObjectMapper MAPPER = new ObjectMapper();

  private Report() {}

  /// The page for a run.
  ///
  /// @param metrics `metrics.jsonl`; lines that are damaged, such as the last of a killed process,
  ///   are left out
  /// @param spec the effective spec
  /// @param target digits that the run is after
  public static String html(ObjectNode summary, Path metrics, String spec, Optional<Integer> target)
      throws IOException {
    ObjectNode data = JsonNodeFactory.instance.objectNode();
    data.set("summary", summary);
    data.put("spec", spec);
    target.ifPresent(digits -> data.put("target", digits));
    var curves = new Curves();
    if (Files.exists(metrics)) {
      try (BufferedReader reader = Files.newBufferedReader(metrics, StandardCharsets.UTF_8)) {
        for (String line = reader.readLine(); line != null; line = reader.readLine()) {
          parsed(line).ifPresent(curves::add);
        }
      }
    }
    curves.into(data);
    return template().replace("/*DATA*/", escaped(MAPPER.writeValueAsString(data)));
  }

  private static Optional<JsonNode> parsed(String line) {
    try {
      JsonNode node = MAPPER.readTree(line);
      return node != null && node.isObject() ? Optional.of(node) : Optional.empty();
    } catch (IOException _) {
      return Optional.empty();
    }
  }

  /// A spec may hold any text, also one that would end the script element.
  private static String escaped(String json) {
    return json.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029");
  }

  private static String template() throws IOException {
    try (InputStream in = Report.class.getResourceAsStream("report.html")) {
      if (in == null) {
        throw new IllegalStateException("report.html is missing from the class path");
      }
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    }
  }

  /// What is read off the lines of `metrics.jsonl`, in one pass and bounded memory.
  private static final class Curves {

    private static final Map<String, String> LEARNER_PARTS = new LinkedHashMap<>();
    private static final Map<String, String> WORKER_PARTS = new LinkedHashMap<>();

    static {
      LEARNER_PARTS.put("stepped_seconds", "learning");
      LEARNER_PARTS.put("published_seconds", "publishing");
      LEARNER_PARTS.put("waited_seconds", "waiting");
      WORKER_PARTS.put("sampling_seconds", "sampling");
      WORKER_PARTS.put("verifying_seconds", "verifying");
      WORKER_PARTS.put("loading_seconds", "loading");
      WORKER_PARTS.put("waiting_seconds", "waiting");
    }

    private final Map<String, ObjectNode> evaluations = new LinkedHashMap<>();
    private final Map<String, Growth> learner = new LinkedHashMap<>();
    private final Map<String, Growth> worker = new LinkedHashMap<>();
    private List<ObjectNode> points = new ArrayList<>();
    private int stride = 1;
    private int lines;
    private JsonNode last = JsonNodeFactory.instance.objectNode();
    private JsonNode lastKept = JsonNodeFactory.instance.objectNode();

    void add(JsonNode line) {
      for (JsonNode evaluation : line.path("evaluations")) {
        // A line of a resumed run repeats the evaluations before it.
        evaluations.put(
            evaluation.path("policy_version") + "/" + evaluation.path("confirmation"),
            evaluation(evaluation));
      }
      LEARNER_PARTS.forEach((field, name) -> grow(learner, name, line.path("learner").get(field)));
      WORKER_PARTS.forEach((field, name) -> grow(worker, name, line.path("worker").get(field)));
      last = line;
      if (lines++ % stride == 0) {
        points.add(point(line));
        lastKept = line;
      }
      if (points.size() > MAX_POINTS) {
        var thinned = new ArrayList<ObjectNode>();
        for (int i = 0; i < points.size(); i += 2) {
          thinned.add(points.get(i));
        }
        points = thinned;
        stride *= 2;
      }
    }

    private static ObjectNode evaluation(JsonNode evaluation) {
      ObjectNode json = JsonNodeFactory.instance.objectNode();
      json.put("t", evaluation.path("elapsed_seconds").asDouble());
      json.put("handled", evaluation.path("handled").asInt());
      json.put("confirmation", evaluation.path("confirmation").asBoolean());
      ObjectNode accuracy = json.putObject("accuracy");
      for (JsonNode result : evaluation.path("results")) {
        if (result.path("problems").asInt() > 0) {
          accuracy.put(
              result.path("stratum").asText(),
              result.path("right").asDouble() / result.path("problems").asDouble());
        }
      }
      return json;
    }

    private ObjectNode point(JsonNode line) {
      ObjectNode json = JsonNodeFactory.instance.objectNode();
      json.put("t", seconds(line));
      json.put("tokensPerSecond", rate(line, "tokens_sampled"));
      json.put("sequencesPerSecond", rate(line, "sequences_trained"));
      json.put("loss", line.path("learner").path("loss").asDouble());
      ObjectNode passRates = json.putObject("passRates");
      for (JsonNode stratum : line.path("strata")) {
        if (stratum.path("source").asInt() == 0) {
          passRates.put(stratum.path("stratum").asText(), stratum.path("pass_rate").asDouble());
        }
      }
      return json;
    }

    private double rate(JsonNode line, String field) {
      double seconds = seconds(line) - seconds(lastKept);
      double difference = line.path(field).asDouble() - lastKept.path(field).asDouble();
      return seconds > 0 ? Math.max(0, difference / seconds) : 0;
    }

    private static double seconds(JsonNode line) {
      return line.path("elapsed_seconds").asDouble();
    }

    private static void grow(Map<String, Growth> parts, String name, JsonNode value) {
      if (value != null) {
        parts.computeIfAbsent(name, _ -> new Growth()).reach(value.asDouble());
      }
    }

    void into(ObjectNode data) {
      data.put("seconds", seconds(last));
      ArrayNode pointList = data.putArray("points");
      points.forEach(pointList::add);
      ArrayNode evaluationList = data.putArray("evaluations");
      evaluations.values().forEach(evaluationList::add);
      ArrayNode staleness = data.putArray("staleness");
      last.path("staleness").forEach(staleness::add);
      ArrayNode time = data.putArray("time");
      role(time, "learner", learner);
      role(time, "rollout worker", worker);
    }

    private static void role(ArrayNode time, String role, Map<String, Growth> parts) {
      if (parts.isEmpty()) {
        return;
      }
      ObjectNode json = time.addObject();
      json.put("role", role);
      ArrayNode list = json.putArray("parts");
      parts.forEach(
          (name, growth) -> list.addObject().put("name", name).put("seconds", growth.sum));
    }
  }

  /// The sum of a counter that begins anew with each session.
  private static final class Growth {
    private double sum;
    private double last;

    void reach(double value) {
      sum += value >= last ? value - last : value;
      last = value;
    }
  }
}
