package io.gradus.core.ledger;

import io.gradus.core.batch.BatchDigest;
import io.gradus.core.batch.BatchNumber;
import io.gradus.core.batch.BatchState;
import io.gradus.core.batch.GoldRange;
import io.gradus.core.policy.LearnerEpoch;
import java.util.Optional;

/// One binding of one batch number; only the newest binding of a number can be other than VOID.
///
/// @param binding counts bindings of the number, from 1
/// @param gold the text to generate; absent for a batch of workers' samples, whose uses are rows
/// @param completionTokens over all uses; for gold, 0 until applied
/// @param groups distinct groups drawn from
/// @param round from 1; 0 where there are none, or in warm-up
/// @param failures learner sessions in which it failed
/// @param appliedBy the session that applied it; present when APPLIED or SETTLED
/// @param steps optimizer steps taken, skipped ones not counted
/// @param failedBy the last of the sessions in which it failed
public record BatchRow(
    BatchNumber number,
    int binding,
    BatchState state,
    String reason,
    Optional<GoldRange> gold,
    BatchDigest digest,
    long completionTokens,
    int groups,
    int round,
    int indexInRound,
    int batchesInRound,
    boolean restartFromBase,
    boolean publish,
    boolean durable,
    int failures,
    Optional<LearnerEpoch> appliedBy,
    int steps,
    int skippedSteps,
    Optional<LearnerEpoch> failedBy) {

  /// The same batch, applied in a session.
  public BatchRow applied(LearnerEpoch epoch, int steps, int skippedSteps, long completionTokens) {
    return with(
        BatchState.APPLIED,
        "",
        completionTokens,
        failures,
        Optional.of(epoch),
        steps,
        skippedSteps,
        failedBy);
  }

  /// The same batch, to be applied again.
  public BatchRow boundAgain() {
    return with(BatchState.BOUND, "", completionTokens, failures, Optional.empty(), 0, 0, failedBy);
  }

  /// The same batch, which no rollback can reach.
  public BatchRow settled() {
    return with(
        BatchState.SETTLED,
        "",
        completionTokens,
        failures,
        appliedBy,
        steps,
        skippedSteps,
        failedBy);
  }

  /// The same batch, given up.
  public BatchRow voided(String reason) {
    return with(
        BatchState.VOID,
        reason,
        completionTokens,
        failures,
        appliedBy,
        steps,
        skippedSteps,
        failedBy);
  }

  /// The same batch, which failed in one more session.
  public BatchRow failed(LearnerEpoch epoch) {
    return with(
        state,
        reason,
        completionTokens,
        failures + 1,
        appliedBy,
        steps,
        skippedSteps,
        Optional.of(epoch));
  }

  private BatchRow with(
      BatchState state,
      String reason,
      long completionTokens,
      int failures,
      Optional<LearnerEpoch> appliedBy,
      int steps,
      int skippedSteps,
      Optional<LearnerEpoch> failedBy) {
    return new BatchRow(
        number,
        binding,
        state,
        reason,
        gold,
        digest,
        completionTokens,
        groups,
        round,
        indexInRound,
        batchesInRound,
        restartFromBase,
        publish,
        durable,
        failures,
        appliedBy,
        steps,
        skippedSteps,
        failedBy);
  }
}
