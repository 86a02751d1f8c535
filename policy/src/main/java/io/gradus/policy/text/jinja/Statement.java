package io.gradus.policy.text.jinja;

import java.util.List;
import java.util.Map;
import java.util.Optional;

/// What a template does.
sealed interface Statement {

  int line();

  record Text(int line, String text) implements Statement {}

  record Output(int line, Expression value) implements Statement {}

  /// The first body whose condition holds.
  ///
  /// @param conditions as many as bodies, or one less where there is an `else`
  record If(int line, List<Expression> conditions, List<List<Statement>> bodies)
      implements Statement {}

  record For(
      int line,
      List<String> targets,
      Expression items,
      Optional<Expression> condition,
      List<Statement> body,
      List<Statement> otherwise)
      implements Statement {}

  /// Gives names their values.
  ///
  /// @param attribute of a namespace, or none
  record Assign(int line, List<String> targets, Optional<String> attribute, Expression value)
      implements Statement {}

  record Capture(int line, String target, List<Statement> body) implements Statement {}

  record Macro(
      int line,
      String name,
      List<String> parameters,
      Map<String, Expression> defaults,
      List<Statement> body)
      implements Statement {}

  /// Marks what the assistant said; transparent.
  record Generation(int line, List<Statement> body) implements Statement {}

  record Break(int line) implements Statement {}

  record Continue(int line) implements Statement {}
}
