package io.gradus.core.group;

/// Number of a group in its run; groups are numbered 1..n without holes.
public record GroupId(long value) implements Comparable<GroupId> {

  public GroupId {
    if (value < 1) {
      throw new IllegalArgumentException("group id must be at least 1 but is " + value);
    }
  }

  public GroupId next() {
    return new GroupId(Math.incrementExact(value));
  }

  @Override
  public int compareTo(GroupId other) {
    return Long.compare(value, other.value);
  }
}
