/// Models on libtorch: a Llama decoder, its configuration and vocabulary, and the passes through
/// it.
///
/// Invariants: weights live in one flat buffer with one owner ([Decoder]); a pass through them is
/// computed inside a pointer scope of its caller, on one platform thread; reading and writing them
/// follows the Hugging Face layout, so that every checkpoint loads in transformers.
///
/// Shapes are written behind the names of arrays and tensors: B rows of a batch, G members of a
/// group, T tokens of a row, N tokens of a batch laid end to end, S those of the N whose output is
/// needed, V vocabulary, H hidden size, F feed-forward size, A width of all attention heads, K
/// width of all key (or value) heads.
@NullMarked
package io.gradus.policy;

import org.jspecify.annotations.NullMarked;
