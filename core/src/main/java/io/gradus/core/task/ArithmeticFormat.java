package io.gradus.core.task;

/// What a completion of an arithmetic task contains.
public enum ArithmeticFormat {
  /// The answer alone.
  DIRECT("direct"),
  /// The carry out of each column, `#`, the answer.
  CARRY("carry"),
  /// The partial products, `#`, the answer.
  PARTIAL_PRODUCTS("partial-products");

  private final String text;

  ArithmeticFormat(String text) {
    this.text = text;
  }

  /// Whether the policy writes a rationale of its own before the answer. Only then may a hint be
  /// given: where the completion is the answer alone, an accepted hinted one would be gold text.
  public boolean hasRationale() {
    return this != DIRECT;
  }

  /// Last part of a generator's name.
  String text() {
    return text;
  }
}
