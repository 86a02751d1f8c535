package io.gradus.benchmarks;

import io.gradus.core.batch.BatchNumber;
import io.gradus.core.policy.Lineage;
import io.gradus.core.policy.Manifest;
import io.gradus.core.policy.Manifest.CheckpointFile;
import io.gradus.core.policy.PolicyVersion;
import io.gradus.policy.Decoder;
import io.gradus.policy.checkpoint.CheckpointDirectory;
import io.gradus.policy.checkpoint.CheckpointManifest;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import java.util.SplittableRandom;

/// A checkpoint of a tiny policy with a large file beside its weights.
final class PublishedBytes {

  static final String RUN = "run-1";
  static final String NAME = "v00000001-s00000001-e1";

  /// The large file.
  static final String FILE = "bytes.bin";

  private PublishedBytes() {}

  /// Writes it, unless it is there.
  static void write(Path store, long bytes) throws IOException {
    if (Files.exists(store.resolve(NAME))) {
      return;
    }
    Files.createDirectories(store);
    try (Decoder decoder = AdditionModel.decoder()) {
      var _ =
          CheckpointDirectory.write(
              store.resolve(NAME),
              decoder,
              CheckpointManifest.of(1, 0, 1, 1, Lineage.root().hex(), 1, false),
              Map.of(FILE, file -> fill(file, bytes)));
    }
  }

  private static void fill(Path file, long bytes) throws IOException {
    var random = new SplittableRandom(7);
    var piece = new byte[1 << 20];
    try (OutputStream out = Files.newOutputStream(file)) {
      for (long left = bytes; left > 0; left -= piece.length) {
        random.nextBytes(piece);
        out.write(piece, 0, (int) Math.min(left, piece.length));
      }
    }
  }

  /// As a worker hears of it that does not see the store.
  static Manifest manifest(Path store) throws IOException {
    CheckpointManifest written = CheckpointManifest.read(store.resolve(NAME));
    return new Manifest(
        new PolicyVersion(1),
        1,
        Optional.of(new BatchNumber(1)),
        "file:///not/on/this/host/" + NAME,
        written.files().entrySet().stream()
            .map(file ->
                new CheckpointFile(
                    file.getKey(), file.getValue().bytes(), file.getValue().sha256()))
            .toList(),
        Lineage.root(),
        false);
  }
}
