package io.gradus.cli.role;

import java.time.Duration;
import java.util.concurrent.CompletionStage;

/// A role at work, as whoever waits for its end sees it.
public interface Role extends AutoCloseable {

  /// Completes when there is nothing left to do; exceptionally, with a [RoleException], when it
  /// cannot go on.
  CompletionStage<Void> ending();

  /// Longest time that closing should take.
  Duration closesWithin();

  /// Ends in good order: not ready any more, work handed back or finished, then everything closed.
  @Override
  void close();
}
