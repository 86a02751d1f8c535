package io.gradus.policy.checkpoint;

import java.io.IOException;
import java.nio.file.Path;

/// A file of a checkpoint that is not what it should be; the message names it and what is wrong.
public final class DamagedCheckpointException extends IOException {

  private final String problem;

  public DamagedCheckpointException(Path file, String problem) {
    super(file + ": " + problem);
    this.problem = problem;
  }

  /// What is wrong, without the name of the file.
  public String problem() {
    return problem;
  }
}
