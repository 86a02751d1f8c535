package io.gradus.cli;

import static java.util.concurrent.TimeUnit.MILLISECONDS;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.gradus.cli.link.CoordinatorChannel;
import io.gradus.cli.link.Statuses;
import io.gradus.cli.report.ProtoJson;
import io.gradus.core.retry.Backoff;
import io.gradus.run.v1.RunProgress;
import io.gradus.run.v1.RunServiceGrpc;
import io.gradus.run.v1.RunServiceGrpc.RunServiceBlockingStub;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.time.Duration;
import java.time.Instant;
import java.util.Locale;
import java.util.SplittableRandom;
import java.util.concurrent.CountDownLatch;
import java.util.function.Function;

/// Calls about runs, made by a person who waits: each is repeated for a short time while no
/// coordinator answers, which is safe because every one is idempotent by its run, and what is then
/// refused is told in one line.
final class RunCalls {

  private static final Duration ANSWER_WITHIN = Duration.ofSeconds(30);
  private static final Duration REPEATED_FOR = Duration.ofSeconds(10);

  private final CoordinatorChannel channel;
  private final Console console;

  RunCalls(CoordinatorChannel channel, Console console) {
    this.channel = channel;
    this.console = console;
  }

  /// The answer to `call`.
  ///
  /// @throws CommandException when it is refused, or nobody answers
  <T> T ask(Function<RunServiceBlockingStub, T> call) throws InterruptedException {
    Instant begun = console.clock().instant();
    var backoff = new Backoff(new SplittableRandom(begun.toEpochMilli()));
    while (true) {
      try {
        return call.apply(
            RunServiceGrpc.newBlockingStub(channel)
                .withDeadlineAfter(ANSWER_WITHIN.toMillis(), MILLISECONDS));
      } catch (StatusRuntimeException e) {
        boolean isTooLate = begun.plus(REPEATED_FOR).isBefore(console.clock().instant());
        if (!Statuses.mayPass(e.getStatus()) || isTooLate) {
          throw refused(channel, e.getStatus());
        }
        var _ = new CountDownLatch(1).await(backoff.next().toMillis(), MILLISECONDS);
      }
    }
  }

  /// Tells in which state a run is after a call that changed it.
  static void tellState(Console console, boolean isJson, RunProgress run) {
    if (isJson) {
      ObjectNode json = JsonNodeFactory.instance.objectNode();
      json.set("run", ProtoJson.of(run));
      console.out().println(json);
    } else {
      console
          .out()
          .printf(
              "%s is %s%n", run.getRunId(), LocalRun.name(run.getState()).toLowerCase(Locale.ROOT));
    }
  }

  /// How a person is told that a call failed with `status`.
  static CommandException refused(CoordinatorChannel channel, Status status) {
    String told = Statuses.told(status);
    return switch (status.getCode()) {
      case INVALID_ARGUMENT, NOT_FOUND, ALREADY_EXISTS, OUT_OF_RANGE ->
          CommandException.wrongInput(told);
      case UNAVAILABLE, DEADLINE_EXCEEDED ->
          CommandException.failed(
              "no coordinator answers at %s: %s".formatted(text(channel), told));
      case UNIMPLEMENTED ->
          CommandException.failed(
              "what answers at %s is no coordinator, or an older one: %s"
                  .formatted(text(channel), told));
      case INTERNAL, UNKNOWN ->
          CommandException.failed("the call to %s fails: %s".formatted(text(channel), told));
      default -> CommandException.failed(told);
    };
  }

  /// The coordinators as they are given to an option.
  static String text(CoordinatorChannel channel) {
    return String.join(",", channel.coordinators().stream().map(Object::toString).toList());
  }
}
