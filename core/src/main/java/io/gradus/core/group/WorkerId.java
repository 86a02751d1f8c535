package io.gradus.core.group;

/// Names a rollout worker for the life of its process.
public record WorkerId(String value) implements Comparable<WorkerId> {

  public WorkerId {
    if (value.isEmpty() || value.length() > 128) {
      throw new IllegalArgumentException(
          "worker id must have 1 to 128 characters but has " + value.length());
    }
  }

  @Override
  public int compareTo(WorkerId other) {
    return value.compareTo(other.value);
  }
}
