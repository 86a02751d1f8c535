package io.gradus.coordinator.cluster;

import akka.actor.typed.Behavior;
import akka.actor.typed.javadsl.Behaviors;
import akka.cluster.ClusterEvent;
import akka.cluster.MemberStatus;
import akka.cluster.UniqueAddress;
import akka.cluster.typed.Cluster;
import akka.cluster.typed.Subscribe;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Notices nodes that have left the cluster: from then on their runs can start elsewhere. What was
/// asked of a node that died is not answered any more; one that left in good order has answered.
public final class Departures {

  private static final Logger log = LoggerFactory.getLogger(Departures.class);

  private Departures() {}

  /// Watches the cluster.
  ///
  /// @param onPutOut called before `onDeparture` with a node that the others put out
  /// @param onDeparture called after each departure with whether the node died
  public static Behavior<ClusterEvent.MemberRemoved> create(
      Consumer<UniqueAddress> onPutOut, Consumer<Boolean> onDeparture) {
    return Behaviors.setup(context -> {
      Cluster.get(context.getSystem())
          .subscriptions()
          .tell(Subscribe.create(context.getSelf(), ClusterEvent.MemberRemoved.class));
      return Behaviors.receive(ClusterEvent.MemberRemoved.class)
          .onMessage(
              ClusterEvent.MemberRemoved.class,
              removed -> {
                if (Cluster.get(context.getSystem()).isTerminated()) {
                  // This node is the one that leaves, and takes leave of everybody.
                  return Behaviors.same();
                }
                log.atInfo()
                    .addKeyValue("node", removed.member().address())
                    .addKeyValue("was", removed.previousStatus())
                    .log("a node has left the cluster; its runs go on elsewhere");
                boolean hasDied = removed.previousStatus().equals(MemberStatus.down());
                if (hasDied) {
                  onPutOut.accept(removed.member().uniqueAddress());
                }
                onDeparture.accept(hasDied);
                return Behaviors.same();
              })
          .build();
    });
  }
}
