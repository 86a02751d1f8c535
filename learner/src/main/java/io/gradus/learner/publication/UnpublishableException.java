package io.gradus.learner.publication;

/// Weights that must not reach a worker.
public final class UnpublishableException extends Exception {

  private static final long serialVersionUID = 1;

  UnpublishableException(String message) {
    super(message);
  }
}
