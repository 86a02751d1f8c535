package io.gradus.worker.weights;

import io.gradus.core.batch.BatchNumber;
import io.gradus.core.policy.Lineage;
import io.gradus.core.policy.Manifest;
import io.gradus.core.policy.Manifest.CheckpointFile;
import io.gradus.core.policy.PolicyVersion;
import io.gradus.learner.chunks.ChunkServerConfig;
import io.gradus.policy.AttentionShape;
import io.gradus.policy.CharacterVocabulary;
import io.gradus.policy.Decoder;
import io.gradus.policy.Initialization;
import io.gradus.policy.ModelConfig;
import io.gradus.policy.PositionIds;
import io.gradus.policy.Rope;
import io.gradus.policy.checkpoint.CheckpointDirectory;
import io.gradus.policy.checkpoint.CheckpointManifest;
import java.io.IOException;
import java.io.OutputStream;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.SplittableRandom;

/// A learner's checkpoint store, as a worker on another host knows it: manifests whose URIs lead
/// nowhere. Each checkpoint has a file of random bytes beside its weights, and an optimizer's
/// state.
public final class LearnerStore {

  public static final String RUN = "run-1";
  static final String BLOB = "blob.bin";
  public static final int CHUNK = 1 << 16;

  private final Path directory;

  public LearnerStore(Path directory) {
    this.directory = directory;
  }

  public Path path() {
    return directory;
  }

  public Manifest publish(long version, int blobBytes) throws IOException {
    var config =
        ModelConfig.llama(
            16,
            8,
            1,
            AttentionShape.llama(2, 1, 4, Rope.plain(10_000)),
            24,
            1e-5,
            true,
            64,
            PositionIds.DIGIT_COUPLED,
            CharacterVocabulary.ARITHMETIC);
    try (Decoder decoder = Decoder.initialize(config, new Initialization(0.5, true), version)) {
      var _ =
          CheckpointDirectory.write(
              directory.resolve(nameOf(version)),
              decoder,
              CheckpointManifest.of(version, 0, 1, 1, Lineage.root().hex(), 1, true),
              Map.of(
                  BLOB,
                  file -> write(file, version, blobBytes),
                  CheckpointDirectory.OPTIMIZER,
                  file -> write(file, -version, 100)));
    }
    return manifest(version);
  }

  /// The manifest of a version that was published.
  Manifest manifest(long version) throws IOException {
    CheckpointManifest written = CheckpointManifest.read(directory.resolve(nameOf(version)));
    return new Manifest(
        new PolicyVersion(version),
        1,
        Optional.of(new BatchNumber(1)),
        "file:///not/on/this/host/" + nameOf(version),
        written.files().entrySet().stream()
            .map(file ->
                new CheckpointFile(
                    file.getKey(), file.getValue().bytes(), file.getValue().sha256()))
            .toList(),
        Lineage.root(),
        true);
  }

  private static void write(Path file, long seed, int bytes) throws IOException {
    var random = new SplittableRandom(seed);
    var piece = new byte[1 << 16];
    try (OutputStream out = Files.newOutputStream(file)) {
      for (int left = bytes; left > 0; left -= piece.length) {
        random.nextBytes(piece);
        out.write(piece, 0, Math.min(left, piece.length));
      }
    }
  }

  public static String nameOf(long version) {
    return "v%08d-s00000001-e1".formatted(version);
  }

  Path blob(long version) {
    return directory.resolve(nameOf(version)).resolve(BLOB);
  }

  /// Damages a byte; twice mends it.
  void flip(long version, long position) throws IOException {
    try (var file = new RandomAccessFile(blob(version).toFile(), "rw")) {
      file.seek(position);
      int before = file.read();
      file.seek(position);
      file.write(before ^ 1);
    }
  }

  /// A server with small chunks on a free port, or on one that was free a moment ago.
  public static ChunkServerConfig server(int port, OptionalLong bytesPerSecond) {
    return new ChunkServerConfig(
        "127.0.0.1",
        port,
        ChunkServerConfig.Auth.LOOPBACK,
        Optional.empty(),
        64,
        bytesPerSecond,
        Duration.ofSeconds(20),
        Duration.ofSeconds(20),
        Duration.ofMillis(1),
        CHUNK);
  }
}
