package io.gradus.policy.text.jinja;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/// Methods of Python's strings, mappings and lists that change nothing.
final class Methods {

  private static final Set<String> OF_STRINGS =
      Set.of(
          "strip",
          "lstrip",
          "rstrip",
          "split",
          "rsplit",
          "splitlines",
          "startswith",
          "endswith",
          "upper",
          "lower",
          "title",
          "capitalize",
          "replace",
          "join",
          "find",
          "count",
          "removeprefix",
          "removesuffix",
          "isdigit");
  private static final Set<String> OF_MAPS = Set.of("items", "keys", "values", "get");
  private static final Set<String> OF_LISTS = Set.of("index", "count");

  private Methods() {}

  /// Whether `value` has a method of this name.
  static boolean has(Object value, String name) {
    return switch (value) {
      case String _ -> OF_STRINGS.contains(name);
      case Map<?, ?> _ -> OF_MAPS.contains(name);
      case List<?> _ -> OF_LISTS.contains(name);
      default -> false;
    };
  }

  static Object call(Object self, String name, List<Object> arguments, Map<String, Object> named) {
    return switch (self) {
      case String text -> ofString(text, name, arguments, named);
      case Map<?, ?> map -> ofMap(map, name, arguments);
      case List<?> list -> ofList(list, name, arguments);
      default -> throw new Problem("%s has no '%s'".formatted(Values.describe(self), name));
    };
  }

  private static Object ofMap(Map<?, ?> map, String name, List<Object> arguments) {
    List<Object> out = new ArrayList<>();
    switch (name) {
      case "items" -> map.forEach((key, value) -> out.add(List.of(key, value)));
      case "keys" -> out.addAll(map.keySet());
      case "values" -> out.addAll(map.values());
      default -> { // get
        Object found = map.get(first(name, arguments));
        return found != null ? found : arguments.size() > 1 ? arguments.get(1) : Values.NONE;
      }
    }
    return out;
  }

  private static Object ofList(List<?> list, String name, List<Object> arguments) {
    Object item = first(name, arguments);
    long count = 0;
    for (int i = 0; i < list.size(); i++) {
      if (Values.isEqual(list.get(i), item)) {
        if (name.equals("index")) {
          return (long) i;
        }
        count++;
      }
    }
    if (name.equals("index")) {
      throw new Problem("the list has no such item");
    }
    return count;
  }

  private static Object ofString(
      String text, String name, List<Object> arguments, Map<String, Object> named) {
    return switch (name) {
      case "strip" -> strip(text, arguments, true, true);
      case "lstrip" -> strip(text, arguments, true, false);
      case "rstrip" -> strip(text, arguments, false, true);
      case "split" -> split(text, arguments, named, false);
      case "rsplit" -> split(text, arguments, named, true);
      case "splitlines" -> new ArrayList<Object>(text.lines().toList());
      case "startswith" -> anyOf(name, arguments).stream().anyMatch(text::startsWith);
      case "endswith" -> anyOf(name, arguments).stream().anyMatch(text::endsWith);
      case "upper" -> text.toUpperCase(Locale.ROOT);
      case "lower" -> text.toLowerCase(Locale.ROOT);
      case "title" -> title(text);
      case "capitalize" ->
          text.isEmpty()
              ? text
              : text.substring(0, 1).toUpperCase(Locale.ROOT)
                  + text.substring(1).toLowerCase(Locale.ROOT);
      case "replace" -> replace(text, arguments);
      case "join" ->
          Values.join(
              text, Values.items(first(name, arguments)).stream().map(Values::string).toList());
      case "find" -> {
        int found = text.indexOf(Values.string(first(name, arguments)));
        yield found < 0 ? -1L : (long) text.codePointCount(0, found);
      }
      case "count" -> {
        String part = Values.string(first(name, arguments));
        yield part.isEmpty()
            ? Values.length(text) + 1
            : (long) (text.length() - text.replace(part, "").length()) / part.length();
      }
      case "removeprefix" -> {
        String prefix = Values.string(first(name, arguments));
        yield text.startsWith(prefix) ? text.substring(prefix.length()) : text;
      }
      case "removesuffix" -> {
        String suffix = Values.string(first(name, arguments));
        yield text.endsWith(suffix) ? text.substring(0, text.length() - suffix.length()) : text;
      }
      case "isdigit" -> !text.isEmpty() && text.codePoints().allMatch(Character::isDigit);
      default -> throw new Problem("a string has no '%s'".formatted(name));
    };
  }

