package io.gradus.core.policy;

/// Counts learner sessions of a run; a newer one fences all older ones.
public record LearnerEpoch(long value) implements Comparable<LearnerEpoch> {

  public LearnerEpoch {
    if (value < 1) {
      throw new IllegalArgumentException("learner epoch must be at least 1 but is " + value);
    }
  }

  public LearnerEpoch next() {
    return new LearnerEpoch(Math.incrementExact(value));
  }

  @Override
  public int compareTo(LearnerEpoch other) {
    return Long.compare(value, other.value);
  }
}
