package io.gradus.cli.link;

import io.gradus.core.retry.Diagnosis;
import io.gradus.learner.link.LinkException;
import io.grpc.Status;

/// How calls fail, for people and for decisions.
public final class Statuses {

  private Statuses() {}

  /// The status in one line: one of gRPC prints the stack of its cause.
  public static String told(Status status) {
    Throwable cause = status.getCause();
    while (cause != null && cause.getCause() != null) {
      cause = cause.getCause();
    }
    String description = status.getDescription();
    return Diagnosis.hinted(
        (description == null ? status.getCode().toString() : description)
            + (cause == null || cause.getMessage() == null ? "" : " (" + cause.getMessage() + ")"));
  }

  /// Whether the same call may succeed later, by the rule of the learner's own calls.
  public static boolean mayPass(Status status) {
    return LinkException.mayPass(status);
  }
}
