package io.gradus.policy.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.gradus.policy.CharacterVocabulary;
import io.gradus.policy.ModelConfig;
import io.gradus.policy.PositionIds;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/// `config.json`, `generation_config.json`, `tokenizer.json` and `tokenizer_config.json` as
/// transformers writes and reads them.
///
/// Both styles of `config.json` are read: that of transformers 5 (`rope_parameters`, `dtype`) and
/// that of transformers 4 (`rope_theta`, `rope_scaling`, `torch_dtype`); written is the former,
/// with `rope_theta` beside it for readers of the latter. What a [ModelConfig] cannot say is
/// refused by name. The kind of position ids is ours (`gradus_position_ids`); transformers ignores
/// it, so whoever runs such a checkpoint there passes position ids.
public final class ConfigFiles {

  /// Shape of the model.
  public static final String CONFIG = "config.json";

  static final String GENERATION_CONFIG = "generation_config.json";
  static final String TOKENIZER = "tokenizer.json";
  static final String TOKENIZER_CONFIG = "tokenizer_config.json";
  private static final String POSITION_IDS = "gradus_position_ids";

  private ConfigFiles() {}

  /// The configuration of the checkpoint in `directory`.
  public static ModelConfig read(Path directory) throws IOException {
    Path file = directory.resolve(CONFIG);
    JsonNode json = Json.readObject(file);
    var reader = new Reader(file, json);
    reader.refuseUnlessLlama();
    int heads = reader.integer("num_attention_heads");
    int hidden = reader.integer("hidden_size");
    int vocabSize = reader.integer("vocab_size");
    try {
      return new ModelConfig(
          vocabSize,
          hidden,
          reader.integer("num_hidden_layers"),
          heads,
          reader.integer("num_key_value_heads", heads),
          reader.integer("head_dim", heads == 0 ? 0 : hidden / heads),
          reader.integer("intermediate_size"),
          reader.ropeTheta(),
          reader.number("rms_norm_eps", 1e-6),
          reader.flag("tie_word_embeddings"),
          reader.integer("max_position_embeddings", 2048),
          reader.positionIds(),
          vocabulary(directory, json, vocabSize));
    } catch (IllegalArgumentException e) {
      throw new DamagedCheckpointException(file, String.valueOf(e.getMessage()));
    }
  }

  /// Writes the four files into `directory`, without syncing them.
  public static void write(Path directory, ModelConfig config) throws IOException {
    CharacterVocabulary vocabulary = config.vocabulary();
    ObjectNode json = Json.PRETTY.createObjectNode();
    json.putArray("architectures").add("LlamaForCausalLM");
    json.put("model_type", "llama");
    json.put("vocab_size", config.vocabSize());
    json.put("hidden_size", config.hiddenSize());
    json.put("intermediate_size", config.feedForwardSize());
    json.put("num_hidden_layers", config.layers());
    json.put("num_attention_heads", config.heads());
    json.put("num_key_value_heads", config.keyValueHeads());
    json.put("head_dim", config.headDim());
    json.put("hidden_act", "silu");
    json.put("attention_bias", false);
    json.put("mlp_bias", false);
    json.put("attention_dropout", 0.0);
    json.put("max_position_embeddings", config.maxPositions());
    json.put("rms_norm_eps", config.rmsNormEpsilon());
    json.put("rope_theta", config.ropeTheta());
    ObjectNode rope = json.putObject("rope_parameters");
    rope.put("rope_theta", config.ropeTheta());
    rope.put("rope_type", "default");
    json.put("tie_word_embeddings", config.tiedEmbedding());
    json.put("dtype", "float32");
    json.put("bos_token_id", vocabulary.bos());
    json.put("eos_token_id", vocabulary.eos());
    json.put("pad_token_id", vocabulary.pad());
    json.put("use_cache", true);
    json.put(POSITION_IDS, config.positionIds().name().toLowerCase(Locale.ROOT));
    write(directory.resolve(CONFIG), json);

    ObjectNode generation = Json.PRETTY.createObjectNode();
    generation.put("bos_token_id", vocabulary.bos());
    generation.put("eos_token_id", vocabulary.eos());
    generation.put("pad_token_id", vocabulary.pad());
    write(directory.resolve(GENERATION_CONFIG), generation);
    write(directory.resolve(TOKENIZER), tokenizer(vocabulary));

    ObjectNode tokenizerConfig = Json.PRETTY.createObjectNode();
    tokenizerConfig.put("tokenizer_class", "PreTrainedTokenizerFast");
    tokenizerConfig.put("bos_token", vocabulary.tokens().get(vocabulary.bos()));
    tokenizerConfig.put("eos_token", vocabulary.tokens().get(vocabulary.eos()));
    tokenizerConfig.put("pad_token", vocabulary.tokens().get(vocabulary.pad()));
    tokenizerConfig.put("model_max_length", config.maxPositions());
    tokenizerConfig.put("clean_up_tokenization_spaces", false);
    write(directory.resolve(TOKENIZER_CONFIG), tokenizerConfig);
  }

