package io.gradus.core.group;

/// What a verifier found; infrastructure failures are not verdicts (G5).
public enum Verdict {
  RIGHT,
  WRONG,
  /// The answer itself hit a limit of the verifier, twice, on two workers.
  UNDECIDED
}
