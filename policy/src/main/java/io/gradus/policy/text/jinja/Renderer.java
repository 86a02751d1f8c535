package io.gradus.policy.text.jinja;

import io.gradus.policy.text.jinja.Expression.Arguments;
import io.gradus.policy.text.jinja.Values.Function;
import io.gradus.policy.text.jinja.Values.Namespace;
import io.gradus.policy.text.jinja.Values.Undefined;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// One rendering of a template.
final class Renderer {

  private static final int MAX_CALL_DEPTH = 50;

  /// How a statement ended.
  private enum Flow {
    ON,
    BREAK,
    CONTINUE
  }

  /// Names of a template, a loop or a macro; an inner one does not assign those of an outer one.
  private record Scope(@Nullable Scope outer, Map<String, Object> names) {
    Scope inner() {
      return new Scope(this, new HashMap<>());
    }

    Object get(String name) {
      for (Scope scope = this; scope != null; scope = scope.outer) {
        Object value = scope.names.get(name);
        if (value != null) {
          return value;
        }
      }
      return new Undefined(name);
    }
  }

  /// Where a loop is.
  private record Loop(List<Object> items, int index) {
    Object field(String name) {
      return switch (name) {
        case "index" -> index + 1L;
        case "index0" -> (long) index;
        case "revindex" -> (long) items.size() - index;
        case "revindex0" -> items.size() - index - 1L;
        case "first" -> index == 0;
        case "last" -> index == items.size() - 1;
        case "length" -> (long) items.size();
        case "previtem" -> index > 0 ? items.get(index - 1) : new Undefined("loop.previtem");
        case "nextitem" ->
            index + 1 < items.size() ? items.get(index + 1) : new Undefined("loop.nextitem");
        default -> throw new Problem("'loop.%s' is not supported".formatted(name));
      };
    }
  }

  private final String template;
  private final long maxSteps;
  private final int maxLength;
  private StringBuilder out = new StringBuilder();
  private long steps;
  private long lengths;
  private int calls;

  Renderer(String template, int maxLength, long maxSteps) {
    this.template = template;
    this.maxLength = maxLength;
    this.maxSteps = maxSteps;
  }

  String render(List<Statement> statements, Map<String, Object> variables) {
    run(statements, new Scope(null, new HashMap<>(variables)));
    return out.toString();
  }

  // Statements.

  private Flow run(List<Statement> statements, Scope scope) {
    for (Statement statement : statements) {
      Flow flow;
      try {
        flow = run(statement, scope);
      } catch (Problem e) {
        throw new JinjaException(template, statement.line(), String.valueOf(e.getMessage()));
      }
      if (flow != Flow.ON) {
        return flow;
      }
    }
    return Flow.ON;
  }

  private Flow run(Statement statement, Scope scope) {
    step();
    switch (statement) {
      case Statement.Text(_, var text) -> write(text);
      case Statement.Output(_, var value) -> write(Values.text(evaluate(value, scope)));
      case Statement.If(_, var conditions, var bodies) -> {
        for (int i = 0; i < bodies.size(); i++) {
          if (i == conditions.size() || Values.isTrue(evaluate(conditions.get(i), scope))) {
            return run(bodies.get(i), scope);
          }
        }
      }
      case Statement.For loop -> loop(loop, scope);
      case Statement.Assign assign -> assign(assign, scope);
      case Statement.Capture(_, var target, var body) ->
          scope.names().put(target, captured(body, scope.inner()));
      case Statement.Macro macro -> scope.names().put(macro.name(), function(macro, scope));
      case Statement.Generation(_, var body) -> {
        return run(body, scope.inner());
      }
      case Statement.Break _ -> {
        return Flow.BREAK;
      }
      case Statement.Continue _ -> {
        return Flow.CONTINUE;
      }
    }
    return Flow.ON;
  }

