package io.gradus.policy.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.gradus.policy.AttentionShape;
import io.gradus.policy.CharacterVocabulary;
import io.gradus.policy.Decoder;
import io.gradus.policy.Family;
import io.gradus.policy.ModelConfig;
import io.gradus.policy.PositionIds;
import io.gradus.policy.Rope;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class ModelFamiliesTest {

  private static final Path SHARDED =
      Path.of("src", "test", "resources", "models", "qwen3-qknorm-sharded");

  @TempDir Path directory;

  private static ModelConfig config(
      Family family,
      boolean inputBias,
      boolean outputBias,
      boolean feedForwardBias,
      List<Integer> windows,
      Rope.Scaling scaling) {
    return new ModelConfig(
        family,
        16,
        24,
        3,
        new AttentionShape(
            4,
            2,
            10,
            new Rope(500, scaling),
            inputBias,
            outputBias,
            family.hasHeadNorms(),
            windows),
        40,
        feedForwardBias,
        1e-6,
        true,
        128,
        PositionIds.SEQUENTIAL,
        CharacterVocabulary.ARITHMETIC);
  }

  static Stream<ModelConfig> configs() {
    var plain = new Rope.Scaling.None();
    return Stream.of(
        config(Family.LLAMA, false, false, false, List.of(), plain),
        config(Family.LLAMA, true, true, true, List.of(), new Rope.Scaling.Linear(2)),
        config(Family.LLAMA, false, false, false, List.of(), new Rope.Scaling.Llama3(8, 1, 4, 64)),
        config(Family.MISTRAL, false, false, false, List.of(), plain),
        config(Family.MISTRAL, false, false, false, List.of(7, 7, 7), plain),
        config(Family.QWEN2, true, false, false, List.of(), new Rope.Scaling.Dynamic(4)),
        config(Family.QWEN2, true, false, false, List.of(0, 7, 0), plain),
        config(Family.QWEN3, false, false, false, List.of(), plain),
        config(Family.QWEN3, true, true, false, List.of(0, 0, 7), plain));
  }

  @ParameterizedTest
  @MethodSource("configs")
  void readsWhatItWrote(ModelConfig config) throws IOException {
    Path checkpoint = directory.resolve("checkpoint");
    try (Decoder decoder = Decoder.zeros(config)) {
      CheckpointDirectory.write(
          checkpoint, decoder, CheckpointManifest.of(1, 0, 0, 0, "", 1, false), Map.of());
    }
    assertThat(CheckpointDirectory.verify(checkpoint)).isEmpty();
    try (Decoder read = Decoder.load(checkpoint)) {
      assertThat(read.config()).isEqualTo(config);
    }
  }

  @Test
  void knowsWhatQwenLeavesUnsaid() throws IOException {
    ModelConfig read =
        read(
            """
            {"model_type":"qwen2","vocab_size":16,"hidden_size":24,"intermediate_size":40,
             "num_hidden_layers":3,"num_attention_heads":4,"num_key_value_heads":2,
             "sliding_window":9,"use_sliding_window":true,"max_window_layers":1}\
            """);
    assertThat(read.attention().inputBias()).isTrue();
    assertThat(read.attention().outputBias()).isFalse();
    assertThat(read.attention().headDim()).isEqualTo(6);
    assertThat(read.attention().windows()).containsExactly(0, 9, 9);
    assertThat(read.attention().rope()).isEqualTo(Rope.plain(10_000));
  }

  @Test
  void looksAtAllWhereMistralHasNoWindow() throws IOException {
    ModelConfig read =
        read(
            """
            {"model_type":"mistral","vocab_size":16,"hidden_size":32,"intermediate_size":40,
             "num_hidden_layers":1,"num_attention_heads":8,"sliding_window":null}\
            """);
    assertThat(read.attention().windows()).isEmpty();
    assertThat(read.attention().keyValueHeads()).isEqualTo(8);
  }

  private ModelConfig read(String config) throws IOException {
    Files.writeString(directory.resolve(ConfigFiles.CONFIG), config);
    return ConfigFiles.read(directory);
  }

  static Stream<Arguments> refused() {
    return Stream.of(
        refused(
            "GemmaForCausalLM (model_type gemma) is not supported",
            json -> {
              json.put("model_type", "gemma");
              json.putArray("architectures").add("GemmaForCausalLM");
            }),
        refused(
            "Qwen3ForSequenceClassification",
            json -> json.putArray("architectures").add("Qwen3ForSequenceClassification")),
        refused("hidden_act gelu_new is not supported", json -> json.put("hidden_act", "gelu_new")),
        refused(
            "quantization_config with quant_method awq",
            json -> json.putObject("quantization_config").put("quant_method", "awq")),
        refused(
            "rope_parameters.rope_type yarn is not supported",
            json -> json.putObject("rope_parameters").put("rope_type", "yarn")),
        refused(
            "rope_parameters for each type of layer is not supported",
            json ->
                json.putObject("rope_parameters")
                    .putObject("full_attention")
                    .put("rope_theta", 10)),
        refused(
            "partial_rotary_factor 0.5 is not supported",
            json -> json.putObject("rope_parameters").put("partial_rotary_factor", 0.5)),
        refused(
            "the rope has factor",
            json -> json.putObject("rope_parameters").put("rope_type", "linear")),
        refused(
            "rope_theta is 0.5", json -> json.putObject("rope_parameters").put("rope_theta", 0.5)),
        refused(
            "\"chunked_attention\", which is not supported",
            json -> json.putArray("layer_types").add("chunked_attention").add("full_attention")),
        refused(
            "without a sliding window all layers are full_attention",
            json -> json.putArray("layer_types").add("sliding_attention").add("full_attention")),
        refused(
            "layer_types has 1 entries but num_hidden_layers is 2",
            json -> json.putArray("layer_types").add("full_attention")),
        refused(
            "sliding_window is -1",
            json -> json.put("use_sliding_window", true).put("sliding_window", -1)),
        refused("mlp_bias true is not supported for qwen3", json -> json.put("mlp_bias", true)),
        refused("num_key_value_heads is 3", json -> json.put("num_key_value_heads", 3)),
        refused("num_attention_heads is \"4\"", json -> json.put("num_attention_heads", "4")),
        refused("head_dim is 31", json -> json.put("head_dim", 31)),
        refused("vocab_size is 0", json -> json.put("vocab_size", 0)),
        refused("intermediate_size is missing", json -> json.remove("intermediate_size")),
        refused("rms_norm_eps is 2", json -> json.put("rms_norm_eps", 2)));
  }

  private static Arguments refused(String problem, Consumer<ObjectNode> change) {
    return Arguments.of(problem, change);
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("refused")
  void refusesByNameBeforeItReadsWeights(String problem, Consumer<ObjectNode> change)
      throws IOException {
    var json = (ObjectNode) Json.MAPPER.readTree(SHARDED.resolve(ConfigFiles.CONFIG).toFile());
    change.accept(json);
    Files.write(directory.resolve(ConfigFiles.CONFIG), Json.MAPPER.writeValueAsBytes(json));

    assertThatExceptionOfType(DamagedCheckpointException.class)
        .isThrownBy(() -> Decoder.load(directory).close())
        .withMessageContaining("config.json")
        .withMessageContaining(problem);
  }

  @Test
  void namesWhatIsWrongWithShards() throws IOException {
    copyOf(SHARDED);
    Path index = directory.resolve(WeightFiles.INDEX);
    String written = Files.readString(index);
    try (Decoder decoder = Decoder.load(directory)) {
      assertThat(decoder.parameters()).isNotEmpty();
    }

    Files.writeString(index, written.replace("model-00001-of", "../model-00001-of"));
    assertDamaged("which is no safetensors file of this directory");
    Files.writeString(index, written.replace("model-00001-of", "model-00009-of"));
    assertDamaged("model-00009-of-00004.safetensors: is missing");
    Files.writeString(index, written.replace("\"model.norm.weight\"", "\"model.norms.weight\""));
    assertDamaged("has no tensor model.norms.weight");
    Files.writeString(index, "{}");
    assertDamaged("has no weight_map");

    Files.writeString(index, written);
    Files.copy(
        directory.resolve("model-00001-of-00004.safetensors"),
        directory.resolve("model-00002-of-00004.safetensors"),
        java.nio.file.StandardCopyOption.REPLACE_EXISTING);
    assertDamaged("which is in model-00001-of-00004.safetensors as well");
    Files.delete(index);
    assertDamaged("is missing, and so is model.safetensors.index.json");
  }

  private void assertDamaged(String problem) {
    assertThatExceptionOfType(DamagedCheckpointException.class)
        .isThrownBy(() -> Decoder.load(directory).close())
        .withMessageContaining(problem);
  }

  private void copyOf(Path model) throws IOException {
    try (Stream<Path> files = Files.list(model)) {
      for (Path file : files.toList()) {
        Files.copy(file, directory.resolve(file.getFileName()));
      }
    }
  }
}
