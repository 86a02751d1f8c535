package io.gradus.cli;

import static io.gradus.cli.CommandLines.gradus;
import static org.assertj.core.api.Assertions.assertThat;

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
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CheckpointVerifyCommandTest {

  @TempDir Path parent;

  private Path checkpoint;

  @BeforeEach
  void write() throws IOException {
    checkpoint = parent.resolve("v00000037-s00000120-e1");
    var config =
        ModelConfig.llama(
            CharacterVocabulary.ARITHMETIC.size(),
            16,
            1,
            AttentionShape.llama(2, 2, 8, Rope.plain(100)),
            16,
            1e-5,
            true,
            64,
            PositionIds.DIGIT_COUPLED,
            CharacterVocabulary.ARITHMETIC);
    try (Decoder decoder = Decoder.initialize(config, new Initialization(0.1, true), 1)) {
      CheckpointDirectory.write(
          checkpoint, decoder, CheckpointManifest.of(37, 36, 120, 120, "abc", 1, false), Map.of());
    }
  }

  @Test
  void saysThatASoundOneIsSound() {
    CommandLines.Result result = gradus("checkpoint", "verify", checkpoint.toString());

    assertThat(result.out()).isEqualTo(checkpoint + " is sound: version 37, step 120, batch 120\n");
    assertThat(result.status()).isEqualTo(0);
  }

  @Test
  void namesTheFileWithOneFlippedBit() throws IOException {
    Path model = checkpoint.resolve("model.safetensors");
    byte[] bytes = Files.readAllBytes(model);
    bytes[bytes.length - 7] ^= 1;
    Files.write(model, bytes);

    gradus("checkpoint", "verify", checkpoint.toString())
        .isRefusedWith(1, model + ": its SHA-256 is not the one that was written");
  }

  @Test
  void namesATruncatedFile() throws IOException {
    Path model = checkpoint.resolve("model.safetensors");
    Files.write(model, Arrays.copyOf(Files.readAllBytes(model), 100));

    CommandLines.Result result = gradus("checkpoint", "verify", checkpoint.toString());

    assertThat(result.err()).contains(model + ": has 100 bytes but");
    assertThat(result.status()).isEqualTo(1);
  }

  @Test
  void survivesAHostileHeader() throws IOException {
    Path model = checkpoint.resolve("model.safetensors");
    byte[] bytes = Files.readAllBytes(model);
    Arrays.fill(bytes, 0, 8, (byte) 0x7F);
    Files.write(model, bytes);

    CommandLines.Result result = gradus("checkpoint", "verify", "--json", checkpoint.toString());

    assertThat(result.out()).contains("\"sound\":false").contains("\"file\":\"model.safetensors\"");
    assertThat(result.status()).isEqualTo(1);
  }

  @Test
  void refusesWhatIsNoDirectory() {
    gradus("checkpoint", "verify", "/nowhere").isRefusedWith(2, "/nowhere is not a directory");
  }
}
