/// Task families: what a task is, how its problem is generated from a number, how an answer is
/// verified, and the gold text of warm-up. Generators are versioned: the same version, seed,
/// stratum and index give the same problem for ever.
///
/// Everything here is text over the characters `0123456789+=#!*`, numbers least significant digit
/// first. The tokens BOS and EOS are not in the text: a prompt begins after BOS, and whether EOS
/// was sampled is an [Ending].
@NullMarked
package io.gradus.core.task;

import org.jspecify.annotations.NullMarked;
