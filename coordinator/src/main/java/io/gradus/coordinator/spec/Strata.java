package io.gradus.coordinator.spec;

import io.gradus.core.task.Addition;
import io.gradus.core.task.ArithmeticFormat;
import io.gradus.core.task.Multiplication;
import io.gradus.core.task.TaskFamily;
import io.gradus.run.v1.TaskSource;

/// Strata and family of a task source whose defaults are filled in.
final class Strata {

  private Strata() {}

  static int first(TaskSource source) {
    return switch (source.getFamilyCase()) {
      case ADDITION -> source.getAddition().getFirstDigits();
      case MULTIPLICATION -> source.getMultiplication().getFirstDigits();
      case FAMILY_NOT_SET -> 1;
    };
  }

  static int last(TaskSource source) {
    return switch (source.getFamilyCase()) {
      case ADDITION -> source.getAddition().getLastDigits();
      case MULTIPLICATION -> source.getMultiplication().getLastDigits();
      case FAMILY_NOT_SET -> 1;
    };
  }

  /// Path of the family's block, below the source.
  static String path(TaskSource source) {
    return switch (source.getFamilyCase()) {
      case ADDITION -> "addition";
      case MULTIPLICATION -> "multiplication";
      case FAMILY_NOT_SET -> "";
    };
  }

  /// The family.
  ///
  /// @throws IllegalArgumentException if it has no such format; the message says which it has
  static TaskFamily family(TaskSource source) {
    return switch (source.getFamilyCase()) {
      case ADDITION -> new Addition(format(source.getAddition().getFormat()));
      case MULTIPLICATION ->
          new Multiplication(
              source.getMultiplication().getSecondDigits(),
              format(source.getMultiplication().getFormat()));
      case FAMILY_NOT_SET -> throw new IllegalArgumentException("a task source names no family");
    };
  }

  private static ArithmeticFormat format(io.gradus.run.v1.ArithmeticFormat format) {
    return switch (format) {
      case ARITHMETIC_FORMAT_DIRECT -> ArithmeticFormat.DIRECT;
      case ARITHMETIC_FORMAT_CARRY -> ArithmeticFormat.CARRY;
      case ARITHMETIC_FORMAT_PARTIAL_PRODUCTS -> ArithmeticFormat.PARTIAL_PRODUCTS;
      case ARITHMETIC_FORMAT_UNSPECIFIED, UNRECOGNIZED ->
          throw new IllegalArgumentException(
              "format is not one of direct, carry, partial_products");
    };
  }
}
