package io.gradus.cli.link;

import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// Coordinators in the order in which they are tried: the one whose connection was lost comes last.
/// Guarded by its own lock.
final class CoordinatorList {

  private final List<HostPort> order;
  private final Map<HostPort, InetSocketAddress> addresses = new HashMap<>();
  private @Nullable SocketAddress connected;

  CoordinatorList(List<HostPort> order) {
    this.order = new ArrayList<>(order);
  }

  synchronized List<HostPort> order() {
    return List.copyOf(order);
  }

  /// The addresses that are known, in order.
  synchronized List<InetSocketAddress> addresses() {
    return order.stream().map(addresses::get).filter(Objects::nonNull).toList();
  }

  /// The name of `coordinator` was looked up, or is not known.
  ///
  /// @return whether that is news
  synchronized boolean resolved(HostPort coordinator, Optional<InetSocketAddress> address) {
    InetSocketAddress before =
        address.isPresent()
            ? addresses.put(coordinator, address.get())
            : addresses.remove(coordinator);
    return !address.equals(Optional.ofNullable(before));
  }

  /// The connection to `address` is there.
  synchronized void connected(SocketAddress address) {
    connected = address;
  }

  /// The connection, if there was one, is gone.
  synchronized void lost() {
    SocketAddress gone = connected;
    connected = null;
    for (HostPort coordinator : List.copyOf(order)) {
      if (gone != null && gone.equals(addresses.get(coordinator))) {
        order.remove(coordinator);
        order.add(coordinator);
        return;
      }
    }
  }
}
