package io.gradus.coordinator.ledger;

import java.util.Optional;

/// What a scan found where a row may be. A damaged ledger has rows that are none of the decider's.
public sealed interface Scanned<T> {

  /// No row is there.
  record Absent<T>() implements Scanned<T> {}

  /// A row is there that no decider wrote; the message says what is wrong with it.
  record Broken<T>(String message) implements Scanned<T> {}

  /// A row.
  record Sound<T>(T row) implements Scanned<T> {}

  /// The row, where there is one that can be read.
  default Optional<T> sound() {
    return this instanceof Sound<T>(var row) ? Optional.of(row) : Optional.empty();
  }
}
