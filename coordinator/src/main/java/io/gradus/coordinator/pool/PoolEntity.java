package io.gradus.coordinator.pool;

import akka.actor.NoSerializationVerificationNeeded;
import akka.actor.typed.ActorRef;
import akka.actor.typed.Behavior;
import akka.actor.typed.javadsl.ActorContext;
import akka.actor.typed.javadsl.Behaviors;
import akka.actor.typed.javadsl.TimerScheduler;
import akka.cluster.sharding.typed.javadsl.EntityTypeKey;
import io.gradus.core.group.WorkerId;
import io.gradus.core.pool.Claim;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.function.LongSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The sharded entity of one pool: shares its workers' slots among the runs that claim them.
///
/// It has nothing but soft state. While it is away, streams go on under the last allotment; when it
/// comes back it listens until it has heard of everybody.
public final class PoolEntity {

  public static final EntityTypeKey<PoolCommand> KEY =
      EntityTypeKey.create(PoolCommand.class, "Pool");

  private static final Logger log = LoggerFactory.getLogger(PoolEntity.class);

  /// How often offers and claims are repeated, by streams and runs.
  public static final Duration REPEATED_EVERY = Duration.ofSeconds(1);

  private static final Duration ALLOTS_EVERY = Duration.ofMillis(500);
  private static final Duration LISTENS_FOR = REPEATED_EVERY.multipliedBy(2);
  private static final Duration FORGETS_AFTER = REPEATED_EVERY.multipliedBy(5);

  /// A worker that comes gets slots at once. Those that come within this time of it, as many do
  /// after the start of a coordinator, are one piece of work.
  private static final Duration ALLOTS_SOON = Duration.ofMillis(50);

  private record Allot() implements PoolCommand, NoSerializationVerificationNeeded {}

  private record StreamEnded(WorkerId worker, ActorRef<PoolAnswer> stream)
      implements PoolCommand, NoSerializationVerificationNeeded {}

  private final String pool;
  private final ActorContext<PoolCommand> context;
  private final TimerScheduler<PoolCommand> timers;
  private final LongSupplier nanoTime;
  private final PoolBook book;
  private final Map<WorkerId, ActorRef<PoolAnswer>> streams = new HashMap<>();
  private final Map<WorkerId, Map<String, Integer>> told = new HashMap<>();

  private PoolEntity(
      String pool,
      ActorContext<PoolCommand> context,
      TimerScheduler<PoolCommand> timers,
      LongSupplier nanoTime) {
    this.pool = pool;
    this.context = context;
    this.timers = timers;
    this.nanoTime = nanoTime;
    this.book = new PoolBook(LISTENS_FOR, FORGETS_AFTER, nanoTime.getAsLong());
  }

  /// The entity of a pool.
  public static Behavior<PoolCommand> create(String pool, LongSupplier nanoTime) {
    return Behaviors.setup(context ->
        Behaviors.withTimers(timers -> {
          var entity = new PoolEntity(pool, context, timers, nanoTime);
          timers.startTimerWithFixedDelay(new Allot(), ALLOTS_EVERY);
          return Behaviors.receive(PoolCommand.class)
              .onMessage(PoolCommand.class, entity::on)
              .build();
        }));
  }

  private Behavior<PoolCommand> on(PoolCommand command) {
    long now = nanoTime.getAsLong();
    switch (command) {
      case PoolCommand.OfferWorker(var worker, var slots, var stream) -> {
        book.offer(worker, slots, now);
        ActorRef<PoolAnswer> before = streams.put(worker, stream);
        if (!stream.equals(before)) {
          if (before != null) {
            context.unwatch(before);
          }
          context.watchWith(stream, new StreamEnded(worker, stream));
          // A new stream knows nothing of what the one before was told.
          told.remove(worker);
          if (!timers.isTimerActive(ALLOTS_SOON)) {
            // Until it has an answer a worker is everybody's alike.
            allot(now);
            timers.startSingleTimer(ALLOTS_SOON, new Allot(), ALLOTS_SOON);
          }
        }
      }
      case PoolCommand.ClaimSlots(var runId, var share, var wanted) ->
          book.claim(new Claim(runId, share, wanted), now);
      case PoolCommand.WithdrawClaim(var runId) -> {
        book.withdraw(runId);
        allot(now);
      }
      case StreamEnded(var worker, var stream) -> {
        if (stream.equals(streams.get(worker))) {
          streams.remove(worker);
          told.remove(worker);
          book.leave(worker);
        }
      }
      case Allot() -> allot(now);
      default -> throw new IllegalStateException("no pool understands " + command);
    }
    return Behaviors.same();
  }

  private void allot(long now) {
    book.allot(now)
        .ifPresent(allotted ->
            allotted.forEach((worker, slots) -> {
              ActorRef<PoolAnswer> stream = streams.get(worker);
              if (stream != null && !slots.equals(told.put(worker, Map.copyOf(slots)))) {
                log.atInfo()
                    .addKeyValue("pool", pool)
                    .addKeyValue("worker", worker.value())
                    .addKeyValue("slots", slots)
                    .log("slots allotted");
                stream.tell(new PoolAnswer.Allotted(slots));
              }
            }));
  }
}
