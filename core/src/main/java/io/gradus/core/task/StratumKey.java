package io.gradus.core.task;

import java.util.Comparator;

/// Names a stratum: all tasks of like difficulty of one source.
public record StratumKey(int source, int stratum) implements Comparable<StratumKey> {

  private static final Comparator<StratumKey> EASIEST_FIRST =
      Comparator.comparingInt(StratumKey::source).thenComparingInt(StratumKey::stratum);

  public StratumKey {
    if (source < 0 || stratum < 1) {
      throw new IllegalArgumentException(
          "no such stratum: source %d, stratum %d".formatted(source, stratum));
    }
  }

  /// The stratum of a task.
  public static StratumKey of(Task task) {
    return new StratumKey(task.source(), task.stratum());
  }

  @Override
  public int compareTo(StratumKey other) {
    return EASIEST_FIRST.compare(this, other);
  }
}
