package io.gradus.policy.text.jinja;

import io.gradus.policy.text.jinja.Expression.Arguments;
import io.gradus.policy.text.jinja.Token.Kind;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/// Reads words into statements, with the precedence of Jinja2.
final class Parser {

  private static final int MAX_DEPTH = 200;
  private static final Set<String> COMPARISONS = Set.of("==", "!=", "<", "<=", ">", ">=");

  private final String template;
  private final List<Token> tokens;
  private int at;
  private int depth;
  private int loops;

  private Parser(String template, List<Token> tokens) {
    this.template = template;
    this.tokens = tokens;
  }

  static List<Statement> parse(String template, String source) {
    return new Parser(template, Lexer.tokens(template, source)).body(List.of());
  }

  // Statements.

  /// Statements up to a block that begins with one of `ends`, which is not consumed beyond its
  /// name.
  private List<Statement> body(List<String> ends) {
    deeper();
    List<Statement> statements = new ArrayList<>();
    while (true) {
      Token token = next();
      switch (token.kind()) {
        case TEXT -> statements.add(new Statement.Text(token.line(), token.text()));
        case OUTPUT_BEGIN -> {
          statements.add(new Statement.Output(token.line(), tuple()));
          expect(Kind.OUTPUT_END);
        }
        case BLOCK_BEGIN -> {
          if (ends.contains(peek().text())) {
            depth--;
            return statements;
          }
          statements.add(block());
        }
        case END -> {
          if (!ends.isEmpty()) {
            throw problem(token, "the template ends before " + String.join(" or ", ends));
          }
          depth--;
          return statements;
        }
        default -> throw unexpected(token);
      }
    }
  }

  private Statement block() {
    Token name = next();
    return switch (name.text()) {
      case "if" -> ifBlock(name);
      case "for" -> forBlock(name);
      case "set" -> set(name);
      case "macro" -> macro(name);
      case "generation" -> {
        expect(Kind.BLOCK_END);
        yield new Statement.Generation(name.line(), closed("endgeneration"));
      }
      case "break", "continue" -> {
        if (loops == 0) {
          throw problem(name, name.text() + " is outside a loop");
        }
        expect(Kind.BLOCK_END);
        yield name.text().equals("break")
            ? new Statement.Break(name.line())
            : new Statement.Continue(name.line());
      }
      default -> throw problem(name, "the tag %s is not supported".formatted(name));
    };
  }

  private List<Statement> closed(String end) {
    List<Statement> body = body(List.of(end));
    next();
    expect(Kind.BLOCK_END);
    return body;
  }

  private Statement ifBlock(Token begin) {
    List<Expression> conditions = new ArrayList<>();
    List<List<Statement>> bodies = new ArrayList<>();
    conditions.add(expression());
    expect(Kind.BLOCK_END);
    while (true) {
      bodies.add(body(List.of("elif", "else", "endif")));
      Token end = next();
      if (end.isName("elif")) {
        conditions.add(expression());
        expect(Kind.BLOCK_END);
      } else {
        expect(Kind.BLOCK_END);
        if (end.isName("else")) {
          bodies.add(closed("endif"));
        }
        return new Statement.If(begin.line(), List.copyOf(conditions), List.copyOf(bodies));
      }
    }
  }

  private Statement forBlock(Token begin) {
    List<String> targets = targets();
    expectName("in");
    Expression items = or();
    Optional<Expression> condition = takeName("if") ? Optional.of(expression()) : Optional.empty();
    if (peek().isName("recursive")) {
      throw problem(peek(), "a recursive loop is not supported");
    }
    expect(Kind.BLOCK_END);
    loops++;
    List<Statement> body = body(List.of("else", "endfor"));
    loops--;
    List<Statement> otherwise = List.of();
    boolean hasElse = next().isName("else");
    expect(Kind.BLOCK_END);
    if (hasElse) {
      otherwise = closed("endfor");
    }
    return new Statement.For(begin.line(), targets, items, condition, body, otherwise);
  }

