/// Objectives: what is optimised, as functions of log-probabilities, entropies and what was
/// recorded when a trajectory was sampled.
///
/// An objective turns recorded trajectories into examples (a row and the numbers it is weighted by)
/// and examples into a loss of leaf tensors. It never sees logits or a model, so it is tested
/// without one. Losses divide by constants of the whole optimizer step, so that gradients of
/// micro-batches and replicas add up.
@NullMarked
package io.gradus.learner.objective;

import org.jspecify.annotations.NullMarked;
