package io.gradus.worker.run;

import io.gradus.core.task.TaskFamily;
import java.time.Duration;
import java.util.List;
import java.util.OptionalInt;

/// A run that this worker may get leases of.
///
/// @param families one for each task source of the spec
/// @param temperature of training samples; evaluation is greedy
/// @param topK 0 is off
/// @param topP 1 is off
/// @param maxTokens limit of a completion; absent: what the task's longest right answer needs, and
///   3
/// @param lockstep whether the composition of engine batches may not depend on timing
/// @param leaseTtl how long a lease lasts without a heartbeat
/// @param takesCompressed whether payloads may be compressed
public record RunAssignment(
    String runId,
    long seed,
    List<TaskFamily> families,
    float temperature,
    int topK,
    float topP,
    OptionalInt maxTokens,
    Rewarding rewarding,
    boolean lockstep,
    Duration leaseTtl,
    boolean takesCompressed) {

  public RunAssignment {
    families = List.copyOf(families);
    if (runId.isEmpty() || families.isEmpty() || !leaseTtl.isPositive()) {
      throw new IllegalArgumentException(
          "run \"%s\" has %d task sources and leases of %s"
              .formatted(runId, families.size(), leaseTtl));
    }
    if (!(temperature >= 0) || topK < 0 || !(topP > 0 && topP <= 1)) {
      throw new IllegalArgumentException(
          "run %s samples at temperature %s with top_k %d and top_p %s"
              .formatted(runId, temperature, topK, topP));
    }
  }

  /// Token limit of a completion of one of the run's tasks.
  public int tokenLimit(int source, int stratum) {
    return maxTokens.orElseGet(() -> families.get(source).maxCompletionTokens(stratum));
  }
}
