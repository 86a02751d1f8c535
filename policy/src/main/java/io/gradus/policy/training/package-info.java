/// Training primitives: log-probabilities and entropies of recorded tokens as leaves of an
/// objective, gradients by hand-written backward passes on one or more replicas, AdamW.
///
/// Objectives see leaf tensors and what the caller recorded, never logits: so a head may be
/// computed in pieces, and an objective is tested without a model. They divide by constants of the
/// whole batch and never by what a micro-batch happens to hold, so that gradients of micro-batches
/// and replicas add up.
@NullMarked
package io.gradus.policy.training;

import org.jspecify.annotations.NullMarked;
