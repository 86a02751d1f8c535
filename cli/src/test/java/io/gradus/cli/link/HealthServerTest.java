package io.gradus.cli.link;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.grpc.ManagedChannel;
import io.grpc.health.v1.HealthCheckRequest;
import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import io.grpc.health.v1.HealthGrpc;
import io.grpc.netty.NettyChannelBuilder;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(30)
class HealthServerTest {

  private final AtomicBoolean isReady = new AtomicBoolean();

  private static ServingStatus ask(ManagedChannel channel, String service) {
    return HealthGrpc.newBlockingStub(channel)
        .withDeadlineAfter(10, TimeUnit.SECONDS)
        .check(HealthCheckRequest.newBuilder().setService(service).build())
        .getStatus();
  }

  @Test
  void isAliveWhateverItsPeersDoAndReadyWhenItSaysSo() throws Exception {
    var address = new InetSocketAddress(InetAddress.getLoopbackAddress(), 0);
    try (HealthServer health = HealthServer.start(address, isReady::get)) {
      ManagedChannel channel =
          NettyChannelBuilder.forAddress("127.0.0.1", health.port()).usePlaintext().build();
      try {
        assertThat(ask(channel, "")).isEqualTo(ServingStatus.SERVING);
        assertThat(ask(channel, "liveness")).isEqualTo(ServingStatus.SERVING);
        assertThat(ask(channel, "readiness")).isEqualTo(ServingStatus.NOT_SERVING);

        isReady.set(true);
        await().until(() -> ask(channel, "readiness") == ServingStatus.SERVING);

        isReady.set(false);
        await().until(() -> ask(channel, "readiness") == ServingStatus.NOT_SERVING);

        isReady.set(true);
        health.drain();
        assertThat(ask(channel, "readiness")).isEqualTo(ServingStatus.NOT_SERVING);
        assertThat(ask(channel, "liveness")).isEqualTo(ServingStatus.SERVING);
      } finally {
        channel.shutdownNow().awaitTermination(10, TimeUnit.SECONDS);
      }
    }
  }
}