  private void loop(Statement.For loop, Scope scope) {
    List<Object> items = Values.items(evaluate(loop.items(), scope));
    if (loop.condition().isPresent()) {
      Expression condition = loop.condition().get();
      items.removeIf(item -> {
        Scope inner = scope.inner();
        bind(loop.targets(), item, inner);
        return !Values.isTrue(evaluate(condition, inner));
      });
    }
    if (items.isEmpty()) {
      run(loop.otherwise(), scope.inner());
      return;
    }
    for (int i = 0; i < items.size(); i++) {
      step();
      Scope inner = scope.inner();
      inner.names().put("loop", new Loop(items, i));
      bind(loop.targets(), items.get(i), inner);
      if (run(loop.body(), inner) == Flow.BREAK) {
        break;
      }
    }
  }

  private static void bind(List<String> targets, Object value, Scope scope) {
    if (targets.size() == 1) {
      scope.names().put(targets.getFirst(), value);
      return;
    }
    List<Object> parts = Values.items(value);
    if (parts.size() != targets.size()) {
      throw new Problem("there are %d values for %d names".formatted(parts.size(), targets.size()));
    }
    for (int i = 0; i < parts.size(); i++) {
      scope.names().put(targets.get(i), parts.get(i));
    }
  }

  private void assign(Statement.Assign assign, Scope scope) {
    Object value = evaluate(assign.value(), scope);
    if (assign.attribute().isEmpty()) {
      bind(assign.targets(), value, scope);
      return;
    }
    String name = assign.targets().getFirst();
    if (!(scope.get(name) instanceof Namespace namespace)) {
      throw new Problem("'%s' is no namespace, whose fields alone can be set".formatted(name));
    }
    namespace.fields().put(assign.attribute().get(), value);
  }

  private String captured(List<Statement> body, Scope scope) {
    StringBuilder outer = out;
    out = new StringBuilder();
    try {
      run(body, scope);
      return out.toString();
    } finally {
      out = outer;
    }
  }

  private Function function(Statement.Macro macro, Scope scope) {
    return (positional, named) -> {
      if (positional.size() > macro.parameters().size()) {
        throw new Problem(
            "the macro '%s' takes %d arguments but was given %d"
                .formatted(macro.name(), macro.parameters().size(), positional.size()));
      }
      Scope inner = scope.inner();
      for (int i = 0; i < macro.parameters().size(); i++) {
        String parameter = macro.parameters().get(i);
        Expression absent = macro.defaults().get(parameter);
        Object given = i < positional.size() ? positional.get(i) : named.get(parameter);
        if (given == null) {
          given = absent == null ? new Undefined(parameter) : evaluate(absent, inner);
        }
        inner.names().put(parameter, given);
      }
      if (++calls > MAX_CALL_DEPTH) {
        throw new Problem("macros call each other deeper than " + MAX_CALL_DEPTH);
      }
      String text = captured(macro.body(), inner);
      calls--;
      return text;
    };
  }

  // Expressions.

  private Object evaluate(Expression expression, Scope scope) {
    step();
    try {
      return value(expression, scope);
    } catch (Problem e) {
      throw new JinjaException(template, expression.line(), String.valueOf(e.getMessage()));
    }
  }

  private Object value(Expression expression, Scope scope) {
    return switch (expression) {
      case Expression.Literal(_, var value) -> value;
      case Expression.Name(_, var name) -> scope.get(name);
      case Expression.ListOf(_, var items) -> evaluateAll(items, scope);
      case Expression.MapOf(_, var keys, var values) -> {
        Map<String, Object> map = new LinkedHashMap<>();
        for (int i = 0; i < keys.size(); i++) {
          map.put(Values.string(evaluate(keys.get(i), scope)), evaluate(values.get(i), scope));
        }
        yield map;
      }
      case Expression.Attribute(_, var target, var name) ->
          attribute(evaluate(target, scope), name);
      case Expression.Item(_, var target, var index) ->
          item(evaluate(target, scope), evaluate(index, scope));
      case Expression.Slice slice -> bounded(slice(slice, scope));
      case Expression.Call(_, var callee, var arguments) -> call(callee, arguments, scope);
      case Expression.Filter(_, var target, var name, var arguments) ->
          bounded(
              Filters.apply(
                  name,
                  evaluate(target, scope),
                  evaluateAll(arguments.positional(), scope),
                  named(arguments, scope)));
      case Expression.Test(_, var target, var name, var arguments) ->
          Tests.holds(name, evaluate(target, scope), evaluateAll(arguments, scope));
      case Expression.Not(_, var operand) -> !Values.isTrue(evaluate(operand, scope));
      case Expression.Negative(_, var operand) -> {
        Object number = evaluate(operand, scope);
        yield number instanceof Double floating ? (Object) (-floating) : -Values.integer(number);
      }
      case Expression.Binary binary -> bounded(binary(binary, scope));
      case Expression.Compare compare -> compare(compare, scope);
      case Expression.Conditional(_, var condition, var then, var otherwise) ->
          Values.isTrue(evaluate(condition, scope))
              ? evaluate(then, scope)
              : otherwise.isPresent()
                  ? evaluate(otherwise.get(), scope)
                  : new Undefined("the value of an if without else");
    };
  }

