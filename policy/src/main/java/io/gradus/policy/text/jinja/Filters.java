package io.gradus.policy.text.jinja;

import io.gradus.policy.text.jinja.Values.Undefined;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Set;

/// What follows `|`.
final class Filters {

  static final Set<String> NAMES =
      Set.of(
          "tojson",
          "trim",
          "length",
          "count",
          "lower",
          "upper",
          "title",
          "capitalize",
          "replace",
          "join",
          "default",
          "d",
          "first",
          "last",
          "list",
          "reverse",
          "string",
          "int",
          "float",
          "abs",
          "items",
          "dictsort",
          "map",
          "select",
          "reject",
          "selectattr",
          "rejectattr",
          "unique",
          "indent",
          "safe",
          "e",
          "escape");

  private Filters() {}

  static Object apply(
      String name, Object value, List<Object> arguments, Map<String, Object> named) {
    return switch (name) {
      case "tojson" -> {
        if (arguments.size() > 1 || !Set.of("indent").containsAll(named.keySet())) {
          throw new Problem("arguments of the filter 'tojson' other than indent are not supported");
        }
        Object indent = argument(arguments, named, 0, "indent", Values.NONE);
        var out = new StringBuilder();
        int spaces = indent == Values.NONE ? -1 : Math.clamp(Values.integer(indent), 0, 16);
        Values.json(out, value, spaces, 0);
        yield out.toString();
      }
      case "trim" -> {
        Object characters = argument(arguments, named, 0, "chars", Values.NONE);
        yield Methods.call(
            Values.text(value),
            "strip",
            characters == Values.NONE ? List.of() : List.of(characters),
            Map.of());
      }
      case "length", "count" -> Values.length(value);
      case "lower", "upper", "title", "capitalize", "replace" ->
          Methods.call(Values.text(value), name, arguments, named);
      case "join" -> join(value, arguments, named);
      case "default", "d" -> {
        boolean alsoFalse = Values.isTrue(argument(arguments, named, 1, "boolean", false));
        boolean replaced = value instanceof Undefined || (alsoFalse && !Values.isTrue(value));
        yield replaced ? argument(arguments, named, 0, "default_value", "") : value;
      }
      case "first" -> {
        List<Object> items = Values.items(value);
        yield items.isEmpty() ? new Undefined("first item") : items.getFirst();
      }
      case "last" -> {
        List<Object> items = Values.items(value);
        yield items.isEmpty() ? new Undefined("last item") : items.getLast();
      }
      case "list" -> Values.items(value);
      case "reverse" -> {
        if (value instanceof String text) {
          yield new StringBuilder(text).reverse().toString();
        }
        List<Object> items = Values.items(value);
        Collections.reverse(items);
        yield items;
      }
      case "string" -> Values.text(value);
      case "int" -> toInteger(value);
      case "float" -> toFloat(value);
      case "abs" ->
          value instanceof Double number
              ? (Object) Math.abs(number)
              : (Object) Math.abs(Values.integer(value));
      case "items" ->
          value instanceof Undefined
              ? new ArrayList<>()
              : Methods.call(value, "items", List.of(), Map.of());
      case "dictsort" -> dictsort(value, arguments, named);
      case "map" -> map(value, arguments, named);
      case "select" -> select(value, arguments, true);
      case "reject" -> select(value, arguments, false);
      case "selectattr" -> selectAttribute(value, arguments, true);
      case "rejectattr" -> selectAttribute(value, arguments, false);
      case "unique" -> {
        List<Object> kept = new ArrayList<>();
        for (Object item : Values.items(value)) {
          if (!Values.contains(kept, item)) {
            kept.add(item);
          }
        }
        yield kept;
      }
      case "indent" -> indent(value, arguments, named);
      case "safe" -> value;
      case "e", "escape" ->
          Values.text(value)
              .replace("&", "&amp;")
              .replace("<", "&lt;")
              .replace(">", "&gt;")
              .replace("'", "&#39;")
              .replace("\"", "&#34;");
      default -> throw new Problem("the filter '%s' is not supported".formatted(name));
    };
  }

  private static Object argument(
      List<Object> arguments, Map<String, Object> named, int index, String name, Object absent) {
    return index < arguments.size() ? arguments.get(index) : named.getOrDefault(name, absent);
  }

