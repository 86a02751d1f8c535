package io.gradus.coordinator.audit;

import io.gradus.core.ledger.RunRow;
import io.gradus.core.run.RunPlan;

/// What every check needs to know of the run.
///
/// @param isCharacterModel whether a token is a character, so that the length of a prompt is known
record AuditedRun(
    String runId, RunRow row, RunPlan plan, boolean isCharacterModel, Findings findings) {}
