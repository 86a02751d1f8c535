package io.gradus.learner.publication;

import io.gradus.core.policy.Manifest;
import io.gradus.policy.checkpoint.CheckpointDirectory;
import io.gradus.policy.checkpoint.CheckpointManifest;
import io.gradus.policy.checkpoint.CheckpointManifest.FileDigest;
import io.gradus.policy.checkpoint.DamagedCheckpointException;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Path;
import java.util.List;
import java.util.TreeMap;

/// Checkpoints that the ledger names.
public final class CheckpointFiles {

  private CheckpointFiles() {}

  /// The directory of a checkpoint whose every file is what the ledger says it is.
  ///
  /// @throws DamagedCheckpointException if one is not, or is missing
  public static Path verified(Manifest manifest) throws IOException {
    Path directory;
    try {
      directory = Path.of(URI.create(manifest.uri()));
    } catch (IllegalArgumentException | java.nio.file.FileSystemNotFoundException e) {
      throw new DamagedCheckpointException(
          Path.of("/"), "\"%s\" is no file URI: %s".formatted(manifest.uri(), e.getMessage()));
    }
    List<CheckpointDirectory.Problem> problems = CheckpointDirectory.verify(directory);
    if (!problems.isEmpty()) {
      CheckpointDirectory.Problem first = problems.getFirst();
      throw new DamagedCheckpointException(directory.resolve(first.file()), first.message());
    }
    // The directory is sound in itself; it must also be the one that was published.
    CheckpointManifest found = CheckpointManifest.read(directory);
    var expected = new TreeMap<String, FileDigest>();
    manifest
        .files()
        .forEach(file -> expected.put(file.name(), new FileDigest(file.bytes(), file.sha256())));
    if (!found.files().equals(expected)
        || !found.lineage().equals(manifest.lineage().hex())
        || found.step() != manifest.step()
        || found.batch() != manifest.batchOrZero()) {
      throw new DamagedCheckpointException(
          directory,
          "is version %d at step %d, batch %d, but the ledger names version %d at step %d, batch %d"
                  .formatted(
                      found.version(),
                      found.step(),
                      found.batch(),
                      manifest.version().value(),
                      manifest.step(),
                      manifest.batchOrZero())
              + " with other digests");
    }
    return directory;
  }
}
