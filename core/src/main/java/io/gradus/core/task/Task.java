package io.gradus.core.task;

/// Names one problem; with the run's seed, and the purpose it is drawn for, it can be made
/// anywhere.
///
/// @param source index of the task source in the spec
/// @param stratum difficulty in the family: for arithmetic, digits
/// @param index number of the problem in its stratum and purpose, from 0
public record Task(int source, int stratum, long index) {

  public Task {
    if (source < 0 || stratum < 1 || index < 0) {
      throw new IllegalArgumentException(
          "no such task: source %d, stratum %d, index %d".formatted(source, stratum, index));
    }
  }
}
