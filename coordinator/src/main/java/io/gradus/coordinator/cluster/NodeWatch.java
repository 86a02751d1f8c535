package io.gradus.coordinator.cluster;

import akka.actor.NoSerializationVerificationNeeded;
import akka.actor.typed.ActorRef;
import akka.actor.typed.Behavior;
import akka.actor.typed.javadsl.ActorContext;
import akka.actor.typed.javadsl.Behaviors;
import akka.actor.typed.receptionist.Receptionist;
import akka.actor.typed.receptionist.ServiceKey;
import akka.cluster.MemberStatus;
import akka.cluster.typed.Cluster;
import io.gradus.coordinator.wire.OnTheWire;
import java.time.Duration;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Watches whether this node belongs to its cluster and reaches the ledger, tells health checks,
/// and has the node leave when it cannot write what others can.
public final class NodeWatch {

  private static final Logger log = LoggerFactory.getLogger(NodeWatch.class);

  private static final Duration INTERVAL = Duration.ofSeconds(1);

  private static final ServiceKey<Message> PEERS =
      ServiceKey.create(Message.class, "gradus-node-watch");

  /// What the watch is told.
  public sealed interface Message {}

  private record Look() implements Message, NoSerializationVerificationNeeded {}

  private record Wrote(Optional<String> mustLeave)
      implements Message, NoSerializationVerificationNeeded {}

  private record NotWritten(String reason) implements Message, NoSerializationVerificationNeeded {}

  private record Peers(Set<ActorRef<Message>> all)
      implements Message, NoSerializationVerificationNeeded {}

  /// A node wrote to the ledger just now.
  ///
  /// @param node its address
  public record PeerWrote(String node) implements Message, OnTheWire {}

  private final ActorContext<Message> context;
  private final Supplier<Optional<String>> probe;
  private final Executor executor;
  private final LongSupplier nanoTime;
  private final Consumer<Boolean> readiness;
  private final Consumer<String> mustLeave;
  private final LedgerSight sight;
  private final String self;
  private Set<ActorRef<Message>> peers = Set.of();
  private boolean isProbing;
  private boolean isReady;
  private boolean isLeaving;

  private NodeWatch(
      ActorContext<Message> context,
      Supplier<Optional<String>> probe,
      Executor executor,
      Duration ledgerAbsence,
      LongSupplier nanoTime,
      Consumer<Boolean> readiness,
      Consumer<String> mustLeave) {
    this.context = context;
    this.probe = probe;
    this.executor = executor;
    this.nanoTime = nanoTime;
    this.readiness = readiness;
    this.mustLeave = mustLeave;
    this.sight = new LedgerSight(ledgerAbsence, INTERVAL, nanoTime.getAsLong());
    this.self = Cluster.get(context.getSystem()).selfMember().address().toString();
  }

  /// A watch over this node.
  ///
  /// @param probe writes to the ledger, and returns why this node has to leave, if the ledger says
  ///   so; may block, and fails with a runtime exception
  /// @param executor runs the probe, one at a time
  /// @param ledgerAbsence how long the node stays that cannot write while others can
  /// @param readiness told whether the node serves, when that changes
  /// @param mustLeave told once why this node has to leave
  public static Behavior<Message> create(
      Supplier<Optional<String>> probe,
      Executor executor,
      Duration ledgerAbsence,
      LongSupplier nanoTime,
      Consumer<Boolean> readiness,
      Consumer<String> mustLeave) {
    return Behaviors.setup(context ->
        Behaviors.withTimers(timers -> {
          var watch =
              new NodeWatch(
                  context, probe, executor, ledgerAbsence, nanoTime, readiness, mustLeave);
          Receptionist receptionist = Receptionist.get(context.getSystem());
          receptionist.ref().tell(Receptionist.register(PEERS, context.getSelf()));
          receptionist
              .ref()
              .tell(
                  Receptionist.subscribe(
                      PEERS,
                      context.messageAdapter(
                          Receptionist.Listing.class,
                          listing -> new Peers(listing.getServiceInstances(PEERS)))));
          timers.startTimerWithFixedDelay(new Look(), Duration.ZERO, INTERVAL);
          return Behaviors.receive(Message.class).onMessage(Message.class, watch::on).build();
        }));
  }

  private Behavior<Message> on(Message message) {
    long now = nanoTime.getAsLong();
    switch (message) {
      case Look() -> look(now);
      case Wrote(var reason) -> {
        isProbing = false;
        sight.succeeded(now);
        reason.ifPresent(this::leave);
        peers.stream()
            .filter(peer -> !peer.equals(context.getSelf()))
            .forEach(peer -> peer.tell(new PeerWrote(self)));
      }
      case NotWritten(var reason) -> {
        isProbing = false;
        sight.failed(reason);
      }
      case Peers(var all) -> peers = all;
      case PeerWrote(var node) -> sight.heard(node, now);
    }
    return Behaviors.same();
  }

  private void look(long now) {
    if (!isProbing) {
      isProbing = true;
      context.pipeToSelf(
          CompletableFuture.supplyAsync(probe, executor),
          (reason, failure) ->
              failure == null
                  ? new Wrote(reason)
                  : new NotWritten(String.valueOf(failure.getMessage())));
    }
    boolean isMember =
        Cluster.get(context.getSystem()).selfMember().status().equals(MemberStatus.up());
    boolean ready = isMember && sight.isFresh(now) && !isLeaving;
    if (ready != isReady) {
      isReady = ready;
      log.atInfo()
          .addKeyValue("member", isMember)
          .addKeyValue("ledger", sight.isFresh(now))
          .log(ready ? "node is ready" : "node is not ready");
      readiness.accept(ready);
    }
    sight.mustLeave(now).ifPresent(this::leave);
  }

  private void leave(String reason) {
    if (!isLeaving) {
      isLeaving = true;
      mustLeave.accept(reason);
    }
  }
}
