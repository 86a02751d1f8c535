package io.gradus.worker.link;

import io.gradus.core.retry.Diagnosis;
import io.grpc.Status;

/// Which failed calls are worth repeating.
final class Refusals {

  private Refusals() {}

  /// The status in one line: a status of gRPC prints the stack of its cause.
  static String told(Status status) {
    Throwable cause = status.getCause();
    while (cause != null && cause.getCause() != null) {
      cause = cause.getCause();
    }
    String description = status.getDescription();
    return Diagnosis.hinted(
        status.getCode()
            + (description == null ? "" : ": " + description)
            + (cause == null || cause.getMessage() == null ? "" : " (" + cause.getMessage() + ")"));
  }

  /// Whether the same call may succeed later: the coordinator is away, moving, or busy. The others
  /// say that the request itself is wrong.
  static boolean mayPass(Status status) {
    return switch (status.getCode()) {
      case UNAVAILABLE,
          DEADLINE_EXCEEDED,
          ABORTED,
          RESOURCE_EXHAUSTED,
          CANCELLED,
          INTERNAL,
          UNKNOWN ->
          true;
      case OK,
          INVALID_ARGUMENT,
          NOT_FOUND,
          ALREADY_EXISTS,
          PERMISSION_DENIED,
          FAILED_PRECONDITION,
          OUT_OF_RANGE,
          UNIMPLEMENTED,
          DATA_LOSS,
          UNAUTHENTICATED ->
          false;
    };
  }
}
