/// Task families: what a task is, how its problem is generated from a number, how an answer is
/// verified, and the gold text of warm-up. Generators are versioned: the same version, seed,
/// stratum and index give the same problem for ever.
@NullMarked
package io.gradus.core.task;

import org.jspecify.annotations.NullMarked;
