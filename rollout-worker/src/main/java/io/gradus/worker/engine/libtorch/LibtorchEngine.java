package io.gradus.worker.engine.libtorch;

import io.gradus.core.policy.Manifest;
import io.gradus.core.policy.Manifest.CheckpointFile;
import io.gradus.policy.Decoder;
import io.gradus.policy.ModelConfig;
import io.gradus.policy.checkpoint.CheckpointDirectory;
import io.gradus.policy.checkpoint.CheckpointManifest.FileDigest;
import io.gradus.policy.checkpoint.ConfigFiles;
import io.gradus.worker.engine.Engine;
import io.gradus.worker.engine.EngineException;
import io.gradus.worker.engine.LoadedPolicy;
import java.io.IOException;
import java.net.URI;
import java.nio.file.FileSystemNotFoundException;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.List;
import java.util.TreeMap;

/// Samples on libtorch, on the CPU, with the thread that calls it.
///
/// A version is loaded while the one before is still in use, so that a damaged checkpoint costs
/// nothing. The memory of a closed policy is kept for the next version of the same shape: a worker
/// that follows a run alternates between two decoders and allocates none.
public final class LibtorchEngine implements Engine {

  /// What registrations say.
  public static final String NAME = "libtorch";

  /// Decoders kept for later versions: one, since one version follows another.
  private static final int SPARE_SEATS = 1;

  private final ArrayDeque<Seat> spare = new ArrayDeque<>();

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public LoadedPolicy load(Manifest manifest) throws EngineException {
    long version = manifest.version().value();
    try {
      Path directory = directoryOf(manifest);
      refuseDamaged(manifest, directory);
      return new LibtorchPolicy(manifest.version(), seatWith(directory), this::takeBack);
    } catch (IOException e) {
      throw new EngineException(
          "policy version %d cannot be loaded: %s".formatted(version, e.getMessage()), e);
    }
  }

  private static Path directoryOf(Manifest manifest) throws EngineException {
    try {
      return Path.of(URI.create(manifest.uri()));
    } catch (IllegalArgumentException | FileSystemNotFoundException e) {
      throw new EngineException(
          "policy version %d is at \"%s\", which is not a file URI"
              .formatted(manifest.version().value(), manifest.uri()),
          e);
    }
  }

  /// Compares with the announced digests the files that are read from here on.
  private static void refuseDamaged(Manifest manifest, Path directory)
      throws EngineException, IOException {
    var announced = new TreeMap<String, FileDigest>();
    for (CheckpointFile file : manifest.files()) {
      if (!file.name().equals(CheckpointDirectory.OPTIMIZER)) {
        announced.put(file.name(), new FileDigest(file.bytes(), file.sha256()));
      }
    }
    for (String needed : List.of(ConfigFiles.CONFIG, CheckpointDirectory.MODEL)) {
      if (!announced.containsKey(needed)) {
        throw new EngineException(
            "policy version %d was announced without %s"
                .formatted(manifest.version().value(), needed));
      }
    }
    List<CheckpointDirectory.Problem> problems = CheckpointDirectory.compare(directory, announced);
    if (!problems.isEmpty()) {
      throw new EngineException(
          "policy version %d is damaged: %s: %s"
              .formatted(
                  manifest.version().value(),
                  directory.resolve(problems.getFirst().file()),
                  problems.getFirst().message()));
    }
  }

  private Seat seatWith(Path directory) throws IOException {
    ModelConfig config = ConfigFiles.read(directory);
    Seat seat = spare.poll();
    if (seat != null && !seat.config().equals(config)) {
      seat.close();
      seat = null;
    }
    Seat taken = seat != null ? seat : new Seat(Decoder.zeros(config));
    boolean loaded = false;
    try {
      taken.load(directory);
      loaded = true;
      return taken;
    } finally {
      if (!loaded) {
        // Some weights may be of the new version and some of the old.
        taken.close();
      }
    }
  }

  private void takeBack(Seat seat) {
    if (spare.size() < SPARE_SEATS) {
      spare.push(seat);
    } else {
      seat.close();
    }
  }

  @Override
  public void close() {
    spare.forEach(Seat::close);
    spare.clear();
  }
}
