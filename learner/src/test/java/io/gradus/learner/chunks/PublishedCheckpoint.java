package io.gradus.learner.chunks;

import io.gradus.core.policy.Lineage;
import io.gradus.policy.AttentionShape;
import io.gradus.policy.CharacterVocabulary;
import io.gradus.policy.Decoder;
import io.gradus.policy.Initialization;
import io.gradus.policy.ModelConfig;
import io.gradus.policy.PositionIds;
import io.gradus.policy.Rope;
import io.gradus.policy.checkpoint.CheckpointDirectory;
import io.gradus.policy.checkpoint.CheckpointDirectory.FileWriter;
import io.gradus.policy.checkpoint.CheckpointManifest;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;
import java.util.Objects;

/// A checkpoint with one file more than a policy has, of any size.
final class PublishedCheckpoint {

  static final String NAME = "v00000001-s00000001-e1";
  static final String BLOB = "blob.bin";

  private PublishedCheckpoint() {}

  /// Returns the digest of that file.
  static String write(Path store, FileWriter blob) throws IOException {
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
    try (Decoder decoder = Decoder.initialize(config, new Initialization(0.5, true), 1)) {
      CheckpointManifest written =
          CheckpointDirectory.write(
              store.resolve(NAME),
              decoder,
              CheckpointManifest.of(1, 0, 1, 1, Lineage.root().hex(), 1, false),
              Map.of(BLOB, blob));
      return Objects.requireNonNull(written.files().get(BLOB)).sha256();
    }
  }
}
