package io.gradus.coordinator.edge;

import com.google.protobuf.Any;
import com.google.protobuf.Duration;
import com.google.rpc.BadRequest;
import com.google.rpc.Code;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import com.google.rpc.Status;
import io.gradus.coordinator.run.RunAnswer;
import io.gradus.coordinator.spec.SpecProblem;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import java.util.List;
import java.util.Map;

/// Refusals as gRPC errors: a client branches on the reason, a person reads the message.
final class Refusals {

  private static final String DOMAIN = "gradus";
  private static final Duration COME_AGAIN = Duration.newBuilder().setSeconds(1).build();

  private Refusals() {}

  static StatusRuntimeException invalid(List<SchemaRules.Violation> violations) {
    var request = BadRequest.newBuilder();
    violations.forEach(violation ->
        request
            .addFieldViolationsBuilder()
            .setField(violation.path())
            .setDescription(violation.message()));
    SchemaRules.Violation first = violations.getFirst();
    return refusal(
        Code.INVALID_ARGUMENT,
        "INVALID_REQUEST",
        "%s %s%s"
            .formatted(
                first.path(),
                first.message(),
                violations.size() > 1 ? " (and %d more)".formatted(violations.size() - 1) : ""),
        Map.of(),
        Any.pack(request.build()));
  }

  static StatusRuntimeException invalid(String path, String message) {
    return invalid(List.of(new SchemaRules.Violation(path, message)));
  }

  static StatusRuntimeException contradictory(List<SpecProblem> problems) {
    return invalid(
        problems.stream()
            .map(problem -> new SchemaRules.Violation("spec." + problem.path(), problem.message()))
            .toList());
  }

  static StatusRuntimeException noSuchRun(String runId) {
    return refusal(
        Code.NOT_FOUND,
        RunAnswer.Refused.NOT_FOUND,
        "run %s is not in the ledger; list the runs, or submit it".formatted(runId),
        Map.of("run_id", runId));
  }

  static StatusRuntimeException noSuchGroup(String runId, long group) {
    return refusal(
        Code.NOT_FOUND,
        "GROUP_NOT_FOUND",
        "run %s has no group %d".formatted(runId, group),
        Map.of("run_id", runId, "group_id", Long.toString(group)));
  }

  static StatusRuntimeException otherSpec(String runId) {
    return refusal(
        Code.ALREADY_EXISTS,
        "RUN_EXISTS",
        "run %s is there with another spec; choose another id".formatted(runId),
        Map.of("run_id", runId));
  }

  static StatusRuntimeException exhausted(String reason, String message) {
    return refusal(
        Code.RESOURCE_EXHAUSTED,
        reason,
        message,
        Map.of(),
        Any.pack(RetryInfo.newBuilder().setRetryDelay(COME_AGAIN).build()));
  }

  static StatusRuntimeException unavailable(String message) {
    return refusal(Code.UNAVAILABLE, "UNAVAILABLE", message, Map.of());
  }

  static StatusRuntimeException failedPrecondition(
      String reason, String message, Map<String, String> details) {
    return refusal(Code.FAILED_PRECONDITION, reason, message, details);
  }

  static StatusRuntimeException internal(String message) {
    return refusal(Code.INTERNAL, "INTERNAL", message, Map.of());
  }

  /// The status that fits what a run refused.
  static StatusRuntimeException of(RunAnswer.Refused refused) {
    return switch (refused.reason()) {
      case RunAnswer.Refused.RECOVERING ->
          refusal(Code.UNAVAILABLE, refused.reason(), refused.message(), refused.details());
      case RunAnswer.Refused.BUSY -> exhausted(refused.reason(), refused.message());
      case RunAnswer.Refused.NOT_FOUND ->
          refusal(Code.NOT_FOUND, refused.reason(), refused.message(), refused.details());
      default -> failedPrecondition(refused.reason(), refused.message(), refused.details());
    };
  }

  private static StatusRuntimeException refusal(
      Code code, String reason, String message, Map<String, String> metadata, Any... details) {
    var info =
        ErrorInfo.newBuilder().setReason(reason).setDomain(DOMAIN).putAllMetadata(metadata).build();
    return StatusProto.toStatusRuntimeException(
        Status.newBuilder()
            .setCode(code.getNumber())
            .setMessage(message)
            .addDetails(Any.pack(info))
            .addAllDetails(List.of(details))
            .build());
  }
}