  private List<Object> evaluateAll(List<Expression> expressions, Scope scope) {
    List<Object> values = new ArrayList<>();
    for (Expression expression : expressions) {
      values.add(evaluate(expression, scope));
    }
    return values;
  }

  private Map<String, Object> named(Arguments arguments, Scope scope) {
    Map<String, Object> values = new LinkedHashMap<>();
    arguments.named().forEach((name, value) -> values.put(name, evaluate(value, scope)));
    return values;
  }

  private static Object attribute(Object target, String name) {
    if (target instanceof Undefined(var what)) {
      throw new Problem("'%s' is undefined and has no '%s'".formatted(what, name));
    }
    if (Methods.has(target, name)) {
      return (Function) (positional, named) -> Methods.call(target, name, positional, named);
    }
    return switch (target) {
      case Loop loop -> loop.field(name);
      default -> entry(target, name);
    };
  }

  private static Object item(Object target, Object index) {
    if (target instanceof Undefined(var what)) {
      throw new Problem("'%s' is undefined and has no items".formatted(what));
    }
    if (index instanceof String name) {
      return entry(target, name);
    }
    if (!(target instanceof List<?> || target instanceof String) || !Values.isNumber(index)) {
      return new Undefined("item " + Values.text(index));
    }
    List<Object> items = Values.items(target);
    long at = Values.integer(index);
    long wrapped = at < 0 ? at + items.size() : at;
    return wrapped >= 0 && wrapped < items.size()
        ? items.get((int) wrapped)
        : new Undefined("item " + at);
  }

  private static Object entry(Object target, String name) {
    Object found =
        switch (target) {
          case Map<?, ?> map -> map.get(name);
          case Namespace(var fields) -> fields.get(name);
          default -> null;
        };
    return found == null ? new Undefined(name) : found;
  }

  private Object slice(Expression.Slice slice, Scope scope) {
    Object target = evaluate(slice.target(), scope);
    List<Object> items = Values.items(target);
    long step = slice.step().map(e -> evaluate(e, scope)).map(Renderer::bound).orElse(1L);
    if (step == 0) {
      throw new Problem("a slice has step 0");
    }
    int size = items.size();
    long low = step > 0 ? 0 : -1;
    long high = step > 0 ? size : size - 1L;
    long start =
        slice
            .start()
            .map(e -> evaluate(e, scope))
            .filter(v -> v != Values.NONE)
            .map(v -> clamped(Values.integer(v), size, low, high))
            .orElse(step > 0 ? low : high);
    long stop =
        slice
            .stop()
            .map(e -> evaluate(e, scope))
            .filter(v -> v != Values.NONE)
            .map(v -> clamped(Values.integer(v), size, low, high))
            .orElse(step > 0 ? high : low);
    List<Object> taken = new ArrayList<>();
    for (long i = start; step > 0 ? i < stop : i > stop; i += step) {
      taken.add(items.get((int) i));
    }
    if (target instanceof String) {
      var text = new StringBuilder();
      taken.forEach(part -> text.append(Values.string(part)));
      return text.toString();
    }
    return taken;
  }

  private static long bound(Object step) {
    return step == Values.NONE ? 1 : Math.clamp(Values.integer(step), -(1L << 40), 1L << 40);
  }

  private static long clamped(long index, int size, long low, long high) {
    return Math.clamp(index < 0 ? index + size : index, low, high);
  }

  private Object call(Expression callee, Arguments arguments, Scope scope) {
    Object function = evaluate(callee, scope);
    if (function instanceof Function callable) {
      return bounded(
          callable.call(evaluateAll(arguments.positional(), scope), named(arguments, scope)));
    }
    throw new Problem(Values.describe(function) + " cannot be called");
  }

