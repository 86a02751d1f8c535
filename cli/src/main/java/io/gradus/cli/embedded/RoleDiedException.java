package io.gradus.cli.embedded;

/// A role that cannot go on; the message says which and why, for people.
public final class RoleDiedException extends Exception {

  private static final long serialVersionUID = 1L;

  RoleDiedException(String message) {
    super(message);
  }

  RoleDiedException(String role, Throwable cause) {
    super("%s died: %s".formatted(role, told(cause)), cause);
  }

  private static String told(Throwable cause) {
    String message = cause.getMessage();
    return message == null || message.isBlank() ? cause.getClass().getSimpleName() : message;
  }
}
