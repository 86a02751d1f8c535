package io.gradus.core.task;

import io.gradus.core.group.GroupPurpose;

/// Products of a number of exactly n digits, n the stratum, and one of exactly m digits, m fixed by
/// the spec. Everything is written least significant digit first, the product with n + m digits,
/// zero padded.
///
/// | format | problem | prompt | completion |
/// |---|---|---|---|
/// | DIRECT | 12 × 34 = 408 | `21*43=` | `8040` |
/// | CARRY, m = 1 | 97 × 6 = 582 | `79*6=` | `45#285` |
/// | PARTIAL_PRODUCTS | 12 × 34 = 408 | `21*43=` | `840+0630#8040` |
/// | PARTIAL_PRODUCTS, m ≥ 3 | 12 × 345 = 4140 | `21*543=` | `060+0840=0450+00630#04140` |
///
/// CARRY writes the carry out of each of the n columns, 0 to 8, then `#` and the product: with
/// two-digit carries the columns of longer second factors would not fit.
///
/// PARTIAL_PRODUCTS writes one product of the first factor with each digit of the second, least
/// significant first. Each is n + 1 digits wide behind as many zeros as its digit's place, so that
/// the i-th digit of every number is of the same significance: position ids that count digits line
/// the columns up. From the third one on, the sum so far stands between
/// (`p0+p1=s1+p2=s2+p3#product`, s1 and s2 of the width of the last summand), so that every step
/// adds two numbers.
///
/// Numbers have no leading zero; 0 is a number of one digit.
///
/// @param secondDigits m, from 1 to 4
public record Multiplication(int secondDigits, ArithmeticFormat format) implements TaskFamily {

  static final int MAX_SECOND_DIGITS = 4;

  public Multiplication {
    if (secondDigits < 1 || secondDigits > MAX_SECOND_DIGITS) {
      throw new IllegalArgumentException(
          "second_digits is %d but must be in 1..%d".formatted(secondDigits, MAX_SECOND_DIGITS));
    }
    if (format == ArithmeticFormat.CARRY && secondDigits != 1) {
      throw new IllegalArgumentException(
          "format carry needs second_digits 1 but it is %d; use partial_products"
              .formatted(secondDigits));
    }
  }

  static String name(int secondDigits, ArithmeticFormat format) {
    return "multiplication/" + secondDigits + "/" + format.text();
  }

  @Override
  public String generator() {
    return name(secondDigits, format);
  }

  @Override
  public int version() {
    return 1;
  }

  @Override
  public Problem problem(long seed, GroupPurpose purpose, int stratum, long index) {
    var product = new Product(Draws.of(seed, purpose, stratum, index), stratum);
    return new Problem(product.prompt(), product.answer(), format);
  }

  @Override
  public GoldText gold(long seed, int stratum, long index) {
    var product = new Product(new Draws(seed, Draws.Stream.GOLD, stratum, index), stratum);
    String completion =
        switch (format) {
          case DIRECT -> product.answer();
          case CARRY -> product.carries() + Problem.ANSWER_FOLLOWS + product.answer();
          case PARTIAL_PRODUCTS ->
              product.partialProducts() + Problem.ANSWER_FOLLOWS + product.answer();
        };
    return new GoldText(stratum, product.prompt(), completion);
  }

  @Override
  public int goldLength(int stratum) {
    int answer = stratum + secondDigits;
    return switch (format) {
      case DIRECT -> answer;
      case CARRY -> stratum + 1 + answer;
      case PARTIAL_PRODUCTS -> {
        int length = answer;
        for (int place = 0; place < secondDigits; place++) {
          int width = stratum + 1 + place;
          boolean sumFollows = place >= 1 && place < secondDigits - 1;
          length += width + 1 + (sumFollows ? width + 1 : 0);
        }
        yield length;
      }
    };
  }

  /// Two factors, least significant digit first, with their product.
  private final class Product {

    private final byte[] first;
    private final byte[] second = new byte[secondDigits];

    private Product(Draws draws, int digits) {
      first = new byte[digits];
      draws.number(first);
      draws.number(second);
    }

    private String prompt() {
      return new DigitText(first.length + second.length + 2)
          .digits(first)
          .character('*')
          .digits(second)
          .character('=')
          .toString();
    }

    private String answer() {
      return new DigitText(first.length + second.length).digits(sumUpTo(secondDigits)).toString();
    }

    private String carries() {
      var carries = new byte[first.length];
      int carry = 0;
      for (int i = 0; i < first.length; i++) {
        carry = (first[i] * second[0] + carry) / 10;
        carries[i] = (byte) carry;
      }
      return new DigitText(carries.length).digits(carries).toString();
    }

    private String partialProducts() {
      var text = new DigitText(goldLength(first.length));
      for (int place = 0; place < secondDigits; place++) {
        if (place >= 1) {
          if (place >= 2) {
            text.character('=').digits(sumUpTo(place));
          }
          text.character('+');
        }
        text.zeros(place).digits(partialProduct(place));
      }
      return text.toString();
    }

    /// First factor times the digit of the second at `place`; n + 1 digits, not shifted.
    private byte[] partialProduct(int place) {
      var digits = new byte[first.length + 1];
      int carry = 0;
      for (int i = 0; i < first.length; i++) {
        int column = first[i] * second[place] + carry;
        digits[i] = (byte) (column % 10);
        carry = column / 10;
      }
      digits[first.length] = (byte) carry;
      return digits;
    }

    /// First factor times the lowest `places` digits of the second: n + places digits, which is as
    /// wide as the partial product of the last of these places.
    private byte[] sumUpTo(int places) {
      var digits = new byte[first.length + places];
      for (int place = 0; place < places; place++) {
        int carry = 0;
        for (int i = 0; i < first.length; i++) {
          int column = digits[place + i] + first[i] * second[place] + carry;
          digits[place + i] = (byte) (column % 10);
          carry = column / 10;
        }
        digits[place + first.length] = (byte) carry;
      }
      return digits;
    }
  }
}
