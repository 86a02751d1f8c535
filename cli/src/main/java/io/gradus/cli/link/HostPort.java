package io.gradus.cli.link;

import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.UnknownHostException;
import java.util.Optional;
import java.util.regex.Pattern;

/// An address as people write it: `coordinator-0.gradus:7070`.
public record HostPort(String host, int port) {

  private static final Pattern TEXT = Pattern.compile("([^\\s:]{1,255}):([0-9]{1,5})");

  private static final int LAST_PORT = 65_535;

  public HostPort {
    if (port < 0 || port > LAST_PORT) {
      throw new IllegalArgumentException("port is %d but must be 0 to 65535".formatted(port));
    }
  }

  /// Reads `host:port`; empty when `text` is none.
  public static Optional<HostPort> parse(String text) {
    var parts = TEXT.matcher(text);
    if (!parts.matches()) {
      return Optional.empty();
    }
    int port = Integer.parseInt(parts.group(2));
    return port < 1 || port > LAST_PORT
        ? Optional.empty()
        : Optional.of(new HostPort(parts.group(1), port));
  }

  /// The address; the name is looked up, which may take a while.
  public InetSocketAddress resolved() throws UnknownHostException {
    return new InetSocketAddress(InetAddress.getByName(host), port);
  }

  @Override
  public String toString() {
    return host + ":" + port;
  }
}