  /// A byte-pair tokenizer without merges: one token a character, special tokens added.
  private static ObjectNode tokenizer(CharacterVocabulary vocabulary) {
    ObjectNode json = Json.PRETTY.createObjectNode();
    json.put("version", "1.0");
    json.putNull("truncation");
    json.putNull("padding");
    ArrayNode added = json.putArray("added_tokens");
    ObjectNode vocab = Json.PRETTY.createObjectNode();
    for (int id = 0; id < vocabulary.size(); id++) {
      String token = vocabulary.tokens().get(id);
      vocab.put(token, id);
      if (token.length() != 1) {
        ObjectNode special = added.addObject();
        special.put("id", id);
        special.put("content", token);
        special.put("single_word", false);
        special.put("lstrip", false);
        special.put("rstrip", false);
        special.put("normalized", false);
        special.put("special", true);
      }
    }
    json.putNull("normalizer");
    json.putNull("pre_tokenizer");
    json.putNull("post_processor");
    json.putObject("decoder").put("type", "Fuse");
    ObjectNode model = json.putObject("model");
    model.put("type", "BPE");
    model.putNull("dropout");
    model.putNull("unk_token");
    model.putNull("continuing_subword_prefix");
    model.putNull("end_of_word_suffix");
    model.put("fuse_unk", false);
    model.put("byte_fallback", false);
    model.set("vocab", vocab);
    model.putArray("merges");
    return json;
  }

  private static CharacterVocabulary vocabulary(Path directory, JsonNode config, int vocabSize)
      throws IOException {
    int eos = first(config.path("eos_token_id"), 0);
    int bos = first(config.path("bos_token_id"), eos);
    int pad = first(config.path("pad_token_id"), eos);
    Path file = directory.resolve(TOKENIZER);
    if (!Files.exists(file)) {
      return CharacterVocabulary.ofIds(vocabSize, bos, eos, pad);
    }
    JsonNode model = Json.readObject(file).path("model");
    boolean characters =
        model.path("type").asText().equals("BPE")
            && model.path("merges").isArray()
            && model.path("merges").isEmpty();
    if (!characters) {
      return CharacterVocabulary.ofIds(vocabSize, bos, eos, pad);
    }
    JsonNode vocab = model.path("vocab");
    List<String> tokens = new ArrayList<>(Collections.nCopies(vocab.size(), ""));
    for (Map.Entry<String, JsonNode> token : vocab.properties()) {
      int id = token.getValue().isInt() ? token.getValue().asInt() : -1;
      if (id < 0 || id >= tokens.size() || !tokens.get(id).isEmpty()) {
        throw new DamagedCheckpointException(
            file,
            "token %s has the id %s but ids must be 0 to %d, each once"
                .formatted(token.getKey(), token.getValue(), tokens.size() - 1));
      }
      tokens.set(id, token.getKey());
    }
    for (int id : new int[] {bos, eos, pad}) {
      if (id < 0 || id >= tokens.size()) {
        throw new DamagedCheckpointException(
            file, "special token id %d is not one of %d tokens".formatted(id, tokens.size()));
      }
    }
    try {
      return CharacterVocabulary.ofTokens(tokens, bos, eos, pad);
    } catch (IllegalArgumentException e) {
      throw new DamagedCheckpointException(file, String.valueOf(e.getMessage()));
    }
  }

