package io.gradus.core.task;

import io.gradus.core.group.Verdict;

/// A prompt and the answer that is right.
///
/// @param prompt text after BOS; a hint is never in it
/// @param answer the right answer, without EOS
/// @param format what a completion contains
public record Problem(String prompt, String answer, ArithmeticFormat format) {

  /// Separates the rationale from the answer.
  static final char ANSWER_FOLLOWS = '#';

  /// Begins and ends a hint.
  static final char HINT = '!';

  public Problem {
    if (!prompt.endsWith("=") || answer.isEmpty()) {
      throw new IllegalArgumentException(
          "not a problem: prompt \"%s\", answer \"%s\"".formatted(prompt, answer));
    }
  }

  /// The prompt with the answer in it, for rationalization: `79+52=` becomes `79+52!031!=`. What is
  /// sampled on it is trained on [#prompt].
  public String hintedPrompt() {
    if (!format.hasRationale()) {
      throw new IllegalStateException(
          "a hint in format %s would be the whole completion".formatted(format));
    }
    return prompt.substring(0, prompt.length() - 1) + HINT + answer + HINT + '=';
  }

  /// Judges a completion: right if its answer has exactly the characters of [#answer] and is
  /// followed by EOS. In a format with a rationale the answer is all that follows the first `#`;
  /// the rationale before it is the policy's own and is not judged.
  ///
  /// Arithmetic verifiers have no limits of their own, so the verdict is never UNDECIDED.
  public Verdict verify(String completion, Ending ending) {
    if (ending != Ending.END_OF_SEQUENCE) {
      return Verdict.WRONG;
    }
    int start = 0;
    if (format.hasRationale()) {
      int separator = completion.indexOf(ANSWER_FOLLOWS);
      if (separator < 0) {
        return Verdict.WRONG;
      }
      start = separator + 1;
    }
    boolean matches =
        completion.length() - start == answer.length() && completion.startsWith(answer, start);
    return matches ? Verdict.RIGHT : Verdict.WRONG;
  }
}
