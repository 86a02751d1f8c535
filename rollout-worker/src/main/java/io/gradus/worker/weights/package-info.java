/// Brings the files of announced versions to where the engine can read them, on a thread of their
/// own: as they are where the worker sees the checkpoint store, over HTTP into a bounded cache
/// otherwise.
///
/// What comes over the network counts only once its digest is the right one: each chunk's as it
/// arrives, and the whole file's, which is the one that the ledger names, when the engine loads it.
/// Where a download stops, it goes on later; what is loaded is never deleted.
@NullMarked
package io.gradus.worker.weights;

import org.jspecify.annotations.NullMarked;
