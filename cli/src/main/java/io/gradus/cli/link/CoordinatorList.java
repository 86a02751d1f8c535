package io.gradus.cli.link;

import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// Coordinators in the order in which they are tried: the one whose connection was lost comes last.
/// Guarded by its own lock.
final class CoordinatorList {

  private final List<HostPort> order;
  private final Map<SocketAddress, HostPort> byAddress = new HashMap<>();
  private @Nullable SocketAddress connected;

  CoordinatorList(List<HostPort> order) {
    this.order = new ArrayList<>(order);
  }

  synchronized List<HostPort> order() {
    return List.copyOf(order);
  }

  /// The name of `coordinator` was looked up.
  synchronized void resolved(HostPort coordinator, InetSocketAddress address) {
    byAddress.put(address, coordinator);
  }

  /// The connection to `address` is there.
  synchronized void connected(SocketAddress address) {
    connected = address;
  }

  /// The connection, if there was one, is gone.
  synchronized void lost() {
    HostPort coordinator = connected == null ? null : byAddress.get(connected);
    if (coordinator != null && order.remove(coordinator)) {
      order.add(coordinator);
    }
    connected = null;
  }
}
