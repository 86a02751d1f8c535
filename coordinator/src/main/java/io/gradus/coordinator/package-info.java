/// The coordinator: one decider a run behind gRPC edges and an SQL ledger. [Coordinator] composes
/// it for embedding and for a process of its own.
@NullMarked
package io.gradus.coordinator;

import org.jspecify.annotations.NullMarked;
