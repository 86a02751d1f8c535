package io.gradus.core.task;

import io.gradus.core.group.GroupPurpose;
import java.util.EnumSet;
import java.util.Set;

/// Sums of two numbers of exactly n digits each; n is the stratum. Everything is written least
/// significant digit first, the sum with n + 1 digits, zero padded. For 97 + 25 = 122:
///
/// | format | prompt | completion |
/// |---|---|---|
/// | DIRECT | `79+52=` | `221` |
/// | CARRY | `79+52=` | `11#221`: the carry out of each of the n columns, `#`, the sum |
///
/// Numbers have no leading zero; 0 is a number of one digit.
public record Addition(ArithmeticFormat format) implements TaskFamily {

  static final Set<ArithmeticFormat> FORMATS =
      EnumSet.of(ArithmeticFormat.DIRECT, ArithmeticFormat.CARRY);

  public Addition {
    if (!FORMATS.contains(format)) {
      throw new IllegalArgumentException(
          "addition has no format %s; choose direct or carry".formatted(format.text()));
    }
  }

  static String name(ArithmeticFormat format) {
    return "addition/" + format.text();
  }

  @Override
  public String generator() {
    return name(format);
  }

  @Override
  public int version() {
    return 1;
  }

  @Override
  public Problem problem(long seed, GroupPurpose purpose, int stratum, long index) {
    var sum = new Sum(Draws.of(seed, purpose, stratum, index), stratum);
    return new Problem(sum.prompt(), sum.answer(), format);
  }

  @Override
  public GoldText gold(long seed, int stratum, long index) {
    var sum = new Sum(new Draws(seed, Draws.Stream.GOLD, stratum, index), stratum);
    String completion =
        format.hasRationale()
            ? sum.carries() + Problem.ANSWER_FOLLOWS + sum.answer()
            : sum.answer();
    return new GoldText(stratum, sum.prompt(), completion);
  }

  @Override
  public int goldLength(int stratum) {
    return format.hasRationale() ? 2 * stratum + 2 : stratum + 1;
  }

  /// Two numbers, least significant digit first, with their sum and its carries.
  private static final class Sum {

    private final byte[] first;
    private final byte[] second;
    private final byte[] carries;
    private final byte[] sum;

    private Sum(Draws draws, int digits) {
      first = new byte[digits];
      second = new byte[digits];
      carries = new byte[digits];
      sum = new byte[digits + 1];
      draws.number(first);
      draws.number(second);
      int carry = 0;
      for (int i = 0; i < digits; i++) {
        int column = first[i] + second[i] + carry;
        carry = column >= 10 ? 1 : 0;
        sum[i] = (byte) (column - 10 * carry);
        carries[i] = (byte) carry;
      }
      sum[digits] = (byte) carry;
    }

    private String prompt() {
      return new DigitText(2 * first.length + 2)
          .digits(first)
          .character('+')
          .digits(second)
          .character('=')
          .toString();
    }

    private String carries() {
      return new DigitText(carries.length).digits(carries).toString();
    }

    private String answer() {
      return new DigitText(sum.length).digits(sum).toString();
    }
  }
}
