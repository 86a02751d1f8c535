package io.gradus.cli.role;

/// A role that cannot go on; the message says why, for people, and what to do.
public final class RoleException extends Exception {

  private static final long serialVersionUID = 1L;

  /// With this message.
  public static RoleException of(String message) {
    return new RoleException(message);
  }

  RoleException(String message) {
    super(message);
  }

  RoleException(String message, Throwable cause) {
    super(message, cause);
  }
}
