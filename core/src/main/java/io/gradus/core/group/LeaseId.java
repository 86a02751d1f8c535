package io.gradus.core.group;

/// Names a lease; never reused within a run.
public record LeaseId(long value) implements Comparable<LeaseId> {

  public LeaseId {
    if (value < 1) {
      throw new IllegalArgumentException("lease id must be at least 1 but is " + value);
    }
  }

  public LeaseId next() {
    return new LeaseId(Math.incrementExact(value));
  }

  @Override
  public int compareTo(LeaseId other) {
    return Long.compare(value, other.value);
  }
}
