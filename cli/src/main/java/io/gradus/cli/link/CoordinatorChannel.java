package io.gradus.cli.link;

import io.grpc.Attributes;
import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientTransportFilter;
import io.grpc.ConnectivityState;
import io.grpc.Grpc;
import io.grpc.ManagedChannel;
import io.grpc.MethodDescriptor;
import io.grpc.netty.NettyChannelBuilder;
import java.io.IOException;
import java.net.SocketAddress;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;

/// A channel to whichever of several coordinators is there.
///
/// One connection at a time (`pick_first`), each client beginning with another coordinator. When it
/// is lost the coordinator goes to the end of the list, so that the next one is tried first: a
/// stopped process still accepts connections, and would be waited for twice. Calls do not wait for
/// a coordinator: where none is there they fail with UNAVAILABLE, and whoever calls decides what
/// then.
///
/// After an outage a call is not refused because an earlier attempt to connect failed: it makes the
/// next attempt itself. How often it is made is up to whoever calls.
///
/// A connection on which calls are open is asked for a sign of life after ten seconds of silence,
/// the least that gRPC allows, and given up three seconds later.
public final class CoordinatorChannel extends Channel implements AutoCloseable {

  private static final Duration SILENCE = Duration.ofSeconds(10);
  private static final Duration SIGN_OF_LIFE_WITHIN = Duration.ofSeconds(3);
  private static final Duration ENDS_WITHIN = Duration.ofSeconds(2);

  /// A part of a payload is at most 1 MiB; an answer may list a thousand runs.
  private static final int MAX_MESSAGE_BYTES = 16 << 20;

  private final List<HostPort> coordinators;
  private final ManagedChannel channel;
  private final Optional<Witness> witness;

  /// What is called through: [#channel], or that and a witness.
  private final Channel witnessed;

  private CoordinatorChannel(
      List<HostPort> coordinators, ManagedChannel channel, Optional<Witness> witness) {
    this.coordinators = coordinators;
    this.channel = channel;
    this.witness = witness;
    this.witnessed = witness.map(there -> there.before(channel)).orElse(channel);
  }

  /// Opens a channel; connects with its first call.
  ///
  /// @param seed decides with which coordinator this client begins
  public static CoordinatorChannel open(List<HostPort> coordinators, long seed) {
    return open(coordinators, seed, Optional.empty());
  }

  /// Opens the channel of a role: the witness that the environment names, if it names one, sees
  /// what is answered.
  ///
  /// @throws IOException when there is no such witness
  public static CoordinatorChannel openWitnessed(List<HostPort> coordinators, long seed)
      throws IOException {
    return open(coordinators, seed, Witness.of(System.getenv(Witness.VARIABLE)));
  }

  private static CoordinatorChannel open(
      List<HostPort> coordinators, long seed, Optional<Witness> witness) {
    if (coordinators.isEmpty()) {
      throw new IllegalArgumentException("there is no coordinator to call");
    }
    List<HostPort> shuffled = new ArrayList<>(coordinators);
    Collections.shuffle(shuffled, Random.from(new SplittableRandom(seed)));
    var list = new CoordinatorList(shuffled);
    ManagedChannel channel =
        NettyChannelBuilder.forTarget(CoordinatorResolverProvider.SCHEME + ":///coordinators")
            .setNameResolverArg(CoordinatorResolverProvider.LIST, list)
            .defaultLoadBalancingPolicy("pick_first")
            .usePlaintext()
            .keepAliveTime(SILENCE.toSeconds(), TimeUnit.SECONDS)
            .keepAliveTimeout(SIGN_OF_LIFE_WITHIN.toSeconds(), TimeUnit.SECONDS)
            .maxInboundMessageSize(MAX_MESSAGE_BYTES)
            .addTransportFilter(
                new ClientTransportFilter() {
                  @Override
                  public Attributes transportReady(Attributes attributes) {
                    SocketAddress address = attributes.get(Grpc.TRANSPORT_ATTR_REMOTE_ADDR);
                    if (address != null) {
                      list.connected(address);
                    }
                    return attributes;
                  }
                })
            .build();
    return new CoordinatorChannel(List.copyOf(coordinators), channel, witness);
  }

  /// The coordinators, in the order in which they were given.
  public List<HostPort> coordinators() {
    return coordinators;
  }

  @Override
  public <Q, A> ClientCall<Q, A> newCall(MethodDescriptor<Q, A> method, CallOptions options) {
    if (channel.getState(false) == ConnectivityState.TRANSIENT_FAILURE) {
      // Else it waits longer after each failure, for minutes in the end.
      channel.resetConnectBackoff();
    }
    return witnessed.newCall(method, options);
  }

  /// The coordinators, for the log of whoever calls them.
  @Override
  public String authority() {
    return String.join(",", coordinators.stream().map(HostPort::toString).toList());
  }

  @Override
  public void close() {
    channel.shutdownNow();
    try {
      var _ = channel.awaitTermination(ENDS_WITHIN.toMillis(), TimeUnit.MILLISECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    witness.ifPresent(Witness::close);
  }
}
