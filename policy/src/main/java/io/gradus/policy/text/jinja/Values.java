package io.gradus.policy.text.jinja;

import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// Values of a template: `String`, `Long`, `Double`, `Boolean`, `List`, `Map` with texts as keys,
/// [None], [Undefined], [Namespace] and [Function]; what Python does with them.
final class Values {

  /// Python's `None`.
  enum None {
    NONE
  }

  /// What has no value.
  ///
  /// @param what how the template called it
  record Undefined(String what) {}

  /// Fields that a template may assign, also from within a loop.
  record Namespace(Map<String, Object> fields) {}

  /// What a template may call.
  @FunctionalInterface
  interface Function {
    Object call(List<Object> positional, Map<String, Object> named);
  }

  static final None NONE = None.NONE;

  /// Bound of a text that a template makes, in characters.
  static final int MAX_LENGTH = 1 << 24;

  private static final int MAX_DEPTH = 100;
  private static final int MAX_COMPARISONS = 1_000_000;

  private Values() {}

  /// The value of a Java object.
  static Object of(@Nullable Object object) {
    return of(object, 0);
  }

  private static Object of(@Nullable Object object, int depth) {
    if (depth > MAX_DEPTH) {
      throw new IllegalArgumentException("a value is nested deeper than " + MAX_DEPTH);
    }
    return switch (object) {
      case null -> NONE;
      case String text -> text;
      case Boolean flag -> flag;
      case Long number -> number;
      case Double number -> number;
      case Integer number -> number.longValue();
      case Float number -> number.doubleValue();
      case List<?> list -> {
        List<Object> items = new ArrayList<>();
        for (Object item : list) {
          items.add(of(item, depth + 1));
        }
        yield items;
      }
      case Map<?, ?> map -> {
        Map<String, Object> entries = new LinkedHashMap<>();
        map.forEach((key, value) -> entries.put(String.valueOf(key), of(value, depth + 1)));
        yield entries;
      }
      case Function function -> function;
      default ->
          throw new IllegalArgumentException(
              "a template cannot be given a " + object.getClass().getName());
    };
  }

  static boolean isTrue(Object value) {
    return switch (value) {
      case Boolean flag -> flag;
      case Long number -> number != 0;
      case Double number -> number != 0;
      case String text -> !text.isEmpty();
      case List<?> list -> !list.isEmpty();
      case Map<?, ?> map -> !map.isEmpty();
      case None _, Undefined _ -> false;
      default -> true;
    };
  }

  /// Python's `str`.
  static String text(Object value) {
    if (value instanceof String text) {
      return text;
    }
    var out = new StringBuilder();
    if (!(value instanceof Undefined)) {
      repr(out, value);
    }
    return out.toString();
  }

  /// Lists that hold each other many times are short to write down and have long texts.
  private static void requireRoom(StringBuilder out, long more) {
    if (out.length() + more > MAX_LENGTH) {
      throw new Problem("a text is longer than %d characters".formatted(MAX_LENGTH));
    }
  }

  private static void repr(StringBuilder out, Object value) {
    requireRoom(out, 0);
    switch (value) {
      case List<?> list -> {
        out.append('[');
        for (int i = 0; i < list.size(); i++) {
          out.append(i > 0 ? ", " : "");
          repr(out, list.get(i));
        }
        out.append(']');
      }
      case Map<?, ?> map -> {
        out.append('{');
        boolean first = true;
        for (Map.Entry<?, ?> entry : map.entrySet()) {
          out.append(first ? "" : ", ");
          repr(out, entry.getKey());
          out.append(": ");
          repr(out, entry.getValue());
          first = false;
        }
        out.append('}');
      }
      default -> out.append(scalar(value));
    }
  }

  private static String scalar(Object value) {
    return switch (value) {
      case String text -> quoted(text);
      case Boolean flag -> flag ? "True" : "False";
      case None _ -> "None";
      case Undefined _ -> "Undefined";
      case Double number -> floating(number);
      case Namespace _ -> "<Namespace>";
      case Function _ -> "<function>";
      default -> String.valueOf(value);
    };
  }

