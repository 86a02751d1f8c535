package io.gradus.coordinator.pool;

import akka.actor.typed.ActorRef;
import io.gradus.coordinator.wire.OnTheWire;
import io.gradus.core.group.WorkerId;

/// What a pool is told.
public interface PoolCommand {

  /// What comes from outside the entity; repeated every few seconds, since a pool remembers nothing
  /// across its death.
  sealed interface FromNode extends PoolCommand, OnTheWire {}

  /// A worker's stream is open. Answered with [PoolAnswer.Allotted], and whenever that changes.
  record OfferWorker(WorkerId worker, int slots, ActorRef<PoolAnswer> stream) implements FromNode {}

  /// A run has work.
  ///
  /// @param share weight against other runs
  /// @param wanted groups that it would have sampled at once
  record ClaimSlots(String runId, double share, int wanted) implements FromNode {}

  /// A run has no work for now: it is paused, or over.
  record WithdrawClaim(String runId) implements FromNode {}
}
