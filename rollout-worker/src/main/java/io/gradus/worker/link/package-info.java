/// The worker's side of the RolloutService: the stream that brings leases and takes heartbeats, and
/// the submission of finished groups. Both outlive a coordinator that goes away for a while.
@NullMarked
package io.gradus.worker.link;

import org.jspecify.annotations.NullMarked;
