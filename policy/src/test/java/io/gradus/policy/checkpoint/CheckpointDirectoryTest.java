package io.gradus.policy.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import io.gradus.policy.CharacterVocabulary;
import io.gradus.policy.Decoder;
import io.gradus.policy.ModelConfig;
import io.gradus.policy.PositionIds;
import io.gradus.policy.ReferenceDecoder;
import io.gradus.policy.checkpoint.CheckpointDirectory.Problem;
import io.gradus.policy.training.OptimizerConfig;
import io.gradus.policy.training.Trainer;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CheckpointDirectoryTest {

  private static final ModelConfig CONFIG =
      ReferenceDecoder.smallConfig(16, 2, 2, true, PositionIds.DIGIT_COUPLED);

  @TempDir private Path parent;
  private Path checkpoint;

  @BeforeEach
  void writeACheckpoint() throws IOException {
    checkpoint = parent.resolve("v00000037-s00000120-e1");
    Decoder decoder = ReferenceDecoder.decoderWithGains(CONFIG, 21);
    try (var trainer = new Trainer(decoder, OptimizerConfig.defaults(), 1)) {
      CheckpointDirectory.write(
          checkpoint,
          decoder,
          CheckpointManifest.of(37, 36, 120, 12, "abc", 1, true),
          Map.of(
              CheckpointDirectory.OPTIMIZER,
              file -> trainer.saveOptimizer(file, Map.of("note", "x"))));
    }
  }

  @Test
  void readsBackTheSameModel() throws IOException {
    try (Decoder written = ReferenceDecoder.decoderWithGains(CONFIG, 21);
        Decoder read = Decoder.load(checkpoint)) {
      assertThat(read.config()).isEqualTo(CONFIG);
      assertThat(ReferenceDecoder.doubles(read.weights().flat()))
          .isEqualTo(ReferenceDecoder.doubles(written.weights().flat()));
    }
    CheckpointManifest manifest = CheckpointManifest.read(checkpoint);
    assertThat(manifest.version()).isEqualTo(37);
    assertThat(manifest.lineage()).isEqualTo("abc");
    assertThat(manifest.files().keySet())
        .containsExactly(
            "config.json",
            "generation_config.json",
            "model.safetensors",
            "optimizer.safetensors",
            "tokenizer.json",
            "tokenizer_config.json");
    assertThat(CheckpointDirectory.verify(checkpoint)).isEmpty();
    try (Stream<Path> files = Files.list(parent)) {
      assertThat(files).as("nothing temporary is left").containsExactly(checkpoint);
    }
  }

  @Test
  void isNeverOverwritten() {
    try (Decoder decoder = ReferenceDecoder.decoderWithGains(CONFIG, 22)) {
      assertThatExceptionOfType(FileAlreadyExistsException.class)
          .isThrownBy(() ->
              CheckpointDirectory.write(
                  checkpoint, decoder, CheckpointManifest.of(1, 0, 1, 1, "", 1, false), Map.of()));
    }
  }

  @Test
  void leavesNothingUnderItsNameWhenWritingFails() {
    Path failed = parent.resolve("failed");
    try (Decoder decoder = ReferenceDecoder.decoderWithGains(CONFIG, 22)) {
      assertThatExceptionOfType(IOException.class)
          .isThrownBy(() ->
              CheckpointDirectory.write(
                  failed,
                  decoder,
                  CheckpointManifest.of(1, 0, 1, 1, "", 1, false),
                  Map.of(
                      "extra",
                      _ -> {
                        throw new IOException("disk full");
                      })));
    }
    assertThat(failed).doesNotExist();
  }

  @Test
  void namesAFlippedByte() throws IOException {
    change(
        CheckpointDirectory.MODEL,
        bytes -> {
          bytes[bytes.length - 5] ^= 1;
          return bytes;
        });

    assertThat(CheckpointDirectory.verify(checkpoint))
        .containsExactly(
            new Problem(CheckpointDirectory.MODEL, "its SHA-256 is not the one that was written"));
  }

  @Test
  void namesATruncatedFile() throws IOException {
    change(CheckpointDirectory.MODEL, bytes -> Arrays.copyOf(bytes, bytes.length / 2));

    assertProblem(CheckpointDirectory.MODEL, "bytes but");
    assertProblem(CheckpointDirectory.MODEL, "bytes of data");
  }

  @Test
  void namesAMissingFileAndAFileTooMany() throws IOException {
    Files.move(checkpoint.resolve("tokenizer.json"), checkpoint.resolve("other.json"));

    assertProblem("tokenizer.json", "is missing");
    assertProblem("other.json", "is not in the manifest");
  }

  @Test
  void namesAMissingTensorAndAWrongShape() throws IOException {
    var tensors = new LinkedHashMap<String, Tensor>();
    try (Decoder decoder = Decoder.load(checkpoint);
        Tensor wrong = torch.zeros(12, 12)) {
      tensors.putAll(decoder.parameters());
      tensors.remove("model.norm.weight");
      tensors.put("model.layers.0.mlp.up_proj.weight", wrong);
      tensors.put("model.extra", wrong);
      Safetensors.write(checkpoint.resolve(CheckpointDirectory.MODEL), tensors, Map.of());
    }

    assertProblem(CheckpointDirectory.MODEL, "tensor model.norm.weight is missing");
    assertProblem(
        CheckpointDirectory.MODEL,
        "tensor model.layers.0.mlp.up_proj.weight has shape [12, 12] but must have [10, 12]");
    assertProblem(CheckpointDirectory.MODEL, "tensor model.extra is not part of the model");
    assertThatExceptionOfType(DamagedCheckpointException.class)
        .isThrownBy(() -> Decoder.load(checkpoint).close())
        .withMessageContaining("model.layers.0.mlp.up_proj.weight has shape");
  }

  @Test
  void namesAHostileHeaderLength() throws IOException {
    change(
        CheckpointDirectory.MODEL,
        bytes -> {
          ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).putLong(0, Long.MAX_VALUE - 7);
          return bytes;
        });

    assertProblem(CheckpointDirectory.MODEL, "says that its header has 9223372036854775800 bytes");
  }

  @Test
  void namesAChangedManifest() throws IOException {
    Path file = checkpoint.resolve("gradus.json");
    Files.writeString(file, Files.readString(file).replace("\"step\" : 120", "\"step\" : 121"));

    assertProblem("gradus.json", "its digest does not match its content");

    Files.delete(file);
    assertProblem("gradus.json", "is missing");
  }

  @Test
  void namesADamagedConfig() throws IOException {
    change("config.json", bytes -> Arrays.copyOf(bytes, 40));

    assertProblem("config.json", "is not sound JSON");
  }

  @Test
  void readsConfigsOfBothStylesAndRefusesWhatItCannotDo() throws IOException {
    Path file = checkpoint.resolve("config.json");
    String written = Files.readString(file);
    Files.writeString(
        file,
        """
        {"architectures":["LlamaForCausalLM"],"model_type":"llama","vocab_size":16,"hidden_size":24,
         "intermediate_size":10,"num_hidden_layers":1,"num_attention_heads":4,"rope_theta":500.0,
         "rope_scaling":null,"torch_dtype":"bfloat16","eos_token_id":[12,3],"rms_norm_eps":1e-6}\
        """);
    ModelConfig old = ConfigFiles.read(checkpoint);
    assertThat(old.attention().keyValueHeads()).isEqualTo(4);
    assertThat(old.attention().headDim()).isEqualTo(6);
    assertThat(old.attention().rope().theta()).isEqualTo(500);
    assertThat(old.tiedEmbedding()).isFalse();
    assertThat(old.positionIds()).isEqualTo(PositionIds.SEQUENTIAL);
    assertThat(old.vocabulary().eos()).isEqualTo(12);

    assertRefused(written.replace("\"default\"", "\"yarn\""), "rope_type yarn is not supported");
    assertRefused(written.replace("\"silu\"", "\"gelu\""), "hidden_act gelu is not supported");
    assertRefused(written.replace("digit_coupled", "random"), "gradus_position_ids is random");
    assertRefused(written.replace("\"hidden_size\"", "\"hidden\""), "hidden_size is missing");
    assertRefused(written.replace("\"head_dim\" : 6", "\"head_dim\" : 5"), "head_dim is 5");
  }

  @Test
  void keepsAnotherAlphabet() throws IOException {
    CharacterVocabulary vocabulary = CharacterVocabulary.of("0123456789+=#!*");
    ModelConfig config =
        ReferenceDecoder.smallConfig(17, 1, 2, false, PositionIds.SEQUENTIAL)
            .withVocabulary(vocabulary);
    Path other = parent.resolve("other");
    try (Decoder decoder = Decoder.zeros(config)) {
      CheckpointDirectory.write(
          other, decoder, CheckpointManifest.of(1, 0, 0, 0, "", 1, false), Map.of());
    }
    try (Decoder read = Decoder.load(other)) {
      assertThat(read.config().vocabulary()).isEqualTo(vocabulary);
      assertThat(read.config().vocabulary().encode("9*")).containsExactly(9, 16);
    }
  }

  private void assertRefused(String config, String problem) throws IOException {
    Files.writeString(checkpoint.resolve("config.json"), config);
    assertThatExceptionOfType(DamagedCheckpointException.class)
        .isThrownBy(() -> ConfigFiles.read(checkpoint))
        .withMessageContaining(problem);
  }

  private void change(String name, UnaryOperator<byte[]> damage) throws IOException {
    Path file = checkpoint.resolve(name);
    Files.write(file, damage.apply(Files.readAllBytes(file)));
  }

  private void assertProblem(String file, String message) {
    List<Problem> problems = CheckpointDirectory.verify(checkpoint);
    assertThat(problems)
        .as("problems with %s", file)
        .anyMatch(p -> p.file().equals(file) && p.message().contains(message));
  }
}
