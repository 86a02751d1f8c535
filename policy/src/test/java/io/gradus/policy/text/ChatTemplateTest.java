package io.gradus.policy.text;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import io.gradus.policy.checkpoint.DamagedCheckpointException;
import io.gradus.policy.text.ChatTemplate.Ending;
import io.gradus.policy.text.ChatTemplate.Message;
import io.gradus.policy.text.jinja.JinjaException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDateTime;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ChatTemplateTest {

  private static final List<Message> HELLO = List.of(new Message("user", "Hi"));

  @TempDir private Path directory;

  @Test
  void writesConversationsAsTheReferenceDoes() throws IOException {
    ChatTemplate template =
        ChatTemplate.open(SmolLm2.unpack(directory), ChatTemplateTest::now).orElseThrow();

    for (JsonNode chat : SmolLm2.cases().get("chat")) {
      List<Message> messages = new ArrayList<>();
      for (JsonNode message : chat.get("messages")) {
        messages.add(new Message(message.get("role").asText(), message.get("content").asText()));
      }

      assertThat(template.render(messages, Ending.LAST_MESSAGE))
          .isEqualTo(chat.get("rendered").asText());
      assertThat(template.render(messages, Ending.GENERATION_PROMPT))
          .isEqualTo(chat.get("rendered_with_generation_prompt").asText());
    }
  }

  @Test
  void aFileOfItsOwnGoesBeforeTheConfiguration() throws IOException {
    config("{\"chat_template\": \"old\", \"bos_token\": {\"content\": \"<s>\"}}");
    Files.writeString(
        directory.resolve("chat_template.jinja"),
        "{{ bos_token }}{{ messages[0].content }} {{ strftime_now('%d %b %Y') }} {{ mood }}\n");

    assertThat(
            ChatTemplate.open(directory, ChatTemplateTest::now)
                .orElseThrow()
                .render(HELLO, Ending.LAST_MESSAGE, Map.of("mood", "calm")))
        .isEqualTo("<s>Hi 01 Dec 2026 calm");
  }

  @Test
  void findsTemplatesByName() throws IOException {
    config(
        """
        {"chat_template": [{"name": "default", "template": "d"},
                           {"name": "tool_use", "template": "{{ tools is none }}"}]}
        """);

    assertThat(
            ChatTemplate.open(directory, ChatTemplateTest::now)
                .orElseThrow()
                .render(HELLO, Ending.LAST_MESSAGE))
        .isEqualTo("d");
    assertThat(
            ChatTemplate.open(directory, "tool_use", ChatTemplateTest::now)
                .orElseThrow()
                .render(HELLO, Ending.LAST_MESSAGE))
        .isEqualTo("True");
    assertThat(ChatTemplate.open(directory, "rag", ChatTemplateTest::now)).isEmpty();
  }

  @Test
  void aCheckpointMayHaveNone() throws IOException {
    assertThat(ChatTemplate.open(directory, ChatTemplateTest::now)).isEmpty();
    config("{}");
    assertThat(ChatTemplate.open(directory, ChatTemplateTest::now)).isEmpty();
  }

  @Test
  void saysInWhichFileAndLineATemplateIsWrong() throws IOException {
    config("{\"chat_template\": \"a\\n{% include 'x' %}\"}");
    assertThatThrownBy(() -> ChatTemplate.open(directory, ChatTemplateTest::now))
        .isInstanceOf(DamagedCheckpointException.class)
        .hasMessageEndingWith(
            "tokenizer_config.json: chat template: tokenizer_config.json[default]:2: the tag"
                + " 'include' is not supported");

    Files.writeString(
        directory.resolve("chat_template.jinja"), "\n\n{{ raise_exception('no user') }}");
    ChatTemplate template = ChatTemplate.open(directory, ChatTemplateTest::now).orElseThrow();
    assertThatThrownBy(() -> template.render(HELLO, Ending.LAST_MESSAGE))
        .isInstanceOf(JinjaException.class)
        .hasMessage("chat_template.jinja:3: no user");
  }

  private static LocalDateTime now() {
    return LocalDateTime.of(2026, 12, 1, 9, 5);
  }

  private void config(String json) throws IOException {
    Files.writeString(directory.resolve("tokenizer_config.json"), json);
  }
}
