package io.gradus.cli.link;

import io.grpc.EquivalentAddressGroup;
import io.grpc.NameResolver;
import io.grpc.Status;
import io.grpc.StatusOr;
import java.net.InetSocketAddress;
import java.net.UnknownHostException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Executor;
import org.jspecify.annotations.Nullable;

/// Looks the names of a list of coordinators up, anew whenever a connection was lost: a host may
/// have come back under another address.
final class CoordinatorResolver extends NameResolver {

  private final CoordinatorList list;
  private final Executor executor;
  private @Nullable Listener2 listener;

  /// @param executor may block
  CoordinatorResolver(CoordinatorList list, Executor executor) {
    this.list = list;
    this.executor = executor;
  }

  @Override
  public String getServiceAuthority() {
    return "coordinators";
  }

  @Override
  public void start(Listener2 told) {
    listener = told;
    executor.execute(() -> resolve(told));
  }

  @Override
  public void refresh() {
    list.lost();
    Listener2 told = listener;
    if (told == null) {
      return;
    }
    // At once, from where gRPC calls: it has not begun to connect again yet. An order that changed
    // while it connects would have it pass over what moved to the front.
    if (!list.addresses().isEmpty()) {
      tell(told);
    }
    executor.execute(() -> resolve(told));
  }

  private void resolve(Listener2 told) {
    boolean isNews = false;
    List<String> unknown = new ArrayList<>();
    for (HostPort coordinator : list.order()) {
      Optional<InetSocketAddress> address;
      try {
        address = Optional.of(coordinator.resolved());
      } catch (UnknownHostException _) {
        address = Optional.empty();
        unknown.add(coordinator.host());
      }
      isNews |= list.resolved(coordinator, address);
    }
    if (list.addresses().isEmpty()) {
      told.onError(
          Status.UNAVAILABLE.withDescription(
              "no address is known for " + String.join(", ", unknown)));
    } else if (isNews) {
      tell(told);
    }
  }

  private void tell(Listener2 told) {
    List<EquivalentAddressGroup> groups =
        list.addresses().stream().map(EquivalentAddressGroup::new).toList();
    told.onResult(
        ResolutionResult.newBuilder().setAddressesOrError(StatusOr.fromValue(groups)).build());
  }

  @Override
  public void shutdown() {}
}
