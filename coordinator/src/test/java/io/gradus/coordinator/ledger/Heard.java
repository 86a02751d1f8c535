package io.gradus.coordinator.ledger;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/// A listener that remembers what it heard.
final class Heard implements CommitListener {

  private final CompletableFuture<String> outcome = new CompletableFuture<>();

  @Override
  public void committed(long commitSeq) {
    outcome.complete("COMMITTED " + commitSeq);
  }

  @Override
  public void failed(CommitFailure failure, String message) {
    outcome.complete(failure.name());
  }

  /// `COMMITTED n`, or the failure.
  String await() throws Exception {
    return outcome.get(30, TimeUnit.SECONDS);
  }
}