  private Object binary(Expression.Binary binary, Scope scope) {
    Object left = evaluate(binary.left(), scope);
    String operator = binary.operator();
    if (operator.equals("and")) {
      return Values.isTrue(left) ? evaluate(binary.right(), scope) : left;
    }
    if (operator.equals("or")) {
      return Values.isTrue(left) ? left : evaluate(binary.right(), scope);
    }
    Object right = evaluate(binary.right(), scope);
    if (operator.equals("~")) {
      return Values.text(left) + Values.text(right);
    }
    if (operator.equals("+") && left instanceof String a && right instanceof String b) {
      return a + b;
    }
    if (operator.equals("+") && left instanceof List<?> a && right instanceof List<?> b) {
      List<Object> both = new ArrayList<>(a);
      both.addAll(b);
      return both;
    }
    if (operator.equals("*") && left instanceof String text && right instanceof Long count) {
      long times = Math.max(0, count);
      if (times * Math.max(1.0, text.length()) > maxLength) {
        throw new Problem("a text is longer than %d characters".formatted(maxLength));
      }
      return text.repeat((int) times);
    }
    if (!Values.isNumber(left) || !Values.isNumber(right)) {
      throw new Problem(
          "%s %s %s is not possible"
              .formatted(Values.describe(left), operator, Values.describe(right)));
    }
    boolean floats = Values.isEitherFloating(left, right) || operator.equals("/");
    return floats
        ? floating(operator, Values.floatingOf(left), Values.floatingOf(right))
        : integer(operator, Values.integer(left), Values.integer(right));
  }

  private static Object floating(String operator, double left, double right) {
    if (right == 0 && !operator.equals("+") && !operator.equals("-") && !operator.equals("*")) {
      throw new Problem("division by zero");
    }
    return switch (operator) {
      case "+" -> left + right;
      case "-" -> left - right;
      case "*" -> left * right;
      case "/" -> left / right;
      case "//" -> Math.floor(left / right);
      default -> left - Math.floor(left / right) * right;
    };
  }

  private static Object integer(String operator, long left, long right) {
    try {
      return switch (operator) {
        case "+" -> Math.addExact(left, right);
        case "-" -> Math.subtractExact(left, right);
        case "*" -> Math.multiplyExact(left, right);
        case "//" -> Math.floorDiv(left, right);
        default -> Math.floorMod(left, right);
      };
    } catch (ArithmeticException e) {
      throw new Problem(right == 0 ? "division by zero" : "an integer is too large");
    }
  }

  private boolean compare(Expression.Compare compare, Scope scope) {
    Object left = evaluate(compare.first(), scope);
    for (int i = 0; i < compare.operators().size(); i++) {
      Object right = evaluate(compare.others().get(i), scope);
      boolean holds =
          switch (compare.operators().get(i)) {
            case "==" -> Values.isEqual(left, right);
            case "!=" -> !Values.isEqual(left, right);
            case "<" -> Values.compare(left, right) < 0;
            case "<=" -> Values.compare(left, right) <= 0;
            case ">" -> Values.compare(left, right) > 0;
            case ">=" -> Values.compare(left, right) >= 0;
            case "in" -> Values.contains(right, left);
            default -> !Values.contains(right, left);
          };
      if (!holds) {
        return false;
      }
      left = right;
    }
    return true;
  }

  // Bounds.

  private void step() {
    if (++steps > maxSteps) {
      throw new Problem("the template takes more than %d steps".formatted(maxSteps));
    }
  }

  private void write(String text) {
    if (out.length() + (long) text.length() > maxLength) {
      throw new Problem("the text is longer than %d characters".formatted(maxLength));
    }
    out.append(text);
  }

  /// Work grows with what values hold, so all that are made count.
  private Object bounded(Object value) {
    long length =
        switch (value) {
          case String text -> text.length();
          case List<?> list -> list.size();
          default -> 0;
        };
    lengths += length;
    if (length > maxLength || lengths > maxSteps * 16) {
      throw new Problem("the values of the template are larger than is allowed");
    }
    return value;
  }
}
