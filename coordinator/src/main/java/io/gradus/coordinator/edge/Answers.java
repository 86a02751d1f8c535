package io.gradus.coordinator.edge;

import io.gradus.coordinator.ledger.LedgerException;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.StreamObserver;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.RejectedExecutionException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Turns futures into answers of calls.
final class Answers {

  private static final Logger log = LoggerFactory.getLogger(Answers.class);

  private Answers() {}

  /// Answers a unary call with what `answer` brings.
  static <T> void unary(StreamObserver<T> call, CompletionStage<T> answer) {
    var _ =
        answer.whenComplete((value, failure) -> {
          try {
            if (failure == null) {
              call.onNext(value);
              call.onCompleted();
            } else {
              call.onError(statusOf(failure));
            }
          } catch (RuntimeException gone) {
            // A client that cancelled in the meantime; nobody is left to answer.
            log.atDebug().setCause(gone).log("call ended before its answer");
          }
        });
  }

  /// The status of a failure: a refusal as it is, anything else as what its type means.
  static StatusRuntimeException statusOf(Throwable failure) {
    return switch (failure) {
      case StatusRuntimeException refusal -> refusal;
      case CompletionException wrapped when wrapped.getCause() != null ->
          statusOf(wrapped.getCause());
      case ExecutionException wrapped when wrapped.getCause() != null ->
          statusOf(wrapped.getCause());
      case LedgerException ledger -> Refusals.unavailable(String.valueOf(ledger.getMessage()));
      case RejectedExecutionException full ->
          Refusals.exhausted("BUSY", "too many calls wait for the ledger; come again later");
      default -> {
        log.atError().setCause(failure).log("call failed");
        yield Refusals.internal("the call failed for a reason of the server's own; see its log");
      }
    };
  }
}
