package io.gradus.learner.link;

/// The learner was closed while it waited for something.
public final class ClosedException extends Exception {

  private static final long serialVersionUID = 1;

  ClosedException() {
    super("the learner was closed");
  }
}
