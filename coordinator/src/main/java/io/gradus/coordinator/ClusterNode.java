package io.gradus.coordinator;

import akka.actor.typed.ActorSystem;
import akka.actor.typed.javadsl.Behaviors;
import akka.cluster.sharding.typed.javadsl.ClusterSharding;
import akka.cluster.typed.Cluster;
import akka.cluster.typed.Join;
import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.function.Supplier;

/// The actor system of a node that forms a cluster of its own, on its way in the background.
///
/// It knows nothing of a ledger, so that it can be started before there is one: it takes a good
/// part of a coordinator's start. It belongs to the coordinator that is started with it; one that
/// no coordinator took is to be closed.
public final class ClusterNode implements AutoCloseable {

  private final CompletableFuture<ActorSystem<Void>> starting = new CompletableFuture<>();

  private ClusterNode(Supplier<Config> akka) {
    Thread.ofPlatform()
        .name("gradus-cluster-start")
        .daemon()
        .start(() -> {
          try {
            starting.complete(started(akka.get()));
          } catch (RuntimeException | LinkageError failure) {
            starting.completeExceptionally(failure);
          }
        });
  }

  /// A node with the defaults of Gradus.
  public static ClusterNode starting() {
    return new ClusterNode(CoordinatorConfig::defaultAkka);
  }

  static ClusterNode starting(Config akka) {
    return new ClusterNode(() -> akka);
  }

  private static ActorSystem<Void> started(Config akka) {
    ActorSystem<Void> system =
        ActorSystem.create(
            Behaviors.empty(),
            "gradus",
            akka.withFallback(ConfigFactory.defaultReference()).resolve());
    Cluster cluster = Cluster.get(system);
    cluster.manager().tell(Join.create(cluster.selfMember().address()));
    // Most of sharding's own start is behind its first look-up.
    ClusterSharding.get(system);
    return system;
  }

  /// The actor system, once it is there.
  ActorSystem<Void> await() {
    try {
      return starting.join();
    } catch (CompletionException failure) {
      throw failure.getCause() instanceof RuntimeException cause ? cause : failure;
    }
  }

  /// Ends the actor system, now or as soon as it is there.
  @Override
  public void close() {
    var _ = starting.thenAccept(ActorSystem::terminate);
  }
}
