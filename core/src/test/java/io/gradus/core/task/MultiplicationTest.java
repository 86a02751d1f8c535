package io.gradus.core.task;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.gradus.core.group.GroupPurpose;
import io.gradus.core.group.Verdict;
import java.math.BigInteger;
import java.util.List;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class MultiplicationTest {

  private static final List<Multiplication> FAMILIES =
      List.of(
          new Multiplication(1, ArithmeticFormat.DIRECT),
          new Multiplication(3, ArithmeticFormat.DIRECT),
          new Multiplication(1, ArithmeticFormat.CARRY),
          new Multiplication(1, ArithmeticFormat.PARTIAL_PRODUCTS),
          new Multiplication(2, ArithmeticFormat.PARTIAL_PRODUCTS),
          new Multiplication(3, ArithmeticFormat.PARTIAL_PRODUCTS),
          new Multiplication(4, ArithmeticFormat.PARTIAL_PRODUCTS));

  @ParameterizedTest(name = "seed {0}")
  @MethodSource("seeds")
  void answersAreProductsOfNumbersOfTheStratumsDigits(long seed) {
    for (Multiplication family : FAMILIES) {
      for (int digits = 1; digits <= 25; digits++) {
        for (GroupPurpose purpose : GroupPurpose.values()) {
          Problem problem = family.problem(seed, purpose, digits, seed + digits);

          String[] factors = problem.prompt().replace("=", "").split("\\*", -1);
          assertThat(factors[0]).hasSize(digits);
          assertThat(factors[1]).hasSize(family.secondDigits());
          assertThat(problem.answer()).hasSize(digits + family.secondDigits());
          assertThat(number(problem.answer()))
              .isEqualTo(number(factors[0]).multiply(number(factors[1])));
          assertThat(digits == 1 || !factors[0].endsWith("0")).isTrue();
          assertThat(family.secondDigits() == 1 || !factors[1].endsWith("0")).isTrue();
        }
      }
    }
  }

  @ParameterizedTest(name = "seed {0}")
  @MethodSource("seeds")
  void goldCompletionsAreRightAndAsLongAsSaid(long seed) {
    for (Multiplication family : FAMILIES) {
      for (int digits = 1; digits <= 25; digits++) {
        GoldText gold = family.gold(seed, digits, seed);
        String[] factors = gold.prompt().replace("=", "").split("\\*", -1);
        BigInteger product = number(factors[0]).multiply(number(factors[1]));
        var problem =
            new Problem(
                gold.prompt(), text(product, digits + family.secondDigits()), family.format());

        assertThat(problem.verify(gold.completion(), Ending.END_OF_SEQUENCE))
            .as("%s of %s", gold, family)
            .isEqualTo(Verdict.RIGHT);
        assertThat(gold.completion()).hasSize(family.goldLength(digits));
      }
    }
  }

  @ParameterizedTest(name = "seed {0}")
  @MethodSource("seeds")
  void partialProductsAddUpColumnByColumn(long seed) {
    GoldText gold = new Multiplication(4, ArithmeticFormat.PARTIAL_PRODUCTS).gold(seed, 6, 2);
    String[] factors = gold.prompt().replace("=", "").split("\\*", -1);

    // p0 + p1 = s1 + p2 = s2 + p3 # product
    String[] steps = gold.completion().split("[=#]", -1);
    assertThat(steps).hasSize(4);
    BigInteger before = BigInteger.ZERO;
    for (int place = 1; place <= 3; place++) {
      String[] summands = steps[place - 1].split("\\+", -1);
      String known = place == 1 ? "0" : steps[place - 1].split("\\+", -1)[0];
      BigInteger digit = number(factors[1].substring(place, place + 1));
      BigInteger shifted = number(factors[0]).multiply(digit).multiply(BigInteger.TEN.pow(place));

      assertThat(number(summands[1])).isEqualTo(shifted);
      assertThat(summands[1]).startsWith("0".repeat(place)).hasSize(6 + 1 + place);
      assertThat(number(known)).isEqualTo(before);
      before = number(summands[0]).add(shifted);
      assertThat(number(steps[place].split("\\+", -1)[0])).isEqualTo(before);
    }
  }

  @Test
  void carriesNeedASecondFactorOfOneDigit() {
    assertThatThrownBy(() -> new Multiplication(2, ArithmeticFormat.CARRY))
        .hasMessageContaining("use partial_products");
  }

  private static BigInteger number(String leastSignificantFirst) {
    return new BigInteger(new StringBuilder(leastSignificantFirst).reverse().toString());
  }

  private static String text(BigInteger number, int width) {
    String digits = number.toString();
    return new StringBuilder("0".repeat(width - digits.length()) + digits).reverse().toString();
  }

  static LongStream seeds() {
    Long replay = Long.getLong("seed");
    return replay != null ? LongStream.of(replay) : LongStream.range(0, 30);
  }
}
