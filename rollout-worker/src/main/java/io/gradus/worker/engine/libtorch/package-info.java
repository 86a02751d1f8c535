/// The embedded engine: a decoder on libtorch, in this process, on the thread that calls it.
///
/// Weights are read only after the files that hold them were compared with the announced digests,
/// so that what samples is what was published.
@NullMarked
package io.gradus.worker.engine.libtorch;

import org.jspecify.annotations.NullMarked;
