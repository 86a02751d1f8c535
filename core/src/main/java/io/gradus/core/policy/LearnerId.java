package io.gradus.core.policy;

/// Names a learner across its restarts.
public record LearnerId(String value) implements Comparable<LearnerId> {

  public LearnerId {
    if (value.isEmpty() || value.length() > 128) {
      throw new IllegalArgumentException(
          "learner id must have 1 to 128 characters but has " + value.length());
    }
  }

  @Override
  public int compareTo(LearnerId other) {
    return value.compareTo(other.value);
  }
}
