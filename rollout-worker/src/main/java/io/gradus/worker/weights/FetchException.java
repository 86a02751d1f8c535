package io.gradus.worker.weights;

import java.time.Duration;
import java.util.Optional;

/// The files of a version cannot be had now; the message says why.
final class FetchException extends Exception {

  private static final long serialVersionUID = 1;

  /// When to come again, if a source said so.
  private final transient Optional<Duration> retryAfter;

  FetchException(String message, Throwable cause) {
    super(message, cause);
    retryAfter = Optional.empty();
  }

  FetchException(String message, Optional<Duration> retryAfter) {
    super(message);
    this.retryAfter = retryAfter;
  }

  FetchException(String message) {
    this(message, Optional.empty());
  }

  Optional<Duration> retryAfter() {
    return retryAfter;
  }
}
