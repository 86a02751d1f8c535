/// The shell around the decider of a run.
///
/// [io.gradus.coordinator.run.RunEntity] owns the decider, feeds it inputs, appends its writes to
/// the ledger's open group commit and releases its effects only after that commit. Messages carry
/// ids and numbers only: token payloads go from the edge to the ledger and back, never through
/// Akka. Akka stays inside the coordinator.
@NullMarked
package io.gradus.coordinator.run;

import org.jspecify.annotations.NullMarked;