  private Statement set(Token begin) {
    List<String> targets = targets();
    if (takeOperator(".")) {
      String attribute = expect(Kind.NAME).text();
      expectOperator("=");
      Expression value = tuple();
      expect(Kind.BLOCK_END);
      return new Statement.Assign(begin.line(), targets, Optional.of(attribute), value);
    }
    if (takeOperator("=")) {
      Expression value = tuple();
      expect(Kind.BLOCK_END);
      return new Statement.Assign(begin.line(), targets, Optional.empty(), value);
    }
    if (targets.size() != 1 || peek().kind() != Kind.BLOCK_END) {
      throw unexpected(peek());
    }
    next();
    return new Statement.Capture(begin.line(), targets.getFirst(), closed("endset"));
  }

  private List<String> targets() {
    boolean inBrackets = takeOperator("(");
    List<String> targets = new ArrayList<>();
    do {
      targets.add(expect(Kind.NAME).text());
    } while (takeOperator(","));
    if (inBrackets) {
      expectOperator(")");
    }
    return List.copyOf(targets);
  }

  private Statement macro(Token begin) {
    String name = expect(Kind.NAME).text();
    List<String> parameters = new ArrayList<>();
    Map<String, Expression> defaults = new LinkedHashMap<>();
    expectOperator("(");
    while (!takeOperator(")")) {
      String parameter = expect(Kind.NAME).text();
      parameters.add(parameter);
      if (takeOperator("=")) {
        defaults.put(parameter, expression());
      }
      if (!peek().isOperator(")")) {
        expectOperator(",");
      }
    }
    expect(Kind.BLOCK_END);
    int outer = loops;
    loops = 0;
    List<Statement> body = closed("endmacro");
    loops = outer;
    return new Statement.Macro(begin.line(), name, List.copyOf(parameters), defaults, body);
  }

  // Expressions, from the loosest to the tightest.

  /// An expression, or several with commas between, which make a list.
  private Expression tuple() {
    Expression first = expression();
    if (!peek().isOperator(",")) {
      return first;
    }
    List<Expression> items = new ArrayList<>(List.of(first));
    while (takeOperator(",")) {
      Kind kind = peek().kind();
      if (kind == Kind.OUTPUT_END || kind == Kind.BLOCK_END || peek().isOperator(")")) {
        break;
      }
      items.add(expression());
    }
    return new Expression.ListOf(first.line(), items);
  }

  private Expression expression() {
    deeper();
    Expression value = or();
    while (peek().isName("if")) {
      int line = next().line();
      Expression condition = or();
      Optional<Expression> otherwise =
          takeName("else") ? Optional.of(expression()) : Optional.empty();
      value = new Expression.Conditional(line, condition, value, otherwise);
    }
    depth--;
    return value;
  }

  private Expression or() {
    Expression left = and();
    while (peek().isName("or")) {
      left = new Expression.Binary(next().line(), "or", left, and());
    }
    return left;
  }

  private Expression and() {
    Expression left = not();
    while (peek().isName("and")) {
      left = new Expression.Binary(next().line(), "and", left, not());
    }
    return left;
  }

  private Expression not() {
    if (!peek().isName("not")) {
      return comparison();
    }
    deeper();
    var not = new Expression.Not(next().line(), not());
    depth--;
    return not;
  }

  private Expression comparison() {
    Expression first = sum();
    int line = peek().line();
    List<String> operators = new ArrayList<>();
    List<Expression> others = new ArrayList<>();
    while (true) {
      Token token = peek();
      if (token.kind() == Kind.OPERATOR && COMPARISONS.contains(token.text())) {
        operators.add(next().text());
      } else if (token.isName("in")) {
        operators.add(next().text());
      } else if (token.isName("not") && tokens.get(at + 1).isName("in")) {
        at += 2;
        operators.add("not in");
      } else {
        return operators.isEmpty() ? first : new Expression.Compare(line, first, operators, others);
      }
      others.add(sum());
    }
  }

  private Expression sum() {
    Expression left = concatenation();
    while (peek().isOperator("+") || peek().isOperator("-")) {
      Token operator = next();
      left = new Expression.Binary(operator.line(), operator.text(), left, concatenation());
    }
    return left;
  }

