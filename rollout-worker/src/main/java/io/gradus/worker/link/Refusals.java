package io.gradus.worker.link;

import io.grpc.Status;

/// Which failed calls are worth repeating.
final class Refusals {

  private Refusals() {}

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
