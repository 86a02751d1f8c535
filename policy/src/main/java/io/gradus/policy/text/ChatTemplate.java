package io.gradus.policy.text;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import io.gradus.policy.checkpoint.DamagedCheckpointException;
import io.gradus.policy.checkpoint.Json;
import io.gradus.policy.text.jinja.JinjaException;
import io.gradus.policy.text.jinja.JinjaTemplate;
import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDateTime;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/// How a model wants a conversation written: the Jinja template that came with its checkpoint.
///
/// The text is for [Tokenizer#encode], which adds nothing and knows the special tokens in it.
public final class ChatTemplate {

  /// One message of a conversation.
  ///
  /// @param role `system`, `user` or `assistant`; templates refuse others themselves
  public record Message(String role, String content) {}

  /// Whether the text ends where the assistant begins to speak.
  public enum Ending {
    /// It does; the model goes on.
    GENERATION_PROMPT,

    /// It ends with the last message.
    LAST_MESSAGE
  }

  private static final String TOKENIZER_CONFIG = "tokenizer_config.json";
  private static final String TEMPLATE = "chat_template.jinja";
  private static final String DEFAULT = "default";
  private static final List<String> SPECIAL_TOKENS =
      List.of("bos_token", "eos_token", "unk_token", "pad_token", "sep_token", "cls_token");
  private static final long MAX_FILE_BYTES = 1 << 20;

  private final JinjaTemplate template;
  private final Map<String, String> specialTokens;
  private final Supplier<LocalDateTime> now;

  private ChatTemplate(
      JinjaTemplate template, Map<String, String> specialTokens, Supplier<LocalDateTime> now) {
    this.template = template;
    this.specialTokens = specialTokens;
    this.now = now;
  }

  /// The template of the checkpoint in `directory`, empty if it has none; the one called `default`
  /// where there are several.
  ///
  /// @param now local time, for templates that write the date
  /// @throws DamagedCheckpointException if the template cannot be read; the message names its line
  public static Optional<ChatTemplate> open(Path directory, Supplier<LocalDateTime> now)
      throws IOException {
    return open(directory, DEFAULT, now);
  }

  /// The template of this name.
  public static Optional<ChatTemplate> open(
      Path directory, String name, Supplier<LocalDateTime> now) throws IOException {
    Path config = directory.resolve(TOKENIZER_CONFIG);
    JsonNode json = Files.exists(config) ? Json.readObject(config) : MissingNode.getInstance();
    Path file = directory.resolve(TEMPLATE);
    String source;
    if (name.equals(DEFAULT) && Files.exists(file)) {
      source = read(file);
    } else {
      file = config;
      Optional<String> found = configured(config, json.path("chat_template"), name);
      if (found.isEmpty()) {
        return Optional.empty();
      }
      source = found.get();
    }
    try {
      JinjaTemplate template = JinjaTemplate.parse(label(file, name), source);
      return Optional.of(new ChatTemplate(template, specialTokens(json), now));
    } catch (JinjaException e) {
      throw new DamagedCheckpointException(file, "chat template: " + e.getMessage());
    }
  }

  private static String label(Path file, String name) {
    return file.endsWith(TEMPLATE) ? TEMPLATE : "%s[%s]".formatted(TOKENIZER_CONFIG, name);
  }

  private static String read(Path file) throws IOException {
    if (Files.size(file) > MAX_FILE_BYTES) {
      throw new DamagedCheckpointException(
          file, "has %d bytes but at most %d are read".formatted(Files.size(file), MAX_FILE_BYTES));
    }
    try {
      return Files.readString(file);
    } catch (CharacterCodingException e) {
      throw new DamagedCheckpointException(file, "is not UTF-8");
    }
  }

  private static Optional<String> configured(Path file, JsonNode templates, String name)
      throws DamagedCheckpointException {
    if (templates.isMissingNode() || templates.isNull()) {
      return Optional.empty();
    }
    if (templates.isTextual()) {
      return name.equals(DEFAULT) ? Optional.of(templates.textValue()) : Optional.empty();
    }
    for (JsonNode named : templates) {
      if (!named.path("name").isTextual() || !named.path("template").isTextual()) {
        throw new DamagedCheckpointException(
            file, "chat_template must be a text or a list of objects with name and template");
      }
      if (named.path("name").textValue().equals(name)) {
        return Optional.of(named.path("template").textValue());
      }
    }
    return Optional.empty();
  }

  private static Map<String, String> specialTokens(JsonNode config) {
    Map<String, String> tokens = new LinkedHashMap<>();
    for (String role : SPECIAL_TOKENS) {
      JsonNode value = config.path(role);
      String text = value.isTextual() ? value.textValue() : value.path("content").asText("");
      if (!text.isEmpty()) {
        tokens.put(role, text);
      }
    }
    return tokens;
  }

  /// The text of a conversation.
  ///
  /// @throws JinjaException if the template refuses the conversation or fails
  public String render(List<Message> messages, Ending ending) {
    return render(messages, ending, Map.of());
  }

  /// The text of a conversation, with more variables, such as `enable_thinking` or `tools`.
  ///
  /// @param variables texts, numbers, booleans, lists, maps with texts as keys, and nulls
  /// @throws JinjaException if the template refuses the conversation or fails
  public String render(
      List<Message> messages, Ending ending, Map<String, ? extends @Nullable Object> variables) {
    List<Map<String, Object>> written = new ArrayList<>();
    for (Message message : messages) {
      Map<String, Object> fields = new LinkedHashMap<>();
      fields.put("role", message.role());
      fields.put("content", message.content());
      written.add(fields);
    }
    Map<String, @Nullable Object> all = new LinkedHashMap<>(specialTokens);
    all.put("tools", null); // As transformers does: templates ask whether they are none.
    all.put("documents", null);
    all.putAll(variables);
    all.put("messages", written);
    all.put("add_generation_prompt", ending == Ending.GENERATION_PROMPT);
    return template.render(all, now);
  }
}
