package io.gradus.coordinator.cluster;

import akka.actor.ExtendedActorSystem;
import akka.actor.setup.Setup;
import akka.cluster.Cluster;
import akka.cluster.ClusterEvent;
import akka.coordination.lease.LeaseSettings;
import akka.coordination.lease.javadsl.Lease;
import io.gradus.coordinator.ledger.LeaseRows;
import java.time.Duration;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import java.util.stream.Collectors;
import java.util.stream.StreamSupport;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/*
 * Who asks second must not give up while the first may be dead: a node that decided a partition and
 * was killed a moment later leaves its row behind, and the last survivor would otherwise leave the
 * cluster too. So asking takes as long as a row lives that nobody renews. A holder that lives renews
 * its row through all of that, and then the answer is no.
 *
 * Akka asks in the name of the node that leads a side, and gives the lease back only some time after
 * the decision. Meanwhile another node may come to lead the same side, and the next death has to be
 * decided by it: so a lease is taken over from whoever is reachable, and thus on one's own side.
 */

/// Akka's lease, kept as a row of the ledger on the clock of its database: in a partition the side
/// that gets it goes on, and the other leaves. Created by Akka, by the name of the class in
/// reference.conf.
public final class LedgerLease extends Lease {

  private static final Logger log = LoggerFactory.getLogger(LedgerLease.class);

  private static final Duration BETWEEN_ATTEMPTS = Duration.ofMillis(200);

  /// Longest wait for a ledger that does not answer. A node that alone does not reach it is made to
  /// leave long before.
  private static final Duration LEDGER_AWAY_FOR = Duration.ofMinutes(10);

  /// Hands the rows to the leases that Akka creates.
  private static final class Rows extends Setup {
    private final LeaseRows rows;
    private final LongSupplier nanoTime;

    private Rows(LeaseRows rows, LongSupplier nanoTime) {
      this.rows = rows;
      this.nanoTime = nanoTime;
    }
  }

  /// What an actor system has to be created with, so that its leases find their rows.
  public static Setup rows(LeaseRows rows, LongSupplier nanoTime) {
    return new Rows(rows, nanoTime);
  }

  private final LeaseSettings settings;
  private final ExtendedActorSystem system;
  private final LeaseRows rows;
  private final LongSupplier nanoTime;
  private final Duration timeToLive;
  private final Duration renewInterval;
  private final Duration operationTimeout;
  private final AtomicBoolean held = new AtomicBoolean();

  /// Called by Akka.
  public LedgerLease(LeaseSettings settings, ExtendedActorSystem system) {
    this(
        settings,
        system,
        system
            .settings()
            .setup()
            .get(Rows.class)
            .orElseThrow(() -> new IllegalStateException("the actor system knows no ledger")));
  }

  private LedgerLease(LeaseSettings settings, ExtendedActorSystem system, Rows rows) {
    this.settings = settings;
    this.system = system;
    this.rows = rows.rows;
    this.nanoTime = rows.nanoTime;
    this.timeToLive = settings.timeoutSettings().getHeartbeatTimeout();
    this.renewInterval = settings.timeoutSettings().getHeartbeatInterval();
    this.operationTimeout = settings.timeoutSettings().getOperationTimeout();
  }

  @Override
  public LeaseSettings getSettings() {
    return settings;
  }

  @Override
  public CompletionStage<Boolean> acquire() {
    return acquire(_ -> {});
  }

