package io.gradus.core.run.simulation;

import io.gradus.core.ledger.VersionRow;
import io.gradus.core.policy.PolicyVersion;

/// Staleness in batches, from rows alone: the way from a version to what is bound, over the last
/// batch that its lineage shares with the live one (G4).
final class Staleness {

  private final ModelLedger rows;

  Staleness(ModelLedger rows) {
    this.rows = rows;
  }

  /// Whether the version's row may be unknown to the decider.
  boolean isForgotten(PolicyVersion version) {
    return rows.version(version).filter(VersionRow::deleted).isPresent();
  }

  long of(PolicyVersion version, long bound) {
    VersionRow row =
        rows.version(version)
            .orElseThrow(() -> Violation.of("G6: %s was never published", version));
    long shared = row.ancestor();
    return (row.manifest().batchOrZero() - shared) + (bound - shared);
  }
}
