package io.gradus.coordinator.edge;

import akka.actor.typed.ActorRef;
import akka.actor.typed.ActorSystem;
import akka.actor.typed.javadsl.AskPattern;
import akka.cluster.sharding.typed.javadsl.ClusterSharding;
import akka.cluster.sharding.typed.javadsl.EntityRef;
import io.gradus.coordinator.pool.PoolCommand;
import io.gradus.coordinator.pool.PoolEntity;
import io.gradus.coordinator.run.RunAnswer;
import io.gradus.coordinator.run.RunCommand;
import io.gradus.coordinator.run.RunEntity;
import io.grpc.StatusRuntimeException;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Function;

/// How the edges reach the runs and the pools.
final class Runs {

  private final ActorSystem<?> system;
  private final ClusterSharding sharding;
  private final Duration askTimeout;
  private final Duration askAgain;

  /// Questions that wait for their answer; bounded by the calls that gRPC lets in.
  private final Map<Long, CompletableFuture<RunAnswer>> pending = new ConcurrentHashMap<>();

  private final AtomicLong questions = new AtomicLong();

  /// @param askTimeout longest wait for an answer
  /// @param askAgain how long a question waits before it is sent once more
  Runs(ActorSystem<?> system, Duration askTimeout, Duration askAgain) {
    this.system = system;
    this.sharding = ClusterSharding.get(system);
    this.askTimeout = askTimeout;
    this.askAgain = askAgain;
  }

  EntityRef<RunCommand> get(String runId) {
    return sharding.entityRefFor(RunEntity.KEY, runId);
  }

  EntityRef<PoolCommand> pool(String name) {
    return sharding.entityRefFor(PoolEntity.KEY, name);
  }

  /// Asks a run; fails with a gRPC status when it refuses or does not answer in time.
  <A extends RunAnswer> CompletionStage<A> ask(
      String runId, Class<A> type, Function<ActorRef<RunAnswer>, RunCommand> question) {
    var asked = new CompletableFuture<RunAnswer>();
    long number = questions.incrementAndGet();
    pending.put(number, asked);
    send(runId, question, askTimeout, asked);
    return asked
        .whenComplete((_, _) -> pending.remove(number))
        .handle((answer, failure) -> {
          if (failure != null) {
            throw new CompletionException(unanswered(runId, failure));
          }
          if (answer instanceof RunAnswer.Refused refused) {
            throw new CompletionException(Refusals.of(refused));
          }
          return type.cast(answer);
        });
  }

  /// Sends a question, again and again while nobody answers: one that arrives while its run moves
  /// to another node may be lost. Every question is idempotent.
  private void send(
      String runId,
      Function<ActorRef<RunAnswer>, RunCommand> question,
      Duration left,
      CompletableFuture<RunAnswer> asked) {
    Duration wait = askAgain.compareTo(left) < 0 ? askAgain : left;
    var _ =
        AskPattern.<RunCommand, RunAnswer>ask(get(runId), question::apply, wait, system.scheduler())
            .whenComplete((answer, failure) -> {
              Duration rest = left.minus(wait);
              if (failure == null) {
                asked.complete(answer);
              } else if (causeOf(failure) instanceof TimeoutException && rest.isPositive()) {
                if (!asked.isDone()) {
                  send(runId, question, rest, asked);
                }
              } else {
                asked.completeExceptionally(failure);
              }
            });
  }

  /// A node has died: a run that was asked there will not answer. Every question is idempotent, so
  /// whoever waits is told to send it again rather than to wait out the time-out.
  void nodeDied() {
    var gone =
        Refusals.unavailable("a coordinator node has died while the run was asked; send it again");
    pending.values().forEach(asked -> asked.completeExceptionally(gone));
  }

  private StatusRuntimeException unanswered(String runId, Throwable failure) {
    Throwable cause = causeOf(failure);
    if (cause instanceof StatusRuntimeException gone) {
      return gone;
    }
    return cause instanceof TimeoutException
        ? Refusals.unavailable(
            "run %s did not answer within %s; it may be moving to another node, try again"
                .formatted(runId, askTimeout))
        : Refusals.internal("run %s cannot be asked: %s".formatted(runId, cause));
  }

  private static Throwable causeOf(Throwable failure) {
    return failure instanceof CompletionException && failure.getCause() != null
        ? failure.getCause()
        : failure;
  }
}
