package io.gradus.policy.text;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import io.gradus.policy.checkpoint.DamagedCheckpointException;
import io.gradus.policy.checkpoint.Json;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;

/// Ids with a role.
///
/// @param bos begins a text, where the model has such a token
/// @param eos each ends an answer; the first is the one that training appends
/// @param pad fills rows; the first `eos` where nothing says another
/// @param unk stands for what the vocabulary cannot say
public record SpecialTokens(OptionalInt bos, List<Integer> eos, OptionalInt pad, OptionalInt unk) {

  private static final List<String> CONFIGS = List.of("generation_config.json", "config.json");
  private static final String TOKENIZER_CONFIG = "tokenizer_config.json";

  public SpecialTokens {
    eos = List.copyOf(eos);
  }

  /// As the files in `directory` say: for each role `generation_config.json`, else `config.json`,
  /// both of which hold ids, else `tokenizer_config.json`, which holds texts.
  static SpecialTokens read(Path directory, Vocabulary vocabulary) throws IOException {
    List<Integer> bos = ids(directory, vocabulary, "bos");
    List<Integer> eos = ids(directory, vocabulary, "eos");
    List<Integer> pad = ids(directory, vocabulary, "pad");
    List<Integer> unk = ids(directory, vocabulary, "unk");
    return new SpecialTokens(first(bos), eos, first(pad.isEmpty() ? eos : pad), first(unk));
  }

  private static OptionalInt first(List<Integer> ids) {
    return ids.isEmpty() ? OptionalInt.empty() : OptionalInt.of(ids.getFirst());
  }

  private static List<Integer> ids(Path directory, Vocabulary vocabulary, String role)
      throws IOException {
    for (String name : CONFIGS) {
      Path file = directory.resolve(name);
      String key = role + "_token_id";
      JsonNode value = object(file).path(key);
      if (value.isMissingNode() || value.isNull()) {
        continue;
      }
      List<Integer> ids = new ArrayList<>();
      for (JsonNode id : value.isArray() ? value : List.of(value)) {
        if (!id.isInt() || id.intValue() < 0) {
          throw new DamagedCheckpointException(
              file, "%s is %s but must be one id or a list of ids".formatted(key, value));
        }
        ids.add(id.intValue());
      }
      if (!ids.isEmpty()) {
        return ids;
      }
    }
    Path file = directory.resolve(TOKENIZER_CONFIG);
    JsonNode value = object(file).path(role + "_token");
    String text = value.isTextual() ? value.textValue() : value.path("content").asText("");
    if (text.isEmpty()) {
      return List.of();
    }
    Integer id = vocabulary.idOfAdded(text);
    if (id == null) {
      throw new DamagedCheckpointException(
          file,
          "%s_token is \"%s\", which is no added token of tokenizer.json".formatted(role, text));
    }
    return List.of(id);
  }

  private static JsonNode object(Path file) throws IOException {
    return Files.exists(file) ? Json.readObject(file) : MissingNode.getInstance();
  }
}