  private static Object first(String name, List<Object> arguments) {
    if (arguments.isEmpty()) {
      throw new Problem("'%s' needs an argument".formatted(name));
    }
    return arguments.getFirst();
  }

  private static List<String> anyOf(String name, List<Object> arguments) {
    return first(name, arguments) instanceof List<?> list
        ? list.stream().map(Values::string).toList()
        : List.of(Values.string(first(name, arguments)));
  }

  private static String strip(String text, List<Object> arguments, boolean left, boolean right) {
    boolean blank = arguments.isEmpty() || arguments.getFirst() == Values.NONE;
    String characters = blank ? "" : Values.string(arguments.getFirst());
    int begin = 0;
    int end = text.length();
    while (left && begin < end && goes(text.codePointAt(begin), blank, characters)) {
      begin += Character.charCount(text.codePointAt(begin));
    }
    while (right && end > begin && goes(text.codePointBefore(end), blank, characters)) {
      end -= Character.charCount(text.codePointBefore(end));
    }
    return text.substring(begin, end);
  }

  private static boolean goes(int character, boolean blank, String characters) {
    return blank ? isSpace(character) : characters.indexOf(character) >= 0;
  }

  private static boolean isSpace(int character) {
    return Character.isWhitespace(character)
        || Character.isSpaceChar(character)
        || character == 0x85;
  }

  private static List<Object> split(
      String text, List<Object> arguments, Map<String, Object> named, boolean fromRight) {
    Object separator =
        arguments.isEmpty() ? named.getOrDefault("sep", Values.NONE) : arguments.getFirst();
    Object limit = arguments.size() > 1 ? arguments.get(1) : named.getOrDefault("maxsplit", -1L);
    long left = Values.integer(limit) < 0 ? Long.MAX_VALUE : Values.integer(limit);
    List<Object> parts = new ArrayList<>();
    if (separator == Values.NONE) {
      if (left != Long.MAX_VALUE) {
        throw new Problem("'split' at white space with a limit is not supported");
      }
      Arrays.stream(text.strip().split("\\s+", -1)).filter(s -> !s.isEmpty()).forEach(parts::add);
      return parts;
    }
    String mark = Values.string(separator);
    if (mark.isEmpty()) {
      throw new Problem("the separator is empty");
    }
    if (fromRight) {
      int end = text.length();
      for (int found = text.lastIndexOf(mark); found >= 0 && left-- > 0; ) {
        parts.addFirst(text.substring(found + mark.length(), end));
        end = found;
        found = text.lastIndexOf(mark, end - mark.length());
      }
      parts.addFirst(text.substring(0, end));
      return parts;
    }
    int begin = 0;
    for (int found = text.indexOf(mark); found >= 0 && left-- > 0; ) {
      parts.add(text.substring(begin, found));
      begin = found + mark.length();
      found = text.indexOf(mark, begin);
    }
    parts.add(text.substring(begin));
    return parts;
  }

  private static String replace(String text, List<Object> arguments) {
    if (arguments.size() != 2) {
      throw new Problem("'replace' needs two arguments; a limit is not supported");
    }
    return Values.replace(text, Values.text(arguments.get(0)), Values.text(arguments.get(1)));
  }

  private static String title(String text) {
    var out = new StringBuilder();
    boolean inWord = false;
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      out.append(inWord ? Character.toLowerCase(c) : Character.toUpperCase(c));
      inWord = Character.isLetter(c);
    }
    return out.toString();
  }
}
