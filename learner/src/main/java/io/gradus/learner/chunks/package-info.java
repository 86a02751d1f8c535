/// The chunk server: checkpoints over HTTP, for workers that do not see the checkpoint store.
///
/// It serves the files that a manifest in the store names, and nothing else, from the page cache to
/// the socket without copying them, so that its memory does not depend on how large they are.
/// Everything is bounded: connections, bandwidth, requests under way, digests remembered, and how
/// long a peer may be silent or slow.
@NullMarked
package io.gradus.learner.chunks;

import org.jspecify.annotations.NullMarked;
