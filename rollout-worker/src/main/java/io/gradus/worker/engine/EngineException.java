package io.gradus.worker.engine;

/// The engine cannot do what it should, for a reason of infrastructure; never a verdict on an
/// answer.
public final class EngineException extends Exception {

  public EngineException(String message, Throwable cause) {
    super(message, cause);
  }

  public EngineException(String message) {
    super(message);
  }
}
