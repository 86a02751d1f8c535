package io.gradus.learner.run;

import io.gradus.core.batch.GoldRange;
import io.gradus.learner.objective.Objective;
import io.gradus.learner.schedule.LearningRates;
import io.gradus.policy.training.OptimizerConfig;

/// How a run learns.
///
/// @param lockstep whether equal seeds must give equal bits: one replica, and nothing overlaps
/// @param canary gold text that a sound policy of this run gives a bounded likelihood
public record LearningPlan(
    FirstWeights firstWeights,
    Objective objective,
    OptimizerConfig optimizer,
    LearningRates learningRates,
    long seed,
    boolean lockstep,
    GoldRange canary) {}
