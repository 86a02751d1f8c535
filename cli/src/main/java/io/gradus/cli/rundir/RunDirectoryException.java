package io.gradus.cli.rundir;

/// A run directory that cannot be used, told so that its owner can mend it.
public final class RunDirectoryException extends Exception {

  private static final long serialVersionUID = 1L;

  RunDirectoryException(String message) {
    super(message);
  }
}
