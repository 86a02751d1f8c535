package io.gradus.cli.link;

import io.grpc.Server;
import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import io.grpc.netty.NettyServerBuilder;
import io.grpc.protobuf.services.HealthStatusManager;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.BooleanSupplier;

/// The health service of a process that serves nothing else (`grpc.health.v1`).
///
/// | service | serving while |
/// |---|---|
/// | empty, `liveness` | this process answers; whatever its peers do, restarting it would not help |
/// | `readiness` | it can do its work, as it says itself |
public final class HealthServer implements AutoCloseable {

  private static final String LIVENESS = "liveness";
  private static final String READINESS = "readiness";
  private static final long LOOKED_AT_EVERY_MILLIS = 200;
  private static final long ENDS_WITHIN_MILLIS = 1000;

  private final HealthStatusManager health = new HealthStatusManager();
  private final AtomicBoolean isDraining = new AtomicBoolean();
  private final ScheduledExecutorService looking =
      Executors.newSingleThreadScheduledExecutor(
          Thread.ofPlatform().daemon().name("gradus-health").factory());
  private final Server server;

  private HealthServer(InetSocketAddress address) throws IOException {
    server = NettyServerBuilder.forAddress(address).addService(health.getHealthService()).build();
    server.start();
  }

  /// Starts serving.
  ///
  /// @param isReady asked again and again
  /// @throws IOException when the address cannot be used
  public static HealthServer start(InetSocketAddress address, BooleanSupplier isReady)
      throws IOException {
    var started = new HealthServer(address);
    started.health.setStatus(LIVENESS, ServingStatus.SERVING);
    started.health.setStatus(READINESS, ServingStatus.NOT_SERVING);
    var _ =
        started.looking.scheduleWithFixedDelay(
            () ->
                started.health.setStatus(
                    READINESS,
                    isReady.getAsBoolean() && !started.isDraining.get()
                        ? ServingStatus.SERVING
                        : ServingStatus.NOT_SERVING),
            0,
            LOOKED_AT_EVERY_MILLIS,
            TimeUnit.MILLISECONDS);
    return started;
  }

  /// The port that was asked for, or that was free.
  public int port() {
    return server.getPort();
  }

  /// It is not ready any more, and will not be again.
  public void drain() {
    isDraining.set(true);
    health.setStatus(READINESS, ServingStatus.NOT_SERVING);
  }

  @Override
  public void close() {
    looking.shutdownNow();
    server.shutdownNow();
    try {
      var _ = server.awaitTermination(ENDS_WITHIN_MILLIS, TimeUnit.MILLISECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
