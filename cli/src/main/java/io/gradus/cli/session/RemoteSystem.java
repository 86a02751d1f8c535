package io.gradus.cli.session;

import io.grpc.Channel;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;

/// Roles that are other processes: this one only looks on.
public final class RemoteSystem implements RunningSystem {

  private final Channel channel;
  private final CompletableFuture<Void> death = new CompletableFuture<>();

  /// @param channel is closed by whoever opened it
  public RemoteSystem(Channel channel) {
    this.channel = channel;
  }

  @Override
  public Channel channel() {
    return channel;
  }

  @Override
  public CompletionStage<Void> death() {
    return death.minimalCompletionStage();
  }

  @Override
  public Map<Activity, Duration> workerTime() {
    return Map.of();
  }

  @Override
  public Optional<String> interrupted() {
    return Optional.empty();
  }

  @Override
  public void drain() {}

  @Override
  public void close() {}
}
