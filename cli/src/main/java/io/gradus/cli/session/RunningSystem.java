package io.gradus.cli.session;

import io.grpc.Channel;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletionStage;

/// The roles at work, as one who follows the run sees them.
public interface RunningSystem extends AutoCloseable {

  /// Where the coordinator's services are reached.
  Channel channel();

  /// Completes, exceptionally, when a role has died and does not come back.
  CompletionStage<Void> death();

  /// What the rollout workers have spent their time on since this process began, by activity.
  Map<Activity, Duration> workerTime();

  /// What a person who interrupts is told at once; empty where there is nothing to wait for.
  Optional<String> interrupted();

  /// Ends learning and sampling in good order, with a durable checkpoint when there is time for it.
  void drain();

  /// Ends everything. Idempotent.
  @Override
  void close();

  /// What a rollout worker does with its time.
  enum Activity {
    SAMPLING,
    VERIFYING,
    LOADING,
    WAITING
  }
}