  private static String join(Object value, List<Object> arguments, Map<String, Object> named) {
    String separator = Values.text(argument(arguments, named, 0, "d", ""));
    Object attribute = argument(arguments, named, 1, "attribute", Values.NONE);
    List<String> texts = new ArrayList<>();
    for (Object item : Values.items(value)) {
      texts.add(
          Values.text(attribute == Values.NONE ? item : attribute(item, Values.string(attribute))));
    }
    return Values.join(separator, texts);
  }

  private static Object toInteger(Object value) {
    return switch (value) {
      case Double number -> (long) (double) number;
      case String text -> {
        try {
          yield Long.parseLong(text.strip());
        } catch (NumberFormatException e) {
          yield 0L;
        }
      }
      default -> Values.isNumber(value) ? Values.integer(value) : 0L;
    };
  }

  private static Object toFloat(Object value) {
    if (value instanceof String text) {
      try {
        return Double.parseDouble(text.strip());
      } catch (NumberFormatException e) {
        return 0.0;
      }
    }
    return Values.isNumber(value) ? Values.floatingOf(value) : 0.0;
  }

  private static Object dictsort(Object value, List<Object> arguments, Map<String, Object> named) {
    if (!arguments.isEmpty() || !named.isEmpty()) {
      throw new Problem("arguments of the filter 'dictsort' are not supported");
    }
    List<Object> items = Values.items(Methods.call(value, "items", List.of(), Map.of()));
    items.sort((a, b) ->
        String.CASE_INSENSITIVE_ORDER.compare(
            Values.text(Values.items(a).getFirst()), Values.text(Values.items(b).getFirst())));
    return items;
  }

  private static Object map(Object value, List<Object> arguments, Map<String, Object> named) {
    List<Object> out = new ArrayList<>();
    for (Object item : Values.items(value)) {
      if (named.containsKey("attribute")) {
        Object found = attribute(item, Values.string(named.getOrDefault("attribute", "")));
        out.add(found instanceof Undefined ? named.getOrDefault("default", found) : found);
      } else if (arguments.isEmpty()) {
        throw new Problem("the filter 'map' needs a filter or an attribute");
      } else {
        out.add(
            apply(
                Values.string(arguments.getFirst()),
                item,
                arguments.subList(1, arguments.size()),
                named));
      }
    }
    return out;
  }

  private static Object select(Object value, List<Object> arguments, boolean wanted) {
    List<Object> out = new ArrayList<>();
    for (Object item : Values.items(value)) {
      if (passes(item, arguments) == wanted) {
        out.add(item);
      }
    }
    return out;
  }

  private static Object selectAttribute(Object value, List<Object> arguments, boolean wanted) {
    if (arguments.isEmpty()) {
      throw new Problem("the filters 'selectattr' and 'rejectattr' need an attribute");
    }
    String name = Values.string(arguments.getFirst());
    List<Object> out = new ArrayList<>();
    for (Object item : Values.items(value)) {
      if (passes(attribute(item, name), arguments.subList(1, arguments.size())) == wanted) {
        out.add(item);
      }
    }
    return out;
  }

  private static boolean passes(Object value, List<Object> test) {
    if (test.isEmpty()) {
      return Values.isTrue(value);
    }
    String name = Values.string(test.getFirst());
    return switch (name) {
      case "==" -> Tests.holds("eq", value, test.subList(1, test.size()));
      case "!=" -> Tests.holds("ne", value, test.subList(1, test.size()));
      default -> Tests.holds(name, value, test.subList(1, test.size()));
    };
  }

  /// An attribute by its name, or one of an attribute where there are dots.
  private static Object attribute(Object item, String path) {
    Object value = item;
    for (String name : path.split("\\.", -1)) {
      Object found = value instanceof Map<?, ?> map ? map.get(name) : null;
      value = found == null ? new Undefined(name) : found;
    }
    return value;
  }

  private static String indent(Object value, List<Object> arguments, Map<String, Object> named) {
    Object width = argument(arguments, named, 0, "width", 4L);
    String indent =
        width instanceof String text ? text : " ".repeat(Math.clamp(Values.integer(width), 0, 64));
    boolean first = Values.isTrue(argument(arguments, named, 1, "first", false));
    boolean blank = Values.isTrue(argument(arguments, named, 2, "blank", false));
    var out = new StringBuilder();
    String[] lines = Values.text(value).split("\n", -1);
    for (int i = 0; i < lines.length; i++) {
      boolean indented = i == 0 ? first : blank || !lines[i].isEmpty();
      out.append(i > 0 ? "\n" : "").append(indented ? indent : "").append(lines[i]);
    }
    return out.toString();
  }
}
