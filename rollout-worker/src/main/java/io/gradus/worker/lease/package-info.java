/// The leases that a worker holds, from grant to outcome: a bounded queue, what is being sampled,
/// what waits for its answer, and the credits that follow from them.
@NullMarked
package io.gradus.worker.lease;

import org.jspecify.annotations.NullMarked;
