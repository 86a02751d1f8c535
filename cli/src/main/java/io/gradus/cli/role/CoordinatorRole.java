package io.gradus.cli.role;

import io.gradus.coordinator.Coordinator;
import io.gradus.coordinator.CoordinatorConfig;
import io.gradus.coordinator.ledger.LedgerException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;

/// A coordinator that others reach over TCP.
final class CoordinatorRole implements Role {

  private final CoordinatorConfig config;
  private final Coordinator coordinator;
  private final CompletableFuture<Void> ending = new CompletableFuture<>();

  private CoordinatorRole(CoordinatorConfig config, Coordinator coordinator) {
    this.config = config;
    this.coordinator = coordinator;
    var _ =
        coordinator
            .mustClose()
            .thenAccept(reason ->
                ending.completeExceptionally(
                    new RoleException(
                        "%s, so this coordinator ends, to be started anew by its supervisor"
                            .formatted(reason))));
  }

  static CoordinatorRole start(CoordinatorConfig config) throws RoleException {
    try {
      return new CoordinatorRole(config, Coordinator.start(config));
    } catch (LedgerException e) {
      throw new RoleException(told(e), e);
    } catch (UncheckedIOException e) {
      throw new RoleException(told(e.getCause() == null ? e : e.getCause()), e);
    } catch (IOException e) {
      InetSocketAddress address = config.address().orElseThrow();
      throw new RoleException(
          "%s:%d cannot be listened on: %s; end what holds it, or choose another listen.port"
              .formatted(address.getHostString(), address.getPort(), deepest(e)),
          e);
    }
  }

  private static String told(Throwable failure) {
    return failure.getMessage() == null ? failure.toString() : failure.getMessage();
  }

  static String deepest(Throwable failure) {
    Throwable cause = failure;
    while (cause.getCause() != null) {
      cause = cause.getCause();
    }
    return told(cause);
  }

  @Override
  public CompletionStage<Void> ending() {
    return ending.minimalCompletionStage();
  }

  @Override
  public Duration closesWithin() {
    return config.shutdownTimeout();
  }

  @Override
  public void close() {
    coordinator.close();
  }
}
