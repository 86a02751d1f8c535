package io.gradus.coordinator.edge;

import com.google.protobuf.InvalidProtocolBufferException;
import io.gradus.coordinator.ledger.Ledger;
import io.gradus.run.v1.RunSpec;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executor;

/// Effective specs by run; they never change, so they are read once.
final class Specs {

  /// Runs that one node serves at a time are few; beyond this they are simply read again.
  private static final int MAX_KEPT = 1024;

  private final Ledger ledger;
  private final Executor blocking;

  /// Reading one twice does no harm.
  private final Map<String, RunSpec> known = new ConcurrentHashMap<>();

  Specs(Ledger ledger, Executor blocking) {
    this.ledger = ledger;
    this.blocking = blocking;
  }

  /// The effective spec of a run; fails with NOT_FOUND.
  CompletionStage<RunSpec> of(String runId) {
    return Optional.ofNullable(known.get(runId))
        .map(CompletableFuture::completedStage)
        .orElseGet(() -> CompletableFuture.supplyAsync(() -> read(runId), blocking));
  }

  private RunSpec read(String runId) {
    byte[] bytes =
        ledger.reader().findRun(runId).orElseThrow(() -> Refusals.noSuchRun(runId)).spec();
    try {
      RunSpec spec = RunSpec.parseFrom(bytes);
      if (known.size() < MAX_KEPT) {
        known.put(runId, spec);
      }
      return spec;
    } catch (InvalidProtocolBufferException damaged) {
      throw new IllegalStateException("the spec of run %s is damaged".formatted(runId), damaged);
    }
  }
}
