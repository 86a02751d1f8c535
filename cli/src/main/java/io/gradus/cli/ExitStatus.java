package io.gradus.cli;

/// How the command ends; scripts hold on to the numbers.
final class ExitStatus {

  /// It did what was asked.
  static final int DONE = 0;

  /// It could not do it, or found that something is wrong.
  static final int FAILED = 1;

  /// What was given to it is wrong.
  static final int WRONG_INPUT = 2;

  /// A person stopped it.
  static final int INTERRUPTED = 130;

  private ExitStatus() {}
}
