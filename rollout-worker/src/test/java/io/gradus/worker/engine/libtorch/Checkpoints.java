package io.gradus.worker.engine.libtorch;

import io.gradus.core.batch.BatchNumber;
import io.gradus.core.policy.Lineage;
import io.gradus.core.policy.Manifest;
import io.gradus.core.policy.Manifest.CheckpointFile;
import io.gradus.core.policy.PolicyVersion;
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
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;

/// Checkpoints of small random decoders.
final class Checkpoints {

  private Checkpoints() {}

  static ModelConfig config(int hiddenSize) {
    return ModelConfig.llama(
        16,
        hiddenSize,
        2,
        AttentionShape.llama(2, 1, hiddenSize / 2, Rope.plain(10_000)),
        3 * hiddenSize,
        1e-5,
        true,
        64,
        PositionIds.DIGIT_COUPLED,
        CharacterVocabulary.ARITHMETIC);
  }

  /// A decoder whose answers differ: its embeddings are large, so its logits are far apart.
  static Decoder decoder(ModelConfig config, long seed) {
    return Decoder.initialize(config, new Initialization(0.5, true), seed);
  }

  /// Writes a version whose weights are drawn from its number.
  static Manifest write(Path store, ModelConfig config, long version) throws IOException {
    try (Decoder decoder = decoder(config, version)) {
      return write(store, decoder, version);
    }
  }

  static Manifest write(Path store, Decoder decoder, long version) throws IOException {
    Path directory = store.resolve("v%08d-s00000001-e1".formatted(version));
    CheckpointManifest written =
        CheckpointDirectory.write(
            directory,
            decoder,
            CheckpointManifest.of(version, 0, 1, 1, Lineage.root().hex(), 1, false),
            Map.of());
    return new Manifest(
        new PolicyVersion(version),
        1,
        Optional.of(new BatchNumber(1)),
        directory.toUri().toString(),
        written.files().entrySet().stream()
            .map(file ->
                new CheckpointFile(
                    file.getKey(), file.getValue().bytes(), file.getValue().sha256()))
            .toList(),
        Lineage.root(),
        false);
  }
}
