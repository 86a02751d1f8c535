package io.gradus.policy.text.jinja;

import io.gradus.policy.text.jinja.Values.Function;
import io.gradus.policy.text.jinja.Values.Namespace;
import java.time.LocalDateTime;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/// A template that has been read; any number of threads may render it.
public final class JinjaTemplate {

  private static final int MAX_SOURCE_LENGTH = 1 << 20;
  private static final long MAX_STEPS = 10_000_000;
  private static final long MAX_RANGE = 100_000;

  private final String name;
  private final List<Statement> statements;

  private JinjaTemplate(String name, List<Statement> statements) {
    this.name = name;
    this.statements = statements;
  }

  /// Reads `source`, which messages call `name`.
  ///
  /// @throws JinjaException if it is no template, or needs what is not supported
  public static JinjaTemplate parse(String name, String source) {
    if (source.length() > MAX_SOURCE_LENGTH) {
      throw new JinjaException(
          name,
          1,
          "the template has %d characters but at most %d are read"
              .formatted(source.length(), MAX_SOURCE_LENGTH));
    }
    return new JinjaTemplate(name, Parser.parse(name, source));
  }

  /// The text that `variables` make of the template, which may also call `raise_exception`,
  /// `strftime_now`, `namespace`, `range` and `dict`.
  ///
  /// @param variables texts, numbers, booleans, lists, maps with texts as keys, and nulls
  /// @param now local time, asked if the template does
  /// @throws JinjaException if the template fails, itself says so or exceeds its bounds
  public String render(
      Map<String, ? extends @Nullable Object> variables, Supplier<LocalDateTime> now) {
    Map<String, Object> names = new LinkedHashMap<>(functions(now));
    variables.forEach((key, value) -> names.put(key, Values.of(value)));
    try {
      return new Renderer(name, Values.MAX_LENGTH, MAX_STEPS).render(statements, names);
    } catch (StackOverflowError e) {
      throw new JinjaException(name, 1, "an expression of the template is too deep");
    }
  }

  private static Map<String, Object> functions(Supplier<LocalDateTime> now) {
    Map<String, Object> functions = new LinkedHashMap<>();
    put(
        functions,
        "raise_exception",
        (positional, _) -> {
          throw new Problem(positional.isEmpty() ? "refused" : Values.text(positional.getFirst()));
        });
    put(
        functions,
        "strftime_now",
        (positional, _) -> strftime(Values.string(positional.getFirst()), now.get()));
    put(functions, "namespace", (positional, named) -> new Namespace(fields(positional, named)));
    put(functions, "dict", JinjaTemplate::fields);
    put(functions, "range", (positional, _) -> range(positional));
    return functions;
  }

  private static void put(Map<String, Object> functions, String name, Function function) {
    functions.put(name, function);
  }

  private static Map<String, Object> fields(List<Object> positional, Map<String, Object> named) {
    Map<String, Object> fields = new LinkedHashMap<>();
    for (Object given : positional) {
      if (!(given instanceof Map<?, ?> map)) {
        throw new Problem("%s is no mapping of fields".formatted(Values.describe(given)));
      }
      map.forEach((key, value) -> fields.put(Values.string(key), value));
    }
    fields.putAll(named);
    return fields;
  }

  private static List<Object> range(List<Object> bounds) {
    if (bounds.isEmpty() || bounds.size() > 3) {
      throw new Problem("'range' takes one to three integers");
    }
    long start = bounds.size() > 1 ? Values.integer(bounds.getFirst()) : 0;
    long stop = Values.integer(bounds.get(bounds.size() > 1 ? 1 : 0));
    long step = bounds.size() > 2 ? Values.integer(bounds.get(2)) : 1;
    if (step == 0 || Math.abs(step) > MAX_RANGE) {
      throw new Problem("'range' has step %d".formatted(step));
    }
    List<Object> items = new ArrayList<>();
    for (long i = start; step > 0 ? i < stop : i > stop; i += step) {
      if (items.size() == MAX_RANGE) {
        throw new Problem("'range' gives more than %d integers".formatted(MAX_RANGE));
      }
      items.add(i);
    }
    return items;
  }

  /// C's format of a date and time, in English.
  private static String strftime(String format, LocalDateTime time) {
    var out = new StringBuilder();
    for (int i = 0; i < format.length(); i++) {
      char c = format.charAt(i);
      if (c != '%' || i + 1 == format.length()) {
        out.append(c);
        continue;
      }
      i = i + 1;
      char field = format.charAt(i);
      String pattern =
          switch (field) {
            case 'd' -> "dd";
            case 'm' -> "MM";
            case 'y' -> "uu";
            case 'Y' -> "uuuu";
            case 'b' -> "MMM";
            case 'B' -> "MMMM";
            case 'a' -> "EEE";
            case 'A' -> "EEEE";
            case 'H' -> "HH";
            case 'I' -> "hh";
            case 'M' -> "mm";
            case 'S' -> "ss";
            case 'p' -> "a";
            case 'j' -> "DDD";
            case 'F' -> "uuuu-MM-dd";
            case 'T' -> "HH:mm:ss";
            case '%' -> "'%'";
            default -> throw new Problem("'strftime_now' does not support %%%s".formatted(field));
          };
      out.append(DateTimeFormatter.ofPattern(pattern, Locale.US).format(time));
    }
    return out.toString();
  }
}
