package io.gradus.policy.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import io.gradus.policy.ModelConfig;
import io.gradus.policy.checkpoint.CheckpointDirectory.Problem;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Pattern;
import org.bytedeco.pytorch.Tensor;

/// The weights of a model: one safetensors file, or several and an index that says which tensor is
/// in which. All are mapped into memory and checked when they are opened.
final class WeightFiles implements AutoCloseable {

  /// Which tensor is in which file.
  static final String INDEX = "model.safetensors.index.json";

  /// Numbers that old checkpoints carry along and every program computes by itself.
  private static final Pattern COMPUTED =
      Pattern.compile("model\\.(layers\\.\\d+\\.self_attn\\.)?rotary_emb\\.inv_freq");

  private static final String OUTPUT = "lm_head.weight";

  private final Map<String, Safetensors> files;

  /// Which file has a tensor.
  private final Map<String, String> fileOf;

  private WeightFiles(Map<String, Safetensors> files, Map<String, String> fileOf) {
    this.files = files;
    this.fileOf = fileOf;
  }

  /// Opens the weights in `directory`.
  ///
  /// @throws DamagedCheckpointException if a file is missing or damaged, or the index disagrees
  static WeightFiles open(Path directory) throws IOException {
    Path index = directory.resolve(INDEX);
    Path single = directory.resolve(CheckpointDirectory.MODEL);
    if (Files.exists(single)) {
      return open(directory, List.of(CheckpointDirectory.MODEL), Map.of());
    }
    if (!Files.exists(index)) {
      throw new DamagedCheckpointException(
          single, "is missing, and so is %s; weights are read from either".formatted(INDEX));
    }
    var listed = new TreeMap<String, String>();
    for (Map.Entry<String, JsonNode> entry :
        Json.readObject(index).path("weight_map").properties()) {
      String name = entry.getValue().asText();
      if (!name.endsWith(".safetensors") || !Path.of(name).getFileName().toString().equals(name)) {
        throw new DamagedCheckpointException(
            index,
            "says that tensor %s is in %s, which is no safetensors file of this directory"
                .formatted(entry.getKey(), entry.getValue()));
      }
      listed.put(entry.getKey(), name);
    }
    if (listed.isEmpty()) {
      throw new DamagedCheckpointException(index, "has no weight_map that names a tensor");
    }
    return open(directory, listed.values().stream().distinct().sorted().toList(), listed);
  }

  private static WeightFiles open(Path directory, List<String> names, Map<String, String> listed)
      throws IOException {
    var files = new LinkedHashMap<String, Safetensors>();
    // In the order of the files, so that the first problem is the first one in them.
    var fileOf = new LinkedHashMap<String, String>();
    boolean isSound = false;
    try {
      for (String name : names) {
        Path file = directory.resolve(name);
        if (!Files.exists(file)) {
          throw new DamagedCheckpointException(file, "is missing; %s names it".formatted(INDEX));
        }
        Safetensors opened = Safetensors.open(file);
        files.put(name, opened);
        for (String tensor : opened.entries().keySet()) {
          String other = fileOf.put(tensor, name);
          if (other != null) {
            throw new DamagedCheckpointException(
                file, "has tensor %s, which is in %s as well".formatted(tensor, other));
          }
        }
      }
      for (Map.Entry<String, String> entry : listed.entrySet()) {
        if (!entry.getValue().equals(fileOf.get(entry.getKey()))) {
          throw new DamagedCheckpointException(
              directory.resolve(entry.getValue()),
              "has no tensor %s, which %s says it has".formatted(entry.getKey(), INDEX));
        }
      }
      isSound = true;
      return new WeightFiles(files, fileOf);
    } finally {
      if (!isSound) {
        files.values().forEach(Safetensors::close);
      }
    }
  }

  /// How the tensors differ from those of a model of this shape; an empty list if they do not.
  List<Problem> compareWith(ModelConfig config) {
    var problems = new ArrayList<Problem>();
    Map<String, List<Long>> expected = new LinkedHashMap<>(config.parameterShapes());
    fileOf.forEach((tensor, file) -> {
      Safetensors.Entry entry = entry(tensor);
      List<Long> shape = expected.remove(tensor);
      if (shape == null) {
        // A tied output projection may lie there as a second copy of the embedding.
        boolean isKnown =
            COMPUTED.matcher(tensor).matches() || (tensor.equals(OUTPUT) && config.tiedEmbedding());
        if (!isKnown) {
          problems.add(new Problem(file, "tensor " + tensor + " is not part of the model"));
        }
      } else if (!shape.equals(entry.shape())) {
        problems.add(
            new Problem(
                file,
                "tensor %s has shape %s but must have %s".formatted(tensor, entry.shape(), shape)));
      } else if (entry.dtype() == Dtype.I64 || entry.dtype() == Dtype.I32) {
        problems.add(new Problem(file, "tensor %s has dtype %s".formatted(tensor, entry.dtype())));
      }
    });
    String last = files.size() == 1 ? files.keySet().iterator().next() : INDEX;
    for (String name : expected.keySet()) {
      problems.add(new Problem(last, "tensor " + name + " is missing"));
    }
    return List.copyOf(problems);
  }

  /// Copies a tensor into `target`, in place, converting its dtype.
  void copyTo(String tensor, Tensor target) throws IOException {
    fileWith(tensor).copyTo(tensor, target);
  }

  private Safetensors.Entry entry(String tensor) {
    Safetensors.Entry entry = fileWith(tensor).entries().get(tensor);
    if (entry == null) {
      throw new IllegalStateException("no entry of " + tensor);
    }
    return entry;
  }

  private Safetensors fileWith(String tensor) {
    Safetensors file = files.get(fileOf.getOrDefault(tensor, ""));
    if (file == null) {
      throw new IllegalStateException("no file has tensor " + tensor);
    }
    return file;
  }

  @Override
  public void close() {
    files.values().forEach(Safetensors::close);
  }
}
