package io.gradus.learner.link;

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.ErrorInfo;
import io.gradus.core.retry.Diagnosis;
import io.grpc.Status;
import io.grpc.protobuf.StatusProto;

/// A call that failed for good: refused, or repeated for too long.
public final class LinkException extends Exception {

  private static final long serialVersionUID = 1;

  /// Another session of the learner has taken over.
  public static final String FENCED = "LEARNER_FENCED";

  /// Another learner works on the run.
  public static final String BUSY = "LEARNER_BUSY";

  /// The run is over.
  public static final String RUN_ENDED = "RUN_ENDED";

  private final String reason;

  LinkException(String what, Throwable failure) {
    super(what + ": " + textOf(failure), failure);
    reason = reasonOf(failure);
  }

  /// What clients branch on, in UPPER_SNAKE; empty where the coordinator gave none.
  public String reason() {
    return reason;
  }

  public boolean isBusy() {
    return reason.equals(BUSY);
  }

  public boolean isFenced() {
    return reason.equals(FENCED);
  }

  public boolean isRunEnded() {
    return reason.equals(RUN_ENDED);
  }

  static String textOf(Throwable failure) {
    Status status = Status.fromThrowable(failure);
    String reason = reasonOf(failure);
    String description = status.getDescription();
    Throwable cause = status.getCause();
    while (cause != null && cause.getCause() != null) {
      cause = cause.getCause();
    }
    return Diagnosis.hinted(
        (reason.isEmpty() ? status.getCode().name() : reason)
            + (description == null ? "" : ", " + description)
            + (cause == null || cause.getMessage() == null ? "" : " (" + cause.getMessage() + ")"));
  }

  static String reasonOf(Throwable failure) {
    com.google.rpc.Status details = StatusProto.fromThrowable(failure);
    if (details == null) {
      return "";
    }
    try {
      for (Any detail : details.getDetailsList()) {
        if (detail.is(ErrorInfo.class)) {
          return detail.unpack(ErrorInfo.class).getReason();
        }
      }
    } catch (InvalidProtocolBufferException unreadable) {
      return "";
    }
    return "";
  }

  static boolean mayPass(Throwable failure) {
    return mayPass(Status.fromThrowable(failure));
  }

  /// Whether the same call may succeed later: the coordinator is away, moving, or busy. The others
  /// say that the request itself is wrong.
  public static boolean mayPass(Status status) {
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
