package io.gradus.coordinator;

import akka.actor.BootstrapSetup;
import akka.actor.setup.ActorSystemSetup;
import akka.actor.typed.ActorSystem;
import akka.actor.typed.javadsl.Adapter;
import akka.actor.typed.javadsl.Behaviors;
import akka.cluster.sharding.typed.javadsl.ClusterSharding;
import akka.cluster.typed.Cluster;
import akka.cluster.typed.Join;
import akka.management.cluster.bootstrap.ClusterBootstrap;
import akka.management.javadsl.AkkaManagement;
import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import io.gradus.coordinator.cluster.LedgerLease;
import io.gradus.coordinator.ledger.LeaseRows;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.BindException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import java.util.function.Supplier;

/// The actor system of a node, on its way in the background: a cluster of its own, or one of
/// several nodes that find each other.
///
/// A node on its own knows nothing of a ledger, so that it can be started before there is one: it
/// takes a good part of a coordinator's start. The node belongs to the coordinator that is started
/// with it; one that no coordinator took is to be closed.
public final class ClusterNode implements AutoCloseable {

  private static final String NAME = "gradus";

  /// How long the endpoint through which nodes find each other may take to listen.
  private static final long MANAGEMENT_STARTS_WITHIN_SECONDS = 20;

  private final CompletableFuture<ActorSystem<Void>> starting = new CompletableFuture<>();

  private ClusterNode(Supplier<ActorSystem<Void>> start) {
    Thread.ofPlatform()
        .name("gradus-cluster-start")
        .daemon()
        .start(() -> {
          try {
            starting.complete(start.get());
          } catch (RuntimeException | LinkageError failure) {
            starting.completeExceptionally(failure);
          }
        });
  }

  /// A node on its own, with the defaults of Gradus.
  public static ClusterNode starting() {
    return new ClusterNode(() -> alone(CoordinatorConfig.defaultAkka()));
  }

  static ClusterNode starting(Config akka) {
    return new ClusterNode(() -> alone(akka));
  }

  /// A node that finds the others, and asks the ledger when they part.
  static ClusterNode joining(Config akka, LeaseRows leases, LongSupplier nanoTime) {
    return new ClusterNode(() -> among(akka, leases, nanoTime));
  }

  private static ActorSystem<Void> alone(Config akka) {
    ActorSystem<Void> system = ActorSystem.create(Behaviors.empty(), NAME, resolved(akka));
    Cluster cluster = Cluster.get(system);
    cluster.manager().tell(Join.create(cluster.selfMember().address()));
    // Most of sharding's own start is behind its first look-up.
    ClusterSharding.get(system);
    return system;
  }

  private static ActorSystem<Void> among(Config akka, LeaseRows leases, LongSupplier nanoTime) {
    Config config = resolved(akka);
    ActorSystem<Void> system =
        listening(
            config,
            "akka.remote.artery.canonical",
            "cluster.port",
            () ->
                ActorSystem.create(
                    Behaviors.empty(),
                    NAME,
                    ActorSystemSetup.create(
                        BootstrapSetup.create(config), LedgerLease.rows(leases, nanoTime))));
    try {
      var _ =
          listening(
              config,
              "akka.management.http",
              "cluster.management-port",
              () ->
                  AkkaManagement.get(Adapter.toClassic(system))
                      .start()
                      .toCompletableFuture()
                      .orTimeout(MANAGEMENT_STARTS_WITHIN_SECONDS, TimeUnit.SECONDS)
                      .join());
      ClusterBootstrap.get(Adapter.toClassic(system)).start();
      ClusterSharding.get(system);
      return system;
    } catch (RuntimeException failure) {
      system.terminate();
      throw failure;
    }
  }

  /// Starts what listens; says which setting is to be changed where it cannot.
  private static <T> T listening(Config config, String block, String setting, Supplier<T> start) {
    try {
      return start.get();
    } catch (RuntimeException failure) {
      for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
        if (cause instanceof BindException) {
          throw new UncheckedIOException(
              new IOException(
                  "%s:%d cannot be listened on: %s; end what holds it, or choose another %s"
                      .formatted(
                          config.getString(block + ".hostname"),
                          config.getInt(block + ".port"),
                          cause.getMessage(),
                          setting),
                  failure));
        }
      }
      throw failure;
    }
  }

  private static Config resolved(Config akka) {
    return akka.withFallback(ConfigFactory.defaultReference()).resolve();
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
