package io.gradus.learner.chunks;

import io.gradus.policy.checkpoint.ChunkDigests;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.UnknownHostException;
import java.time.Duration;
import java.util.Optional;
import java.util.OptionalLong;

/// Settings of a chunk server.
///
/// @param host address to listen on
/// @param port 0 is any free one
/// @param auth who may read
/// @param advertised what workers are told to connect to, such as `http://learner-0.gradus:7071`;
///   absent: `http://host:port` of the address listened on
/// @param maxConnections further ones are answered 503, and those beyond twice as many closed
/// @param maxBytesPerSecond over all connections; absent: as fast as it goes
/// @param idleTimeout how long a connection may take until its next request is there
/// @param writeTimeout how long a peer may take to accept a MiB
/// @param drainTimeout how long closing waits for answers under way
/// @param chunkBytes what digests are for
public record ChunkServerConfig(
    String host,
    int port,
    Auth auth,
    Optional<String> advertised,
    int maxConnections,
    OptionalLong maxBytesPerSecond,
    Duration idleTimeout,
    Duration writeTimeout,
    Duration drainTimeout,
    int chunkBytes) {

  /// Who may read.
  public enum Auth {
    /// Who is on this host.
    LOOPBACK,
    /// Everybody who reaches the address.
    NONE
  }

  public ChunkServerConfig {
    if (port < 0 || port > 65_535) {
      throw new IllegalArgumentException(
          "chunk_server.port is %d but must be 0 to 65535".formatted(port));
    }
    InetAddress address;
    try {
      address = InetAddress.getByName(host);
    } catch (UnknownHostException e) {
      throw new IllegalArgumentException(
          "chunk_server.host is \"%s\", which has no address".formatted(host), e);
    }
    if (auth == Auth.LOOPBACK && !address.isLoopbackAddress()) {
      throw new IllegalArgumentException(
          ("chunk_server.host is %s, which is not a loopback address, and no authentication is"
                  + " configured; say auth: none if everybody who reaches it may read"
                  + " the weights")
              .formatted(host));
    }
    if (advertised.isEmpty() && address.isAnyLocalAddress()) {
      throw new IllegalArgumentException(
          "chunk_server.host is %s, to which no worker can connect; say chunk_server.advertised"
              .formatted(host));
    }
    advertised.ifPresent(ChunkServerConfig::requireBase);
    if (maxConnections < 1 || maxConnections > 1 << 16) {
      throw new IllegalArgumentException(
          "chunk_server.max_connections is %d but must be 1 to 65536".formatted(maxConnections));
    }
    if (maxBytesPerSecond.isPresent() && maxBytesPerSecond.getAsLong() < 1 << 10) {
      throw new IllegalArgumentException(
          "chunk_server.max_bytes_per_second is %d but must be at least 1024"
              .formatted(maxBytesPerSecond.getAsLong()));
    }
    for (Duration limit : new Duration[] {idleTimeout, writeTimeout, drainTimeout}) {
      if (!limit.isPositive() || limit.compareTo(Duration.ofDays(1)) > 0) {
        throw new IllegalArgumentException(
            "chunk_server has a limit of %s but limits must be positive, and a day at most"
                .formatted(limit));
      }
    }
    if (chunkBytes < ChunkDigests.MIN_CHUNK_BYTES || chunkBytes > ChunkDigests.MAX_CHUNK_BYTES) {
      throw new IllegalArgumentException(
          "chunk_server.chunk_bytes is %d but must be %d to %d"
              .formatted(chunkBytes, ChunkDigests.MIN_CHUNK_BYTES, ChunkDigests.MAX_CHUNK_BYTES));
    }
  }

  private static void requireBase(String advertised) {
    URI uri;
    try {
      uri = URI.create(advertised);
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException(
          "chunk_server.advertised is \"%s\", which is no URI".formatted(advertised), e);
    }
    boolean isHttp = "http".equals(uri.getScheme()) || "https".equals(uri.getScheme());
    if (!isHttp || uri.getHost() == null || advertised.endsWith("/") || uri.getQuery() != null) {
      throw new IllegalArgumentException(
          "chunk_server.advertised is \"%s\" but must look like http://learner-0.gradus:7071"
              .formatted(advertised));
    }
  }

  /// The defaults for a server on the loopback address.
  public static ChunkServerConfig onLoopback(int port) {
    return new ChunkServerConfig(
        "127.0.0.1",
        port,
        Auth.LOOPBACK,
        Optional.empty(),
        256,
        OptionalLong.empty(),
        Duration.ofSeconds(60),
        Duration.ofSeconds(30),
        Duration.ofSeconds(5),
        ChunkDigests.USUAL_CHUNK_BYTES);
  }

  /// What workers are told to connect to.
  ///
  /// @param bound the address that is listened on
  String base(InetSocketAddress bound) {
    String literal = bound.getAddress().getHostAddress();
    return advertised.orElse(
        "http://%s:%d"
            .formatted(literal.contains(":") ? "[" + literal + "]" : literal, bound.getPort()));
  }
}
