package io.gradus.learner.batch;

/// What was received under a batch's number is not that batch, or is nothing to learn from.
public final class RefusedBatchException extends Exception {

  private static final long serialVersionUID = 1;

  public RefusedBatchException(String message) {
    super(message);
  }
}
