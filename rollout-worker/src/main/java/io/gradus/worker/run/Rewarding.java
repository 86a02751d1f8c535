package io.gradus.worker.run;

import io.gradus.core.group.Verdict;
import io.gradus.core.task.Ending;

/// How verdicts become rewards and loss masks.
///
/// @param right reward of a right answer
/// @param wrong reward of a wrong answer
/// @param undecided reward of an answer that hit a limit of the verifier
public record Rewarding(float right, float wrong, float undecided, TruncatedAnswers truncated) {

  /// What happens to a completion cut at its token limit.
  public enum TruncatedAnswers {
    /// It is verified as it is.
    VERIFY,
    /// Its reward is that of a wrong answer.
    ZERO,
    /// It carries no loss.
    MASK
  }

  public float reward(Verdict verdict, Ending ending) {
    if (ending == Ending.TOKEN_LIMIT && truncated == TruncatedAnswers.ZERO) {
      return wrong;
    }
    return switch (verdict) {
      case RIGHT -> right;
      case WRONG -> wrong;
      case UNDECIDED -> undecided;
    };
  }

  public boolean carriesLoss(Ending ending) {
    return ending == Ending.END_OF_SEQUENCE || truncated != TruncatedAnswers.MASK;
  }
}
