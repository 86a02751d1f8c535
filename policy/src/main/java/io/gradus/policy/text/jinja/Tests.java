package io.gradus.policy.text.jinja;

import io.gradus.policy.text.jinja.Values.None;
import io.gradus.policy.text.jinja.Values.Undefined;
import java.util.List;
import java.util.Map;
import java.util.Set;

/// What follows `is`.
final class Tests {

  static final Set<String> NAMES =
      Set.of(
          "defined",
          "undefined",
          "none",
          "string",
          "number",
          "integer",
          "float",
          "boolean",
          "true",
          "false",
          "mapping",
          "sequence",
          "iterable",
          "callable",
          "even",
          "odd",
          "divisibleby",
          "eq",
          "equalto",
          "ne",
          "lt",
          "le",
          "gt",
          "ge",
          "in",
          "sameas");

  private Tests() {}

  static boolean holds(String name, Object value, List<Object> arguments) {
    return switch (name) {
      case "defined" -> !(value instanceof Undefined);
      case "undefined" -> value instanceof Undefined;
      case "none" -> value instanceof None;
      case "string" -> value instanceof String;
      case "number" -> Values.isNumber(value);
      case "integer" -> value instanceof Long;
      case "float" -> value instanceof Double;
      case "boolean" -> value instanceof Boolean;
      case "true" -> value.equals(true);
      case "false" -> value.equals(false);
      case "mapping" -> value instanceof Map<?, ?>;
      case "sequence", "iterable" ->
          value instanceof List<?>
              || value instanceof String
              || value instanceof Map<?, ?>
              || value instanceof Undefined;
      case "callable" -> value instanceof Values.Function;
      case "even" -> Values.integer(value) % 2 == 0;
      case "odd" -> Values.integer(value) % 2 != 0;
      case "divisibleby" -> {
        long divisor = Values.integer(other(name, arguments));
        if (divisor == 0) {
          throw new Problem("division by zero");
        }
        yield Values.integer(value) % divisor == 0;
      }
      case "eq", "equalto", "sameas" -> Values.isEqual(value, other(name, arguments));
      case "ne" -> !Values.isEqual(value, other(name, arguments));
      case "lt" -> Values.compare(value, other(name, arguments)) < 0;
      case "le" -> Values.compare(value, other(name, arguments)) <= 0;
      case "gt" -> Values.compare(value, other(name, arguments)) > 0;
      case "ge" -> Values.compare(value, other(name, arguments)) >= 0;
      case "in" -> Values.contains(other(name, arguments), value);
      default -> throw new Problem("the test '%s' is not supported".formatted(name));
    };
  }

  private static Object other(String name, List<Object> arguments) {
    if (arguments.size() != 1) {
      throw new Problem("the test '%s' needs one argument".formatted(name));
    }
    return arguments.getFirst();
  }
}
