package io.gradus.learner.objective;

import io.gradus.policy.training.TrainingRow;

/// A row to be trained on, and the numbers its objective needs beside it.
///
/// @param coefficient what the objective multiplies its tokens by: a weight or an advantage
/// @param behaviorLogprobs log-probabilities recorded when it was sampled, one a token that carries
///   loss; empty where no objective asks for them. Recorded and never recomputed: they are the
///   denominator of the importance ratio, and recomputing them under newer weights would silently
///   remove the off-policy correction
@SuppressWarnings("ArrayRecordComponent") // A carrier of token arrays, compared by nobody.
public record Example(TrainingRow row, float coefficient, float[] behaviorLogprobs) {

  private static final float[] NONE = {};

  public Example {
    if (!Float.isFinite(coefficient)) {
      throw new IllegalArgumentException("the coefficient of a row is " + coefficient);
    }
    if (behaviorLogprobs.length != 0 && behaviorLogprobs.length != row.lossTokens()) {
      throw new IllegalArgumentException(
          "%d behaviour logprobs but %d tokens carry loss"
              .formatted(behaviorLogprobs.length, row.lossTokens()));
    }
  }

  /// A row of text that nobody sampled, with weight 1.
  public static Example gold(TrainingRow row) {
    return new Example(row, 1, NONE);
  }
}