  private Expression concatenation() {
    Expression left = product();
    while (peek().isOperator("~")) {
      left = new Expression.Binary(next().line(), "~", left, product());
    }
    return left;
  }

  private Expression product() {
    Expression left = power();
    while (peek().isOperator("*")
        || peek().isOperator("/")
        || peek().isOperator("//")
        || peek().isOperator("%")) {
      Token operator = next();
      left = new Expression.Binary(operator.line(), operator.text(), left, power());
    }
    return left;
  }

  private Expression power() {
    Expression base = unary(true);
    if (peek().isOperator("**")) {
      throw problem(peek(), "the operator ** is not supported");
    }
    return base;
  }

  private Expression unary(boolean withFilters) {
    Expression value;
    if (peek().isOperator("-")) {
      deeper();
      value = new Expression.Negative(next().line(), unary(false));
      depth--;
    } else if (takeOperator("+")) {
      deeper();
      value = unary(false);
      depth--;
    } else {
      value = suffixes(primary());
    }
    return withFilters ? filters(value) : value;
  }

  private Expression primary() {
    Token token = next();
    int line = token.line();
    return switch (token.kind()) {
      case NAME ->
          switch (token.text()) {
            case "true", "True" -> new Expression.Literal(line, true);
            case "false", "False" -> new Expression.Literal(line, false);
            case "none", "None" -> new Expression.Literal(line, Values.NONE);
            default -> new Expression.Name(line, token.text());
          };
      case STRING -> {
        var text = new StringBuilder(token.text());
        while (peek().kind() == Kind.STRING) { // Strings side by side are one.
          text.append(next().text());
        }
        yield new Expression.Literal(line, text.toString());
      }
      case INTEGER, FLOAT -> number(token);
      case OPERATOR ->
          switch (token.text()) {
            case "(" -> brackets(token);
            case "[" -> new Expression.ListOf(line, items("]"));
            case "{" -> map(token);
            default -> throw unexpected(token);
          };
      default -> throw unexpected(token);
    };
  }

  private Expression number(Token token) {
    String digits = token.text().replace("_", "");
    try {
      return token.kind() == Kind.INTEGER
          ? new Expression.Literal(token.line(), Long.valueOf(digits))
          : new Expression.Literal(token.line(), Double.valueOf(digits));
    } catch (NumberFormatException e) {
      throw problem(token, "the number %s is too large".formatted(digits));
    }
  }

  private Expression brackets(Token begin) {
    if (takeOperator(")")) {
      return new Expression.ListOf(begin.line(), List.of());
    }
    Expression value = tuple();
    expectOperator(")");
    return value;
  }

  private List<Expression> items(String end) {
    List<Expression> items = new ArrayList<>();
    while (!takeOperator(end)) {
      items.add(expression());
      if (!peek().isOperator(end)) {
        expectOperator(",");
      }
    }
    return items;
  }

  private Expression map(Token begin) {
    List<Expression> keys = new ArrayList<>();
    List<Expression> values = new ArrayList<>();
    while (!takeOperator("}")) {
      keys.add(expression());
      expectOperator(":");
      values.add(expression());
      if (!peek().isOperator("}")) {
        expectOperator(",");
      }
    }
    return new Expression.MapOf(begin.line(), keys, values);
  }

  private Expression suffixes(Expression begin) {
    Expression value = begin;
    while (true) {
      Token token = peek();
      if (token.isOperator(".")) {
        next();
        Token name = next();
        value =
            switch (name.kind()) {
              case NAME -> new Expression.Attribute(token.line(), value, name.text());
              case INTEGER -> new Expression.Item(token.line(), value, number(name));
              default -> throw unexpected(name);
            };
      } else if (token.isOperator("[")) {
        next();
        value = subscript(token, value);
      } else if (token.isOperator("(")) {
        value = new Expression.Call(token.line(), value, arguments());
      } else {
        return value;
      }
    }
  }

  private Expression subscript(Token begin, Expression target) {
    Optional<Expression> start =
        peek().isOperator(":") ? Optional.empty() : Optional.of(expression());
    if (start.isPresent() && takeOperator("]")) {
      return new Expression.Item(begin.line(), target, start.get());
    }
    expectOperator(":");
    Optional<Expression> stop = sliceEnd();
    Optional<Expression> step = takeOperator(":") ? sliceEnd() : Optional.empty();
    expectOperator("]");
    return new Expression.Slice(begin.line(), target, start, stop, step);
  }

