/// The audit: everything that a run's row says of itself, computed again from its groups, leases,
/// uses, batches, payloads, versions and strata.
///
/// Invariant: it shares no arithmetic with the decider but the digests, the table of transitions
/// and the pure functions of the plan (place of a batch, gold text), and it changes nothing. Rows
/// are read as of one moment, once, in the order of their keys: memory does not grow with the run,
/// but for one bit a lease and a task.
@NullMarked
package io.gradus.coordinator.audit;

import org.jspecify.annotations.NullMarked;
