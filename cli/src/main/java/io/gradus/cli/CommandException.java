package io.gradus.cli;

/// Ends a command with a message for its user and a status.
final class CommandException extends RuntimeException {

  private static final long serialVersionUID = 1L;

  private final int status;

  private CommandException(int status, String message) {
    super(message);
    this.status = status;
  }

  static CommandException failed(String message) {
    return new CommandException(ExitStatus.FAILED, message);
  }

  static CommandException wrongInput(String message) {
    return new CommandException(ExitStatus.WRONG_INPUT, message);
  }

  int status() {
    return status;
  }
}
