package io.gradus.policy.text.jinja;

import java.util.List;
import java.util.Map;
import java.util.Optional;

/// What a template computes.
sealed interface Expression {

  int line();

  /// Arguments of a call or a filter.
  record Arguments(List<Expression> positional, Map<String, Expression> named) {}

  record Literal(int line, Object value) implements Expression {}

  record Name(int line, String name) implements Expression {}

  record ListOf(int line, List<Expression> items) implements Expression {}

  record MapOf(int line, List<Expression> keys, List<Expression> values) implements Expression {}

  record Attribute(int line, Expression target, String name) implements Expression {}

  record Item(int line, Expression target, Expression index) implements Expression {}

  record Slice(
      int line,
      Expression target,
      Optional<Expression> start,
      Optional<Expression> stop,
      Optional<Expression> step)
      implements Expression {}

  record Call(int line, Expression callee, Arguments arguments) implements Expression {}

  record Filter(int line, Expression target, String name, Arguments arguments)
      implements Expression {}

  record Test(int line, Expression target, String name, List<Expression> arguments)
      implements Expression {}

  record Not(int line, Expression operand) implements Expression {}

  record Negative(int line, Expression operand) implements Expression {}

  record Binary(int line, String operator, Expression left, Expression right)
      implements Expression {}

  /// `a < b < c` compares each pair of neighbours.
  record Compare(int line, Expression first, List<String> operators, List<Expression> others)
      implements Expression {}

  record Conditional(
      int line, Expression condition, Expression then, Optional<Expression> otherwise)
      implements Expression {}
}
