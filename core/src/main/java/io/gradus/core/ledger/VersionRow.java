package io.gradus.core.ledger;

import io.gradus.core.policy.LearnerEpoch;
import io.gradus.core.policy.Manifest;
import io.gradus.core.policy.PolicyVersion;

/// One published version.
///
/// @param parent the version it was trained from; 0 for first weights
/// @param batchesBound batches bound when it was published: staleness is counted from here
/// @param ancestor last batch that its lineage shares with the live one: its own batch, until a
///   learner goes back behind it
/// @param base whether rounds that restart begin from it
/// @param deleted whether its directory may be gone
public record VersionRow(
    Manifest manifest,
    PolicyVersion parent,
    LearnerEpoch learnerEpoch,
    long batchesBound,
    long ancestor,
    boolean base,
    boolean deleted) {

  /// The same version with another last batch on the live lineage.
  public VersionRow withAncestor(long batch) {
    return new VersionRow(manifest, parent, learnerEpoch, batchesBound, batch, base, deleted);
  }

  /// The same version, its directory given up.
  public VersionRow asDeleted() {
    return new VersionRow(manifest, parent, learnerEpoch, batchesBound, ancestor, base, true);
  }
}
