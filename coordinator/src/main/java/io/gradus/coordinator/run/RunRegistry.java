package io.gradus.coordinator.run;

import akka.actor.NoSerializationVerificationNeeded;
import akka.actor.typed.ActorRef;
import akka.actor.typed.Behavior;
import akka.actor.typed.Terminated;
import akka.actor.typed.javadsl.Behaviors;
import java.time.Duration;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Wakes the runs that the ledger lists as active, at start and every few seconds, and tells the
/// worker streams of this node which they are.
///
/// Every node does it; waking is idempotent. It takes the place of remembered entities: the ledger
/// is the one list of runs.
public final class RunRegistry {

  private static final Logger log = LoggerFactory.getLogger(RunRegistry.class);

  private RunRegistry() {}

  /// What the registry is told.
  public sealed interface Message extends NoSerializationVerificationNeeded {}

  /// Look now: a run was submitted.
  public record Look() implements Message {}

  /// Tell `subscriber` the active runs, now and whenever they were read.
  public record Subscribe(ActorRef<ActiveRuns> subscriber) implements Message {}

  private record Read(List<String> runs) implements Message {}

  private record ReadFailed(Throwable failure) implements Message {}

  /// The runs that have not ended, oldest first.
  public record ActiveRuns(List<String> runs) implements NoSerializationVerificationNeeded {

    public ActiveRuns {
      runs = List.copyOf(runs);
    }
  }

  /// A registry that looks at once, then in intervals.
  ///
  /// @param activeRuns reads the ledger; may block
  /// @param wake wakes a run
  public static Behavior<Message> create(
      Supplier<List<String>> activeRuns,
      Consumer<String> wake,
      Executor blocking,
      Duration interval) {
    return Behaviors.setup(context ->
        Behaviors.withTimers(timers -> {
          timers.startTimerWithFixedDelay(new Look(), Duration.ZERO, interval);
          Set<ActorRef<ActiveRuns>> subscribers = new LinkedHashSet<>();
          var known = new ActiveRuns[] {new ActiveRuns(List.of())};
          return Behaviors.receive(Message.class)
              .onMessage(
                  Look.class,
                  _ -> {
                    context.pipeToSelf(
                        CompletableFuture.supplyAsync(activeRuns, blocking),
                        (runs, failure) ->
                            failure == null ? new Read(runs) : new ReadFailed(failure));
                    return Behaviors.same();
                  })
              .onMessage(
                  Subscribe.class,
                  subscribe -> {
                    if (subscribers.add(subscribe.subscriber())) {
                      context.watch(subscribe.subscriber());
                    }
                    subscribe.subscriber().tell(known[0]);
                    return Behaviors.same();
                  })
              .onMessage(
                  Read.class,
                  read -> {
                    known[0] = new ActiveRuns(read.runs());
                    read.runs().forEach(wake);
                    subscribers.forEach(subscriber -> subscriber.tell(known[0]));
                    return Behaviors.same();
                  })
              .onMessage(
                  ReadFailed.class,
                  failed -> {
                    log.atWarn()
                        .setCause(failed.failure())
                        .log("active runs cannot be read; they are read again soon");
                    return Behaviors.same();
                  })
              .onSignal(
                  Terminated.class,
                  terminated -> {
                    subscribers.removeIf(
                        subscriber -> subscriber.path().equals(terminated.getRef().path()));
                    return Behaviors.same();
                  })
              .build();
        }));
  }
}
