package io.gradus.policy.checkpoint;

import io.gradus.policy.Decoder;
import io.gradus.policy.ModelConfig;
import io.gradus.policy.checkpoint.CheckpointManifest.FileDigest;
import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Tensor;

/// A checkpoint: a directory of files that exists whole or not at all.
///
/// Written under a temporary name beside its own, every file synced, then renamed, then its parent
/// synced. A directory without a sound manifest is not a checkpoint of ours but may still be a
/// model (`Decoder.load` reads any Llama checkpoint in Hugging Face layout).
public final class CheckpointDirectory {

  /// Weights, by Hugging Face names.
  public static final String MODEL = "model.safetensors";

  /// Optimizer state, in durable checkpoints.
  public static final String OPTIMIZER = "optimizer.safetensors";

  private CheckpointDirectory() {}

  /// Writes one file of a checkpoint, which syncs all of its files together.
  @FunctionalInterface
  public interface FileWriter {
    void write(Path file) throws IOException;
  }

  /// Something wrong with a checkpoint.
  ///
  /// @param file name of the file inside the directory
  /// @param message what is wrong with it
  public record Problem(String file, String message) {}

  /// Writes a checkpoint and returns its manifest with sizes and digests.
  ///
  /// @param directory its name; must not exist
  /// @param manifest which policy it is; its files are filled in
  /// @param additional further files by name, such as [#OPTIMIZER]
  public static CheckpointManifest write(
      Path directory,
      Decoder decoder,
      CheckpointManifest manifest,
      Map<String, FileWriter> additional)
      throws IOException {
    if (Files.exists(directory)) {
      throw new FileAlreadyExistsException(
          directory.toString(), null, "a checkpoint is written once and never overwritten");
    }
    Path parent = SyncedFiles.parentOf(directory);
    Path temporary = parent.resolve("." + directory.getFileName() + ".tmp");
    deleteRecursively(temporary);
    Files.createDirectories(temporary);
    ConfigFiles.write(temporary, decoder.config());
    Safetensors.write(temporary.resolve(MODEL), decoder.parameters(), Map.of("format", "pt"));
    for (Map.Entry<String, FileWriter> file : additional.entrySet()) {
      file.getValue().write(temporary.resolve(file.getKey()));
    }
    var files = new TreeMap<String, FileDigest>();
    for (Path file : filesIn(temporary)) {
      files.put(
          file.getFileName().toString(), new FileDigest(Files.size(file), Digests.sha256(file)));
    }
    CheckpointManifest complete = manifest.withFiles(files);
    complete.write(temporary);
    SyncedFiles.publish(temporary, filesIn(temporary), directory);
    return complete;
  }

  /// Everything that is wrong with the checkpoint in `directory`; an empty list if nothing is.
  public static List<Problem> verify(Path directory) {
    var problems = new ArrayList<Problem>();
    collect(problems, CheckpointManifest.NAME, () -> compareWithManifest(directory, problems));
    collect(
        problems,
        ConfigFiles.CONFIG,
        () -> {
          ModelConfig config = ConfigFiles.read(directory);
          collect(problems, MODEL, () -> compareWithConfig(directory, config, problems));
        });
    Path optimizer = directory.resolve(OPTIMIZER);
    if (Files.exists(optimizer)) {
      collect(problems, OPTIMIZER, () -> Safetensors.open(optimizer).close());
    }
    return List.copyOf(problems);
  }

  private static void compareWithManifest(Path directory, List<Problem> problems)
      throws IOException {
    CheckpointManifest manifest = CheckpointManifest.read(directory);
    problems.addAll(compare(directory, manifest.files()));
    for (Path file : filesIn(directory)) {
      String name = file.getFileName().toString();
      if (!name.equals(CheckpointManifest.NAME) && !manifest.files().containsKey(name)) {
        problems.add(new Problem(name, "is not in the manifest"));
      }
    }
  }

  /// How files of `directory` differ from what was announced of them; an empty list if they do not.
  ///
  /// @param announced sizes and digests by file name; other files are not looked at
  public static List<Problem> compare(Path directory, Map<String, FileDigest> announced)
      throws IOException {
    var problems = new ArrayList<Problem>();
    for (Map.Entry<String, FileDigest> entry : announced.entrySet()) {
      String name = entry.getKey();
      FileDigest expected = entry.getValue();
      if (!Path.of(name).getFileName().toString().equals(name)) {
        problems.add(new Problem(CheckpointManifest.NAME, "names the file " + name));
        continue;
      }
      Path file = directory.resolve(name);
      if (!Files.isRegularFile(file)) {
        problems.add(new Problem(name, "is missing"));
      } else if (Files.size(file) != expected.bytes()) {
        problems.add(
            new Problem(
                name,
                "has %d bytes but %d were written".formatted(Files.size(file), expected.bytes())));
      } else if (!Digests.sha256(file).equals(expected.sha256())) {
        problems.add(new Problem(name, "its SHA-256 is not the one that was written"));
      }
    }
    return List.copyOf(problems);
  }

  private static void compareWithConfig(Path directory, ModelConfig config, List<Problem> problems)
      throws IOException {
    try (WeightFiles files = WeightFiles.open(directory)) {
      problems.addAll(files.compareWith(config));
    }
  }

  /// Loads the weights of `directory` into a decoder of the same shape, in place.
  ///
  /// @throws DamagedCheckpointException if a tensor is missing, superfluous or of another shape
  public static void loadWeights(Path directory, Decoder decoder) throws IOException {
    try (WeightFiles files = WeightFiles.open(directory)) {
      List<Problem> problems = files.compareWith(decoder.config());
      if (!problems.isEmpty()) {
        Problem first = problems.getFirst();
        throw new DamagedCheckpointException(directory.resolve(first.file()), first.message());
      }
      for (Map.Entry<String, Tensor> parameter : decoder.parameters().entrySet()) {
        files.copyTo(parameter.getKey(), parameter.getValue());
      }
    }
  }

  private static void collect(List<Problem> problems, String file, Check check) {
    try {
      check.run();
    } catch (DamagedCheckpointException e) {
      problems.add(new Problem(file, e.problem()));
    } catch (IOException e) {
      problems.add(new Problem(file, "cannot be read: " + e));
    }
  }

  @FunctionalInterface
  private interface Check {
    void run() throws IOException;
  }

  private static List<Path> filesIn(Path directory) throws IOException {
    try (Stream<Path> files = Files.list(directory)) {
      return files.sorted().toList();
    }
  }

  private static void deleteRecursively(Path directory) throws IOException {
    if (!Files.exists(directory)) {
      return;
    }
    for (Path file : filesIn(directory)) {
      Files.delete(file);
    }
    Files.delete(directory);
  }
}
