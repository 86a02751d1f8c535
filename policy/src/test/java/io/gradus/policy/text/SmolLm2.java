package io.gradus.policy.text;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Objects;
import java.util.zip.GZIPInputStream;

/// The tokenizer of SmolLM2 and what a reference implementation does with it.
final class SmolLm2 {

  static final String RESOURCES = "/tokenizers/smollm2/";

  private SmolLm2() {}

  /// Writes the tokenizer and its configuration into `directory`.
  static Path unpack(Path directory) throws IOException {
    try (var in = new GZIPInputStream(resource(RESOURCES + "tokenizer.json.gz"))) {
      Files.copy(in, directory.resolve("tokenizer.json"));
    }
    var config = JsonMapper.builder().build().createObjectNode();
    config.put("bos_token", "<|im_start|>");
    config.put("eos_token", "<|im_end|>");
    config.put("unk_token", "<|endoftext|>");
    config.put(
        "chat_template", json(RESOURCES + "tokenizer_cases.json").get("chat_template").asText());
    Files.writeString(directory.resolve("tokenizer_config.json"), config.toString());
    return directory;
  }

  static JsonNode cases() throws IOException {
    return json(RESOURCES + "tokenizer_cases.json");
  }

  static JsonNode json(String name) throws IOException {
    try (var in = resource(name)) {
      return JsonMapper.builder().build().readTree(in);
    }
  }

  static int[] ids(JsonNode array) {
    var ids = new int[array.size()];
    for (int i = 0; i < ids.length; i++) {
      ids[i] = array.get(i).asInt();
    }
    return ids;
  }

  private static InputStream resource(String name) {
    return Objects.requireNonNull(SmolLm2.class.getResourceAsStream(name), name);
  }
}
