/// The cluster of coordinator nodes: how it forms, which nodes stay in it, and where runs live.
///
/// The ledger is the arbiter. A partition is decided by a lease in it, and whatever the cluster
/// believes, only the incarnation with the newest epoch can commit.
@NullMarked
package io.gradus.coordinator.cluster;

import org.jspecify.annotations.NullMarked;
