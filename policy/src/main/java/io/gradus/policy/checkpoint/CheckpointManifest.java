package io.gradus.policy.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TreeMap;

/// `gradus.json`: which policy a checkpoint is, and the size and digest of each of its files.
///
/// The digest over the manifest's own content makes a changed number in it visible too.
///
/// @param version policy version
/// @param parent version it descends from
/// @param step optimizer steps taken since the beginning of the run
/// @param batch number of the last applied batch
/// @param lineage digest of all batches that made it
/// @param learnerEpoch epoch of the learner session that wrote it
/// @param durable whether a learner can go on from it
/// @param files sizes and digests by file name
public record CheckpointManifest(
    long version,
    long parent,
    long step,
    long batch,
    String lineage,
    long learnerEpoch,
    boolean durable,
    Map<String, FileDigest> files) {

  static final String NAME = "gradus.json";

  /// Size and SHA-256 (lower-case hexadecimal) of a file.
  public record FileDigest(long bytes, String sha256) {}

  public CheckpointManifest {
    files = Collections.unmodifiableMap(new TreeMap<>(files));
  }

  /// A manifest without files yet, for [CheckpointDirectory#write].
  public static CheckpointManifest of(
      long version,
      long parent,
      long step,
      long batch,
      String lineage,
      long learnerEpoch,
      boolean durable) {
    return new CheckpointManifest(
        version, parent, step, batch, lineage, learnerEpoch, durable, Map.of());
  }

  CheckpointManifest withFiles(Map<String, FileDigest> found) {
    return new CheckpointManifest(
        version, parent, step, batch, lineage, learnerEpoch, durable, found);
  }

  void write(Path directory) throws IOException {
    ObjectNode json = content();
    json.put("digest", digest());
    SyncedFiles.write(directory.resolve(NAME), Json.PRETTY.writeValueAsBytes(json));
  }

  /// The manifest in `directory`.
  ///
  /// @throws DamagedCheckpointException if it is missing or not sound
  public static CheckpointManifest read(Path directory) throws IOException {
    Path file = directory.resolve(NAME);
    JsonNode json = Json.readObject(file);
    var files = new LinkedHashMap<String, FileDigest>();
    for (Map.Entry<String, JsonNode> entry : json.path("files").properties()) {
      files.put(
          entry.getKey(),
          new FileDigest(
              entry.getValue().path("bytes").asLong(-1), entry.getValue().path("sha256").asText()));
    }
    var manifest =
        new CheckpointManifest(
            number(file, json, "version"),
            number(file, json, "parent"),
            number(file, json, "step"),
            number(file, json, "batch"),
            json.path("lineage").asText(),
            number(file, json, "learner_epoch"),
            json.path("durable").asBoolean(),
            files);
    if (!manifest.digest().equals(json.path("digest").asText())) {
      throw new DamagedCheckpointException(
          file, "its digest does not match its content; it was changed after it was written");
    }
    return manifest;
  }

  private String digest() throws IOException {
    byte[] text = Json.MAPPER.writeValueAsString(content()).getBytes(StandardCharsets.UTF_8);
    return Digests.sha256(text);
  }

  private ObjectNode content() {
    ObjectNode json = Json.PRETTY.createObjectNode();
    json.put("version", version);
    json.put("parent", parent);
    json.put("step", step);
    json.put("batch", batch);
    json.put("lineage", lineage);
    json.put("learner_epoch", learnerEpoch);
    json.put("durable", durable);
    ObjectNode list = json.putObject("files");
    files.forEach((name, digest) ->
        list.putObject(name).put("bytes", digest.bytes()).put("sha256", digest.sha256()));
    return json;
  }

  private static long number(Path file, JsonNode json, String key) throws IOException {
    JsonNode node = json.path(key);
    if (!node.isIntegralNumber() || !node.canConvertToLong()) {
      throw new DamagedCheckpointException(
          file, "%s is %s but must be an integer".formatted(key, node));
    }
    return node.asLong();
  }
}
