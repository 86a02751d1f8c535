package io.gradus.policy.text.jinja;

/// A template that cannot be read or rendered; the message begins with its name and the line.
public final class JinjaException extends RuntimeException {

  private final String template;
  private final int line;

  JinjaException(String template, int line, String problem) {
    super("%s:%d: %s".formatted(template, line, problem));
    this.template = template;
    this.line = line;
  }

  /// Name of the template.
  public String template() {
    return template;
  }

  /// Line in the template, counted from 1.
  public int line() {
    return line;
  }
}
