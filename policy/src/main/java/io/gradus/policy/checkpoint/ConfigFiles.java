package io.gradus.policy.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.gradus.policy.AttentionShape;
import io.gradus.policy.CharacterVocabulary;
import io.gradus.policy.Family;
import io.gradus.policy.ModelConfig;
import io.gradus.policy.PositionIds;
import io.gradus.policy.Rope;
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

  /// Types of layers.
  private static final String FULL = "full_attention";

  private static final String SLIDING = "sliding_attention";

  private ConfigFiles() {}

  /// The configuration of the checkpoint in `directory`.
  public static ModelConfig read(Path directory) throws IOException {
    Path file = directory.resolve(CONFIG);
    JsonNode json = Json.readObject(file);
    var reader = new Reader(file, json);
    Family family = reader.family();
    int hidden = reader.integer("hidden_size");
    int vocabSize = reader.integer("vocab_size");
    int layers = reader.integer("num_hidden_layers");
    try {
      return new ModelConfig(
          family,
          vocabSize,
          hidden,
          layers,
          reader.attention(family, hidden, layers),
          reader.integer("intermediate_size"),
          reader.has(family.feedForwardBias(), "mlp_bias"),
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
    Family family = config.family();
    AttentionShape attention = config.attention();
    json.putArray("architectures").add(family.architecture());
    json.put("model_type", family.modelType());
    json.put("vocab_size", config.vocabSize());
    json.put("hidden_size", config.hiddenSize());
    json.put("intermediate_size", config.feedForwardSize());
    json.put("num_hidden_layers", config.layers());
    json.put("num_attention_heads", attention.heads());
    json.put("num_key_value_heads", attention.keyValueHeads());
    json.put("head_dim", attention.headDim());
    json.put("hidden_act", "silu");
    if (family.inputBias() == Family.Part.BY_CONFIG) {
      json.put("attention_bias", attention.inputBias());
    }
    if (family.feedForwardBias() == Family.Part.BY_CONFIG) {
      json.put("mlp_bias", config.feedForwardBias());
    }
    writeWindows(json, family, attention);
    json.put("attention_dropout", 0.0);
    json.put("max_position_embeddings", config.maxPositions());
    json.put("rms_norm_eps", config.rmsNormEpsilon());
    writeRope(json, attention.rope());
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

  private static void writeWindows(ObjectNode json, Family family, AttentionShape attention) {
    int window = attention.windows().stream().mapToInt(Integer::intValue).max().orElse(0);
    if (family.windows() == Family.Windows.NONE) {
      return;
    }
    if (window == 0) {
      json.putNull("sliding_window");
    } else {
      json.put("sliding_window", window);
    }
    if (family.windows() == Family.Windows.SOME_LAYERS) {
      json.put("use_sliding_window", window > 0);
      if (window > 0) {
        ArrayNode types = json.putArray("layer_types");
        attention.windows().forEach(size -> types.add(size > 0 ? SLIDING : FULL));
      }
    }
  }

  /// As transformers 5 reads it, and beside it as transformers 4 does.
  private static void writeRope(ObjectNode json, Rope rope) {
    ObjectNode five = json.putObject("rope_parameters");
    five.put("rope_theta", rope.theta());
    writeScaling(five, rope.scaling());
    json.put("rope_theta", rope.theta());
    if (!(rope.scaling() instanceof Rope.Scaling.None)) {
      writeScaling(json.putObject("rope_scaling"), rope.scaling());
    }
  }

  private static void writeScaling(ObjectNode json, Rope.Scaling scaling) {
    switch (scaling) {
      case Rope.Scaling.None() -> json.put("rope_type", "default");
      case Rope.Scaling.Linear(var factor) -> json.put("rope_type", "linear").put("factor", factor);
      case Rope.Scaling.Dynamic(var factor) ->
          json.put("rope_type", "dynamic").put("factor", factor);
      case Rope.Scaling.Llama3(var factor, var low, var high, var positions) ->
          json.put("rope_type", "llama3")
              .put("factor", factor)
              .put("low_freq_factor", low)
              .put("high_freq_factor", high)
              .put("original_max_position_embeddings", positions);
    }
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

    /// The family, once it is clear that nothing in the file is beyond it.
    Family family() throws IOException {
      String type = json.path("model_type").asText();
      JsonNode architectures = json.path("architectures");
      String architecture = architectures.isEmpty() ? "" : architectures.get(0).asText();
      Family family =
          Family.ofModelType(type)
              .filter(known -> architecture.isEmpty() || architecture.equals(known.architecture()))
              .orElseThrow(() ->
                  new DamagedCheckpointException(
                      file,
                      "the architecture %s (model_type %s) is not supported; supported are %s"
                          .formatted(
                              architecture.isEmpty() ? "that is not named" : architecture,
                              type,
                              Family.architectures())));
      String activation = json.path("hidden_act").asText("silu");
      if (!activation.equals("silu") && !activation.equals("swish")) {
        throw new DamagedCheckpointException(
            file, "hidden_act %s is not supported; silu is".formatted(activation));
      }
      for (String key : List.of("quantization_config", "compression_config")) {
        if (json.hasNonNull(key)) {
          throw new DamagedCheckpointException(
              file,
              "%s with quant_method %s is not supported; weights are F32, BF16 or F16"
                  .formatted(key, json.path(key).path("quant_method").asText("unnamed")));
        }
      }
      for (String key : List.of("attention_bias", "mlp_bias")) {
        boolean isRead =
            key.equals("mlp_bias")
                ? family.feedForwardBias() == Family.Part.BY_CONFIG
                : family.inputBias() == Family.Part.BY_CONFIG;
        if (flag(key) && !isRead) {
          throw new DamagedCheckpointException(
              file, "%s true is not supported for %s; false is".formatted(key, type));
        }
      }
      return family;
    }

    boolean has(Family.Part part, String key) {
      return switch (part) {
        case NEVER -> false;
        case ALWAYS -> true;
        case BY_CONFIG -> flag(key);
      };
    }

    AttentionShape attention(Family family, int hidden, int layers) throws IOException {
      int heads = integer("num_attention_heads");
      return new AttentionShape(
          heads,
          integer("num_key_value_heads", family.defaultKeyValueHeads(heads)),
          integer("head_dim", defaultHeadDim(family, hidden, heads)),
          rope(),
          has(family.inputBias(), "attention_bias"),
          has(family.outputBias(), "attention_bias"),
          family.hasHeadNorms(),
          windows(family, layers));
    }

    private static int defaultHeadDim(Family family, int hidden, int heads) {
      // Qwen3 alone has a width of its own, whatever the model's.
      return family == Family.QWEN3 ? 128 : heads == 0 ? 0 : hidden / heads;
    }

    /// For each layer how far it looks back; empty: no layer has a window.
    private List<Integer> windows(Family family, int layers) throws IOException {
      boolean isUsed =
          switch (family.windows()) {
            case NONE -> false;
            case ALL_LAYERS -> json.hasNonNull("sliding_window");
            case SOME_LAYERS -> json.hasNonNull("sliding_window") && flag("use_sliding_window");
          };
      JsonNode types = json.path("layer_types");
      if (types.isArray()) {
        if (types.size() != layers) {
          throw new DamagedCheckpointException(
              file,
              "layer_types has %d entries but num_hidden_layers is %d"
                  .formatted(types.size(), layers));
        }
        for (JsonNode type : types) {
          boolean isKnown = type.asText().equals(FULL) || (isUsed && type.asText().equals(SLIDING));
          if (!isKnown) {
            throw new DamagedCheckpointException(
                file,
                "layer_types has %s, which is not supported here; %s"
                    .formatted(
                        type,
                        isUsed
                            ? FULL + " and " + SLIDING + " are"
                            : "without a sliding window all layers are " + FULL));
          }
        }
      }
      if (!isUsed) {
        return List.of();
      }
      int window = integer("sliding_window");
      if (window < 1) {
        throw new DamagedCheckpointException(
            file, "sliding_window is %d but must be at least 1".formatted(window));
      }
      int firstWithWindow =
          family.windows() == Family.Windows.SOME_LAYERS ? integer("max_window_layers", 28) : 0;
      var windows = new ArrayList<Integer>();
      for (int layer = 0; layer < layers; layer++) {
        boolean isSliding =
            types.isArray() ? types.get(layer).asText().equals(SLIDING) : layer >= firstWithWindow;
        windows.add(isSliding ? window : 0);
      }
      return windows;
    }

    private Rope rope() throws IOException {
      JsonNode parameters = json.path("rope_parameters");
      String key = parameters.isObject() ? "rope_parameters" : "rope_scaling";
      JsonNode rope = json.path(key);
      if (rope.isObject() && rope.properties().stream().anyMatch(e -> e.getValue().isObject())) {
        throw new DamagedCheckpointException(
            file, key + " for each type of layer is not supported; one for all layers is");
      }
      double partial = rope.path("partial_rotary_factor").asDouble(1);
      if (partial != 1) {
        throw new DamagedCheckpointException(
            file, "%s.partial_rotary_factor %s is not supported; 1 is".formatted(key, partial));
      }
      double theta =
          rope.path("rope_theta").isNumber()
              ? rope.path("rope_theta").asDouble()
              : number("rope_theta", 10_000);
      String type = rope.path("rope_type").asText(rope.path("type").asText("default"));
      var inside = new Reader(file, rope.isObject() ? rope : Json.MAPPER.createObjectNode());
      Rope.Scaling scaling =
          switch (type) {
            case "default" -> new Rope.Scaling.None();
            case "linear" -> new Rope.Scaling.Linear(inside.required("factor"));
            case "dynamic" -> new Rope.Scaling.Dynamic(inside.required("factor"));
            case "llama3" ->
                new Rope.Scaling.Llama3(
                    inside.required("factor"),
                    inside.required("low_freq_factor"),
                    inside.required("high_freq_factor"),
                    inside.integer("original_max_position_embeddings"));
            default ->
                throw new DamagedCheckpointException(
                    file,
                    "%s.rope_type %s is not supported; default, linear, dynamic and llama3 are"
                        .formatted(key, type));
          };
      return new Rope(theta, scaling);
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

    double required(String key) throws IOException {
      if (!json.path(key).isNumber()) {
        throw new DamagedCheckpointException(
            file, "the rope has %s %s but it must be a number".formatted(key, json.path(key)));
      }
      return json.path(key).asDouble();
    }

    boolean flag(String key) {
      return json.path(key).asBoolean(false);
    }
  }
}
