package io.gradus.learner.objective;

import io.gradus.policy.training.TrainingRow;

/// A completion as it was sampled and judged.
///
/// @param member index in its group
/// @param behaviorLogprobs one a token that carries loss, at the row's temperature
@SuppressWarnings("ArrayRecordComponent") // A carrier of token arrays, compared by nobody.
public record RecordedTrajectory(
    int member, TrainingRow row, float[] behaviorLogprobs, float reward, boolean isRight) {}
