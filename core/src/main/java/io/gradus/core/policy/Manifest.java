package io.gradus.core.policy;

import io.gradus.core.batch.BatchNumber;
import java.util.List;
import java.util.Optional;

/// Names the weights of one version: where they lie, what they hash to, what led to them.
///
/// @param step optimizer steps in its lineage
/// @param batch last batch in its lineage; absent for first weights
/// @param uri checkpoint directory as a file URI
/// @param durable whether optimizer and random state are in it too
public record Manifest(
    PolicyVersion version,
    long step,
    Optional<BatchNumber> batch,
    String uri,
    List<CheckpointFile> files,
    Lineage lineage,
    boolean durable) {

  public Manifest {
    files = List.copyOf(files);
    if (step < 0) {
      throw new IllegalArgumentException("step is negative: " + step);
    }
  }

  /// The last batch in the lineage, or 0.
  public long batchOrZero() {
    return batch.map(BatchNumber::value).orElse(0L);
  }

  /// A file of a checkpoint; `sha256` in lower-case hex.
  public record CheckpointFile(String name, long bytes, String sha256) {}
}