  private static String floating(double number) {
    if (Double.isNaN(number)) {
      return "nan";
    }
    if (Double.isInfinite(number)) {
      return number > 0 ? "inf" : "-inf";
    }
    if (number == Math.rint(number) && Math.abs(number) < 1e16) {
      return (number == 0 && 1 / number < 0 ? "-0" : Long.toString((long) number)) + ".0";
    }
    String digits = Double.toString(number);
    int exponent = digits.indexOf('E');
    if (exponent < 0) {
      return digits;
    }
    if (Math.abs(number) >= 1e-4 && Math.abs(number) < 1e16) {
      return new BigDecimal(digits).toPlainString();
    }
    String mantissa = digits.substring(0, exponent);
    int power = Integer.parseInt(digits.substring(exponent + 1));
    return "%se%s%02d"
        .formatted(
            mantissa.endsWith(".0") ? mantissa.substring(0, mantissa.length() - 2) : mantissa,
            power < 0 ? "-" : "+",
            Math.abs(power));
  }

  private static String quoted(String text) {
    char quote = text.indexOf('\'') >= 0 && text.indexOf('"') < 0 ? '"' : '\'';
    var out = new StringBuilder().append(quote);
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      switch (c) {
        case '\n' -> out.append("\\n");
        case '\r' -> out.append("\\r");
        case '\t' -> out.append("\\t");
        case '\\' -> out.append("\\\\");
        default -> {
          if (c == quote) {
            out.append('\\').append(c);
          } else if (c < ' ' || c == 0x7f) {
            out.append("\\x%02x".formatted((int) c));
          } else {
            out.append(c);
          }
        }
      }
    }
    return out.append(quote).toString();
  }

  /// Python's `json.dumps` without ASCII escapes, in the order of the keys.
  ///
  /// @param indent spaces a level, or -1 for one line
  static void json(StringBuilder out, Object value, int indent, int level) {
    if (level > MAX_DEPTH) {
      throw new Problem("a value is nested deeper than " + MAX_DEPTH);
    }
    requireRoom(out, 0);
    switch (value) {
      case String text -> jsonText(out, text);
      case Boolean flag -> out.append(flag ? "true" : "false");
      case None _ -> out.append("null");
      case Long number -> out.append(number.longValue());
      case Double number -> out.append(floating(number));
      case List<?> list -> {
        out.append('[');
        boolean first = true;
        for (Object item : list) {
          separate(out, first, indent, level + 1);
          json(out, item, indent, level + 1);
          first = false;
        }
        end(out, first, indent, level, ']');
      }
      case Map<?, ?> map -> {
        out.append('{');
        boolean first = true;
        for (Map.Entry<?, ?> entry : map.entrySet()) {
          separate(out, first, indent, level + 1);
          jsonText(out, String.valueOf(entry.getKey()));
          out.append(": ");
          json(out, entry.getValue(), indent, level + 1);
          first = false;
        }
        end(out, first, indent, level, '}');
      }
      default -> throw new Problem(describe(value) + " has no JSON");
    }
  }

  private static void separate(StringBuilder out, boolean first, int indent, int level) {
    if (!first) {
      out.append(indent < 0 ? ", " : ",");
    }
    if (indent >= 0) {
      out.append('\n').repeat(' ', indent * level);
    }
  }

  private static void end(StringBuilder out, boolean empty, int indent, int level, char bracket) {
    if (!empty && indent >= 0) {
      out.append('\n').repeat(' ', indent * level);
    }
    out.append(bracket);
  }

  private static void jsonText(StringBuilder out, String text) {
    out.append('"');
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      switch (c) {
        case '"' -> out.append("\\\"");
        case '\\' -> out.append("\\\\");
        case '\n' -> out.append("\\n");
        case '\r' -> out.append("\\r");
        case '\t' -> out.append("\\t");
        case '\b' -> out.append("\\b");
        case '\f' -> out.append("\\f");
        default -> {
          if (c < ' ') {
            out.append("\\u%04x".formatted((int) c));
          } else {
            out.append(c);
          }
        }
      }
    }
    out.append('"');
  }

  static boolean isEqual(Object left, Object right) {
    return isEqual(left, right, new int[] {MAX_COMPARISONS});
  }

  private static boolean isEqual(Object left, Object right, int[] remaining) {
    if (--remaining[0] < 0) {
      throw new Problem("a comparison takes more than %d steps".formatted(MAX_COMPARISONS));
    }
    if (isNumber(left) && isNumber(right)) {
      return isEitherFloating(left, right)
          ? Double.compare(floatingOf(left), floatingOf(right)) == 0
          : integer(left) == integer(right);
    }
    if (left instanceof List<?> a && right instanceof List<?> b) {
      if (a.size() != b.size()) {
        return false;
      }
      for (int i = 0; i < a.size(); i++) {
        if (!isEqual(a.get(i), b.get(i), remaining)) {
          return false;
        }
      }
      return true;
    }
    if (left instanceof Map<?, ?> a && right instanceof Map<?, ?> b) {
      if (!a.keySet().equals(b.keySet())) {
        return false;
      }
      for (Map.Entry<?, ?> entry : a.entrySet()) {
        Object other = b.get(entry.getKey());
        if (other == null || !isEqual(entry.getValue(), other, remaining)) {
          return false;
        }
      }
      return true;
    }
    return left.equals(right) || (left instanceof Undefined && right instanceof Undefined);
  }

  static int compare(Object left, Object right) {
    if (isNumber(left) && isNumber(right)) {
      return isEitherFloating(left, right)
          ? Double.compare(floatingOf(left), floatingOf(right))
          : Long.compare(integer(left), integer(right));
    }
    if (left instanceof String a && right instanceof String b) {
      return a.compareTo(b);
    }
    throw new Problem("%s cannot be compared with %s".formatted(describe(left), describe(right)));
  }

  static boolean contains(Object container, Object item) {
    return switch (container) {
      case String text when item instanceof String part -> text.contains(part);
      case List<?> list -> list.stream().anyMatch(other -> isEqual(other, item));
      case Map<?, ?> map -> item instanceof String && map.containsKey(item);
      case Undefined _ -> false;
      default ->
          throw new Problem(
              "%s cannot be looked for in %s".formatted(describe(item), describe(container)));
    };
  }

  static boolean isNumber(Object value) {
    return value instanceof Long || value instanceof Double || value instanceof Boolean;
  }

  static boolean isEitherFloating(Object left, Object right) {
    return left instanceof Double || right instanceof Double;
  }

  static long integer(Object value) {
    return switch (value) {
      case Long number -> number;
      case Boolean flag -> flag ? 1 : 0;
      default -> throw new Problem("expected an integer but got " + describe(value));
    };
  }

  static double floatingOf(Object value) {
    return value instanceof Double number ? number : integer(value);
  }

  static String string(Object value) {
    if (value instanceof String text) {
      return text;
    }
    throw new Problem("expected a string but got " + describe(value));
  }

  /// Python's `separator.join(parts)`.
  static String join(String separator, List<String> parts) {
    long length = 0;
    for (String part : parts) {
      length += part.length() + (long) separator.length();
    }
    requireRoom(new StringBuilder(), length);
    return String.join(separator, parts);
  }

  /// Python's `text.replace(from, to)`.
  static String replace(String text, String from, String to) {
    long most = from.isEmpty() ? text.length() + 1L : text.length() / from.length();
    requireRoom(new StringBuilder(), text.length() + most * to.length());
    return text.replace(from, to);
  }

  /// The items that a loop takes: those of a list, the keys of a map, the characters of a text.
  static List<Object> items(Object value) {
    return switch (value) {
      case List<?> list -> new ArrayList<Object>(list);
      case Map<?, ?> map -> new ArrayList<Object>(map.keySet());
      case String text ->
          new ArrayList<Object>(text.codePoints().mapToObj(Character::toString).toList());
      case Undefined _ -> new ArrayList<>();
      default -> throw new Problem(describe(value) + " has no items");
    };
  }

  static long length(Object value) {
    return switch (value) {
      case String text -> text.codePointCount(0, text.length());
      case List<?> list -> list.size();
      case Map<?, ?> map -> map.size();
      case Undefined _ -> 0;
      default -> throw new Problem(describe(value) + " has no length");
    };
  }

  static String describe(Object value) {
    return switch (value) {
      case String _ -> "a string";
      case Boolean _ -> "a boolean";
      case Long _ -> "an integer";
      case Double _ -> "a float";
      case List<?> _ -> "a list";
      case Map<?, ?> _ -> "a mapping";
      case None _ -> "none";
      case Undefined(var what) -> "'%s', which is undefined".formatted(what);
      default -> "a " + value.getClass().getSimpleName().toLowerCase(Locale.ROOT);
    };
  }
}
