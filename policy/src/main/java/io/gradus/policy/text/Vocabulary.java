package io.gradus.policy.text;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import io.gradus.policy.checkpoint.DamagedCheckpointException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.BitSet;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// What `tokenizer.json` says about its ids; read as a stream, since the file may hold 20 MB.
final class Vocabulary {

  /// How ids become text.
  enum Joining {
    /// Tokens are bytes; text is what UTF-8 makes of all of them together.
    BYTE_LEVEL,

    /// Tokens are text, but for `<0x00>` to `<0xFF>`: a run of those is text if all of it is UTF-8,
    /// and otherwise one U+FFFD a byte.
    BYTE_FALLBACK,

    /// Tokens are text.
    PIECES
  }

  private static final int MAX_ID = 1 << 24;

  private static final JsonFactory JSON =
      JsonFactory.builder()
          .streamReadConstraints(
              StreamReadConstraints.builder().maxNestingDepth(64).maxStringLength(1 << 24).build())
          .build()
          .setCodec(JsonMapper.builder().build());

  private final BitSet known = new BitSet();
  private final BitSet special = new BitSet();
  private final BitSet bytes = new BitSet();
  private final Map<String, Integer> added = new HashMap<>(); // Looked up, never iterated.
  private Joining joining = Joining.PIECES;

  private Vocabulary() {}

  static Vocabulary read(Path file, String json) throws IOException {
    var vocabulary = new Vocabulary();
    try (JsonParser parser = JSON.createParser(json)) {
      vocabulary.readAll(file, parser);
    } catch (JsonProcessingException e) {
      throw new DamagedCheckpointException(file, "is not sound JSON: " + e.getOriginalMessage());
    }
    if (vocabulary.known.isEmpty()) {
      throw new DamagedCheckpointException(file, "has no model.vocab");
    }
    return vocabulary;
  }

  private void readAll(Path file, JsonParser parser) throws IOException {
    if (parser.nextToken() != JsonToken.START_OBJECT) {
      throw new DamagedCheckpointException(file, "does not hold a JSON object");
    }
    while (parser.nextToken() == JsonToken.FIELD_NAME) {
      String name = parser.currentName();
      parser.nextToken();
      switch (name) {
        case "added_tokens" -> readAdded(file, parser.readValueAsTree());
        case "decoder" -> readDecoder(parser.readValueAsTree());
        case "model" -> readModel(file, parser);
        default -> parser.skipChildren();
      }
    }
  }

  private void readAdded(Path file, JsonNode tokens) throws IOException {
    for (JsonNode token : tokens) {
      int id = checked(file, token.path("id").asInt(-1));
      known.set(id);
      special.set(id, token.path("special").asBoolean());
      added.put(token.path("content").asText(), id);
    }
  }

  private void readDecoder(JsonNode decoder) {
    for (JsonNode type : decoder.findValues("type")) {
      if (type.asText().equals("ByteLevel")) {
        joining = Joining.BYTE_LEVEL;
      } else if (type.asText().equals("ByteFallback")) {
        joining = Joining.BYTE_FALLBACK;
      }
    }
  }

  private void readModel(Path file, JsonParser parser) throws IOException {
    if (parser.currentToken() != JsonToken.START_OBJECT) {
      throw new DamagedCheckpointException(file, "has a model that is no object");
    }
    while (parser.nextToken() == JsonToken.FIELD_NAME) {
      boolean vocab = parser.currentName().equals("vocab");
      JsonToken token = parser.nextToken();
      if (vocab && token == JsonToken.START_OBJECT) {
        while (parser.nextToken() == JsonToken.FIELD_NAME) {
          String text = parser.currentName();
          parser.nextToken();
          add(checked(file, parser.getValueAsInt(-1)), text);
        }
      } else if (vocab && token == JsonToken.START_ARRAY) { // Unigram: pairs of text and score.
        for (int id = 0; parser.nextToken() == JsonToken.START_ARRAY; id++) {
          add(checked(file, id), String.valueOf(parser.nextTextValue()));
          while (parser.nextToken() != JsonToken.END_ARRAY) {
            parser.skipChildren();
          }
        }
      } else {
        parser.skipChildren();
      }
    }
  }

  private void add(int id, String text) {
    known.set(id);
    if (text.length() == 6 && text.matches("<0x[0-9A-F]{2}>")) {
      bytes.set(id);
    }
  }

  private static int checked(Path file, int id) throws DamagedCheckpointException {
    if (id < 0 || id >= MAX_ID) {
      throw new DamagedCheckpointException(
          file, "has a token whose id is %d but must be in [0, %d)".formatted(id, MAX_ID));
    }
    return id;
  }

  /// One more than the highest id.
  int size() {
    return known.length();
  }

  boolean isKnown(int id) {
    return known.get(id);
  }

  boolean isSpecial(int id) {
    return special.get(id);
  }

  /// Whether decoding `id` depends on byte tokens that follow it.
  boolean isByte(int id) {
    return joining == Joining.BYTE_FALLBACK && bytes.get(id);
  }

  Joining joining() {
    return joining;
  }

  @Nullable Integer idOfAdded(String text) {
    return added.get(text);
  }
}
