package io.gradus.core.policy;

import static java.lang.Math.subtractExact;

/// Identity of published weights, allotted in commit order and never reused; 0 is no version yet.
public record PolicyVersion(long value) implements Comparable<PolicyVersion> {

  public PolicyVersion {
    if (value < 0) {
      throw new IllegalArgumentException("policy version is negative: " + value);
    }
  }

  public PolicyVersion next() {
    return new PolicyVersion(Math.incrementExact(value));
  }

  /// How many publications the learner has made since this version, as seen from `current`.
  public long stalenessAt(PolicyVersion current) {
    if (compareTo(current) > 0) {
      throw new IllegalArgumentException(
          "policy version %d is ahead of the current version %d".formatted(value, current.value));
    }
    return subtractExact(current.value, value);
  }

  @Override
  public int compareTo(PolicyVersion other) {
    return Long.compare(value, other.value);
  }
}
