package io.gradus.core.batch;

/// Number of a batch in a run's one line of batches.
public record BatchNumber(long value) implements Comparable<BatchNumber> {

  public BatchNumber {
    if (value < 1) {
      throw new IllegalArgumentException("batch number must be at least 1 but is " + value);
    }
  }

  public BatchNumber next() {
    return new BatchNumber(Math.incrementExact(value));
  }

  @Override
  public int compareTo(BatchNumber other) {
    return Long.compare(value, other.value);
  }
}
