/// The SQL ledger: what was decided, by whom, and the payloads it was decided about.
///
/// Invariants: nothing is acknowledged before its commit is synced (G2); every state transaction
/// begins with the fence `UPDATE run SET commit_seq = n+1 WHERE run_key = r AND epoch = e AND
/// commit_seq = n` (G7); a group is admitted by a statement that requires its payload row. One
/// thread writes ([io.gradus.coordinator.ledger.CommitLoop]); reads have connections of their own.
/// JDBC stays inside this package.
@NullMarked
package io.gradus.coordinator.ledger;

import org.jspecify.annotations.NullMarked;
