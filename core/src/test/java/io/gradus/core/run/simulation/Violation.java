package io.gradus.core.run.simulation;

import com.google.errorprone.annotations.FormatMethod;
import com.google.errorprone.annotations.FormatString;

/// A law of the design that was broken.
final class Violation extends RuntimeException {

  private static final long serialVersionUID = 1L;

  private Violation(String message) {
    super(message);
  }

  /// Throws unless the law holds.
  ///
  /// @param law the sentence that was broken, with its guarantee first
  @FormatMethod
  static void unless(boolean holds, @FormatString String law, Object... values) {
    if (!holds) {
      throw new Violation(law.formatted(values));
    }
  }

  /// A violation to be thrown.
  @FormatMethod
  static Violation of(@FormatString String law, Object... values) {
    return new Violation(law.formatted(values));
  }
}
