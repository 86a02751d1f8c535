package io.gradus.policy.training;

import java.util.Map;

/// What an optimizer step did.
///
/// @param loss of the whole batch, before the step
/// @param gradientNorm L2 norm before clipping
/// @param meanEntropy mean entropy of the tokens with loss, nats; NaN if the objective asks for
///   none
/// @param skippedNonFinite whether loss or gradient was infinite or no number, and the weights and
///   the optimizer's state were left as they were
/// @param tokens tokens with loss
/// @param sums what the objective reported, added up
public record StepResult(
    double loss,
    double gradientNorm,
    double meanEntropy,
    boolean skippedNonFinite,
    long tokens,
    Map<String, Double> sums) {}
