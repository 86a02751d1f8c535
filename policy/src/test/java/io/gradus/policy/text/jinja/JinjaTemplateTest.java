package io.gradus.policy.text.jinja;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.time.LocalDateTime;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class JinjaTemplateTest {

  private static final ObjectMapper JSON = JsonMapper.builder().build();
  private static JsonNode golden;
  private static LocalDateTime now;

  @BeforeAll
  static void read() throws IOException {
    try (var in = JinjaTemplateTest.class.getResourceAsStream("/templates/template_cases.json")) {
      golden = JSON.readTree(Objects.requireNonNull(in));
    }
    now = LocalDateTime.parse(golden.get("now").asText());
  }

  private static String render(String source, Map<String, Object> variables) {
    return JinjaTemplate.parse("t", source).render(variables, () -> now);
  }

  private static Map<String, Object> map(JsonNode object) {
    return JSON.convertValue(object, new TypeReference<Map<String, Object>>() {});
  }

  private static void check(String source, JsonNode variables, JsonNode given) {
    if (given.path("fails").asBoolean()) {
      assertThatExceptionOfType(JinjaException.class)
          .as("%s", given)
          .isThrownBy(() -> render(source, map(variables)))
          .withMessageStartingWith("t:");
    } else {
      assertThat(render(source, map(variables)))
          .as("%s", given)
          .isEqualTo(given.get("expected").asText());
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "smollm2",
        "qwen2.5",
        "qwen3",
        "mistral-instruct-0.2",
        "mistral-instruct-0.3",
        "headers",
        "headers-tools"
      })
  void rendersConversationsAsTheReferenceDoes(String name) {
    String source = golden.get("templates").get(name).asText();
    int count = 0;

    for (JsonNode given : golden.get("cases")) {
      if (given.get("template").asText().equals(name)) {
        check(source, given.get("variables"), given);
        count++;
      }
    }

    assertThat(count).isGreaterThanOrEqualTo(18);
  }

  @Test
  void evaluatesAsTheReferenceDoes() {
    for (JsonNode given : golden.get("snippets")) {
      check(given.get("source").asText(), golden.get("snippet_variables"), given);
    }
  }

  @Test
  void aFailureNamesTheTemplateAndTheLine() {
    String source = "a\n{% if true %}\n{{ x.y }}\n{% endif %}";

    assertThatThrownBy(() -> render(source, Map.of()))
        .isInstanceOf(JinjaException.class)
        .hasMessage("t:3: 'x' is undefined and has no 'y'");
    assertThatThrownBy(() -> render("\n{{ raise_exception('roles must alternate') }}", Map.of()))
        .hasMessage("t:2: roles must alternate");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = ';',
      value = {
        "{% include 'x' %}; the tag 'include' is not supported",
        "{% import 'x' as y %}; the tag 'import' is not supported",
        "{% call f() %}{% endcall %}; the tag 'call' is not supported",
        "{{ x | pprint }}; the filter 'pprint' is not supported",
        "{{ x is escaped }}; the test 'escaped' is not supported",
        "{{ 2 ** 3 }}; the operator ** is not supported",
        "{{ f(*x) }}; arguments with * are not supported",
        "{% for x in y recursive %}{% endfor %}; a recursive loop is not supported",
        "{% break %}; break is outside a loop",
      })
  void refusesByNameWhatIsNotSupported(String source, String problem) {
    assertThatThrownBy(() -> JinjaTemplate.parse("t", source)).hasMessage("t:1: " + problem);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{{ 'x'.getClass() }}",
        "{{ 'x'.class.forName('java.lang.Runtime') }}",
        "{{ m.class.name }}",
        "{{ m.clear() }}",
        "{{ m.put('a', 1) }}",
        "{{ l.add(1) }}",
        "{{ raise_exception.call([]) }}"
      })
  void reachesNothingOfJava(String source) {
    assertThatThrownBy(() -> render(source, Map.of("m", Map.of(), "l", List.of())))
        .isInstanceOf(JinjaException.class);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{% set ns = namespace(s='aaaaaaaa') %}{% for a in range(60) %}"
            + "{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
        "{% set ns = namespace(l=[1]) %}{% for a in range(60) %}"
            + "{% set ns.l = ns.l + ns.l %}{% endfor %}",
        "{% set ns = namespace(l=[]) %}{% for a in range(60) %}"
            + "{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l }}",
        "{% set ns = namespace(l=[]) %}{% for a in range(60) %}"
            + "{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l | tojson }}",
        "{% set ns = namespace(l=[], m=[]) %}{% for a in range(60) %}"
            + "{% set ns.l = [ns.l, ns.l] %}{% set ns.m = [ns.m, ns.m] %}{% endfor %}"
            + "{{ ns.l == ns.m }}",
        "{{ ('a' * 999999) | replace('a', 'a' * 999999) }}",
        "{{ ['a' * 9999999, 'b', 'c', 'd'] | join('x' * 9999999) }}",
        "{% for a in range(9999) %}{{ 'a' * 9999 }}{% endfor %}",
        "{{ 'a' * 999999999999 }}",
        "{{ range(99999999) }}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}"
      })
  void endsWhatWouldNotEnd(String source) {
    assertThatThrownBy(() -> render(source, Map.of())).isInstanceOf(JinjaException.class);
  }

  @Test
  void refusesDepthWithoutOverflowing() {
    for (String deep :
        List.of(
            "{{ " + "(".repeat(50_000) + "1" + ")".repeat(50_000) + " }}",
            "{{ " + "not ".repeat(50_000) + "1 }}",
            "{{ 1" + " + 1".repeat(100_000) + " }}",
            "{% if 1 %}".repeat(20_000))) {
      assertThatThrownBy(() -> render(deep, Map.of())).isInstanceOf(JinjaException.class);
    }
  }
}