  private static int first(JsonNode idOrIds, int otherwise) {
    JsonNode id = idOrIds.isArray() && !idOrIds.isEmpty() ? idOrIds.get(0) : idOrIds;
    return id.isInt() ? id.asInt() : otherwise;
  }

  private static void write(Path file, JsonNode json) throws IOException {
    SyncedFiles.write(file, Json.PRETTY.writeValueAsBytes(json));
  }

  /// Reads `config.json` and names what it cannot read.
  private record Reader(Path file, JsonNode json) {

    void refuseUnlessLlama() throws IOException {
      String type = json.path("model_type").asText();
      JsonNode architectures = json.path("architectures");
      String architecture = architectures.isEmpty() ? type : architectures.get(0).asText();
      if (!type.equals("llama")
          || !(architectures.isEmpty() || architecture.equals("LlamaForCausalLM"))) {
        throw new DamagedCheckpointException(
            file,
            "the architecture %s (model_type %s) is not supported; LlamaForCausalLM is"
                .formatted(architecture, type));
      }
      String activation = json.path("hidden_act").asText("silu");
      if (!activation.equals("silu")) {
        throw new DamagedCheckpointException(
            file, "hidden_act %s is not supported; silu is".formatted(activation));
      }
      for (String key : List.of("attention_bias", "mlp_bias")) {
        if (flag(key)) {
          throw new DamagedCheckpointException(file, key + " true is not supported; false is");
        }
      }
    }

    double ropeTheta() throws IOException {
      for (String key : List.of("rope_parameters", "rope_scaling")) {
        JsonNode rope = json.path(key);
        String type = rope.path("rope_type").asText(rope.path("type").asText("default"));
        if (!type.equals("default")) {
          throw new DamagedCheckpointException(
              file, "%s.rope_type %s is not supported; default is".formatted(key, type));
        }
        double partial = rope.path("partial_rotary_factor").asDouble(1);
        if (partial != 1) {
          throw new DamagedCheckpointException(
              file, "%s.partial_rotary_factor %s is not supported; 1 is".formatted(key, partial));
        }
      }
      JsonNode inParameters = json.path("rope_parameters").path("rope_theta");
      return inParameters.isNumber() ? inParameters.asDouble() : number("rope_theta", 10_000);
    }

    PositionIds positionIds() throws IOException {
      String name = json.path(POSITION_IDS).asText("sequential");
      return Arrays.stream(PositionIds.values())
          .filter(kind -> kind.name().toLowerCase(Locale.ROOT).equals(name))
          .findFirst()
          .orElseThrow(() ->
              new DamagedCheckpointException(
                  file,
                  "%s is %s but must be sequential or digit_coupled"
                      .formatted(POSITION_IDS, name)));
    }

    int integer(String key) throws IOException {
      JsonNode node = json.path(key);
      if (!node.isInt()) {
        throw new DamagedCheckpointException(
            file,
            node.isMissingNode()
                ? key + " is missing"
                : "%s is %s but must be an integer".formatted(key, node));
      }
      return node.asInt();
    }

    int integer(String key, int otherwise) throws IOException {
      return json.hasNonNull(key) ? integer(key) : otherwise;
    }

    double number(String key, double otherwise) throws IOException {
      JsonNode node = json.path(key);
      if (node.isMissingNode() || node.isNull()) {
        return otherwise;
      }
      if (!node.isNumber()) {
        throw new DamagedCheckpointException(
            file, "%s is %s but must be a number".formatted(key, node));
      }
      return node.asDouble();
    }

    boolean flag(String key) {
      return json.path(key).asBoolean(false);
    }
  }
}
