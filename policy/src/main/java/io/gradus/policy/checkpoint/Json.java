package io.gradus.policy.checkpoint;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/// JSON of checkpoint files: duplicate keys, trailing text and deep nesting are refused.
public final class Json {

  static final ObjectMapper STRICT =
      JsonMapper.builder(
              JsonFactory.builder()
                  .streamReadConstraints(
                      StreamReadConstraints.builder()
                          .maxNestingDepth(32)
                          .maxStringLength(1 << 20)
                          .build())
                  .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
                  .build())
          .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
          .build();

  static final ObjectMapper MAPPER = JsonMapper.builder().build();

  static final ObjectMapper PRETTY =
      JsonMapper.builder().enable(SerializationFeature.INDENT_OUTPUT).build();

  private static final long MAX_FILE_BYTES = 64L << 20;

  private Json() {}

  /// The object in `file`.
  public static JsonNode readObject(Path file) throws IOException {
    if (!Files.isRegularFile(file)) {
      throw new DamagedCheckpointException(file, "is missing");
    }
    if (Files.size(file) > MAX_FILE_BYTES) {
      throw new DamagedCheckpointException(
          file, "has %d bytes but at most %d are read".formatted(Files.size(file), MAX_FILE_BYTES));
    }
    try {
      JsonNode node = STRICT.readTree(file.toFile());
      if (!node.isObject()) {
        throw new DamagedCheckpointException(file, "does not hold a JSON object");
      }
      return node;
    } catch (JsonProcessingException e) {
      throw new DamagedCheckpointException(file, "is not sound JSON: " + e.getOriginalMessage());
    }
  }
}