  private Optional<Expression> sliceEnd() {
    return peek().isOperator(":") || peek().isOperator("]")
        ? Optional.empty()
        : Optional.of(expression());
  }

  private Arguments arguments() {
    List<Expression> positional = new ArrayList<>();
    Map<String, Expression> named = new LinkedHashMap<>();
    expectOperator("(");
    while (!takeOperator(")")) {
      Token token = peek();
      if (token.isOperator("*") || token.isOperator("**")) {
        throw problem(token, "arguments with %s are not supported".formatted(token.text()));
      }
      if (token.kind() == Kind.NAME && tokens.get(at + 1).isOperator("=")) {
        at += 2;
        named.put(token.text(), expression());
      } else {
        positional.add(expression());
      }
      if (!peek().isOperator(")")) {
        expectOperator(",");
      }
    }
    return new Arguments(positional, named);
  }

  private Expression filters(Expression begin) {
    Expression value = begin;
    while (true) {
      if (peek().isOperator("|")) {
        next();
        Token name = expect(Kind.NAME);
        if (!Filters.NAMES.contains(name.text())) {
          throw problem(name, "the filter %s is not supported".formatted(name));
        }
        Arguments arguments =
            peek().isOperator("(") ? arguments() : new Arguments(List.of(), Map.of());
        value = new Expression.Filter(name.line(), value, name.text(), arguments);
      } else if (peek().isName("is")) {
        value = test(value);
      } else if (peek().isOperator("(")) {
        value = new Expression.Call(peek().line(), value, arguments());
      } else {
        return value;
      }
    }
  }

  private Expression test(Expression target) {
    next();
    boolean negated = takeName("not");
    Token name = expect(Kind.NAME);
    if (!Tests.NAMES.contains(name.text())) {
      throw problem(name, "the test %s is not supported".formatted(name));
    }
    List<Expression> arguments = new ArrayList<>();
    Token token = peek();
    boolean isWord =
        token.kind() == Kind.NAME
            && !Set.of("else", "or", "and", "is", "if", "in", "not").contains(token.text());
    if (token.isOperator("(")) {
      Arguments given = arguments();
      arguments.addAll(given.positional());
    } else if (isWord
        || token.kind() == Kind.STRING
        || token.kind() == Kind.INTEGER
        || token.kind() == Kind.FLOAT
        || token.isOperator("[")
        || token.isOperator("{")) {
      arguments.add(suffixes(primary()));
    }
    var test = new Expression.Test(name.line(), target, name.text(), arguments);
    return negated ? new Expression.Not(name.line(), test) : test;
  }

  // Words.

  private Token peek() {
    return tokens.get(at);
  }

  private Token next() {
    Token token = tokens.get(at);
    if (token.kind() != Kind.END) {
      at++;
    }
    return token;
  }

  private boolean takeOperator(String operator) {
    if (peek().isOperator(operator)) {
      at++;
      return true;
    }
    return false;
  }

  private boolean takeName(String name) {
    if (peek().isName(name)) {
      at++;
      return true;
    }
    return false;
  }

  private Token expect(Kind kind) {
    Token token = next();
    if (token.kind() != kind) {
      throw unexpected(token);
    }
    return token;
  }

  private void expectOperator(String operator) {
    if (!takeOperator(operator)) {
      throw problem(peek(), "expected '%s' but found %s".formatted(operator, peek()));
    }
  }

  private void expectName(String name) {
    if (!takeName(name)) {
      throw problem(peek(), "expected '%s' but found %s".formatted(name, peek()));
    }
  }

  private void deeper() {
    if (++depth > MAX_DEPTH) {
      throw problem(peek(), "the template is nested deeper than " + MAX_DEPTH);
    }
  }

  private JinjaException unexpected(Token token) {
    return problem(token, "unexpected " + token);
  }

  private JinjaException problem(Token token, String problem) {
    return new JinjaException(template, token.line(), problem);
  }
}