  @Override
  public CompletionStage<Boolean> acquire(Consumer<Optional<Throwable>> leaseLost) {
    var acquired = new CompletableFuture<Boolean>();
    Thread.ofVirtual()
        .name("gradus-cluster-lease")
        .start(() -> {
          try {
            boolean isOurs = awaitRow();
            held.set(isOurs);
            log.atWarn()
                .addKeyValue("lease", settings.leaseName())
                .addKeyValue("owner", settings.ownerName())
                .log(
                    isOurs
                        ? "the ledger's lease is ours: this side of the cluster goes on"
                        : "another side has the ledger's lease, or has put this one out: this side of the"
                            + " cluster leaves");
            acquired.complete(isOurs);
            if (isOurs) {
              renew(leaseLost);
            }
          } catch (RuntimeException failure) {
            log.atError()
                .addKeyValue("lease", settings.leaseName())
                .setCause(failure)
                .log("the ledger cannot be asked for the lease: this side of the cluster leaves");
            acquired.completeExceptionally(failure);
          } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
            acquired.completeExceptionally(interrupted);
          }
        });
    return acquired;
  }

  /// Asks until the row is ours, for as long as a dead holder's row may live; leaves Akka, which
  /// waits for the operation timeout, time to hear the answer.
  ///
  /// A ledger that nobody reaches is no answer: then no side can go on, and none has to leave.
  private boolean awaitRow() throws InterruptedException {
    long rowLives = operationTimeout.multipliedBy(3).dividedBy(4).toNanos();
    long begun = nanoTime.getAsLong();
    long deadline = begun + rowLives;
    boolean isTold = false;
    // Not in the constructor, which the cluster's own start calls.
    String self = Membership.nameOf(Cluster.get(system).selfUniqueAddress());
    while (true) {
      try {
        if (rows.isOut(self)) {
          return false;
        }
        if (rows.acquire(settings.leaseName(), settings.ownerName(), ownSide(), timeToLive)) {
          return true;
        }
        if (nanoTime.getAsLong() - deadline > 0) {
          return false;
        }
      } catch (RuntimeException failure) {
        long now = nanoTime.getAsLong();
        if (now - begun > LEDGER_AWAY_FOR.toNanos()) {
          throw failure;
        }
        if (!isTold) {
          isTold = true;
          log.atWarn()
              .addKeyValue("lease", settings.leaseName())
              .addKeyValue("reason", failure.getMessage())
              .addKeyValue("gives_up_after_seconds", LEDGER_AWAY_FOR.toSeconds())
              .log("the ledger cannot be asked for the lease; it is asked until it answers");
        }
        deadline = now + rowLives;
      }
      TimeUnit.NANOSECONDS.sleep(BETWEEN_ATTEMPTS.toNanos());
    }
  }

  /// The owners' names of all nodes that are reachable from here.
  private Set<String> ownSide() {
    ClusterEvent.CurrentClusterState state = Cluster.get(system).state();
    return StreamSupport.stream(state.getMembers().spliterator(), false)
        .filter(member -> !state.getUnreachable().contains(member))
        .map(member -> member.address().hostPort())
        .collect(Collectors.toSet());
  }

  private void renew(Consumer<Optional<Throwable>> leaseLost) throws InterruptedException {
    long renewed = nanoTime.getAsLong();
    while (held.get()) {
      TimeUnit.NANOSECONDS.sleep(renewInterval.toNanos());
      if (!held.get()) {
        return;
      }
      Optional<Throwable> failure = Optional.empty();
      try {
        if (rows.acquire(settings.leaseName(), settings.ownerName(), timeToLive)) {
          renewed = nanoTime.getAsLong();
          continue;
        }
      } catch (RuntimeException unavailable) {
        if (nanoTime.getAsLong() - renewed < timeToLive.toNanos()) {
          continue;
        }
        failure = Optional.of(unavailable);
      }
      held.set(false);
      leaseLost.accept(failure);
    }
  }

  @Override
  public CompletionStage<Boolean> release() {
    held.set(false);
    var released = new CompletableFuture<Boolean>();
    Thread.ofVirtual()
        .name("gradus-cluster-lease")
        .start(() -> {
          try {
            rows.release(settings.leaseName(), settings.ownerName());
            released.complete(true);
          } catch (RuntimeException failure) {
            // It runs out by itself.
            released.completeExceptionally(failure);
          }
        });
    return released;
  }

  @Override
  public boolean checkLease() {
    return held.get();
  }
}
