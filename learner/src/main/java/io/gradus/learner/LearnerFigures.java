package io.gradus.learner;

import java.time.Duration;

/// What a learner has done so far; every number only rises.
///
/// @param sessions sessions joined
/// @param batches batches applied
/// @param optimizerSteps optimizer steps taken
/// @param skippedSteps optimizer steps skipped, because a loss or gradient was not finite
/// @param tokens completion tokens trained
/// @param sequences sequences trained
/// @param failedBatches batches that could not be applied
/// @param publications versions published
/// @param waited time without a batch
/// @param stepped time in forward, backward and optimizer
/// @param published time that training stood still for publications
/// @param written time of the writing thread in checkpoints
public record LearnerFigures(
    long sessions,
    long batches,
    long optimizerSteps,
    long skippedSteps,
    long tokens,
    long sequences,
    long failedBatches,
    long publications,
    Duration waited,
    Duration stepped,
    Duration published,
    Duration written) {}
