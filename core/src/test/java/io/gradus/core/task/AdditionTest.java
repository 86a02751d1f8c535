package io.gradus.core.task;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.gradus.core.group.GroupPurpose;
import io.gradus.core.group.Verdict;
import java.math.BigInteger;
import java.util.HashSet;
import java.util.Set;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

class AdditionTest {

  private static final Addition DIRECT = new Addition(ArithmeticFormat.DIRECT);
  private static final Addition CARRY = new Addition(ArithmeticFormat.CARRY);

  @ParameterizedTest(name = "seed {0}")
  @MethodSource("seeds")
  void answersAreSumsOfNumbersOfTheStratumsDigits(long seed) {
    for (int digits = 1; digits <= 40; digits++) {
      for (GroupPurpose purpose : GroupPurpose.values()) {
        Problem problem = DIRECT.problem(seed, purpose, digits, seed * 31 + digits);

        String[] numbers = problem.prompt().substring(0, 2 * digits + 1).split("\\+", -1);
        assertThat(problem.prompt()).matches("[0-9]+\\+[0-9]+=").hasSize(2 * digits + 2);
        assertThat(problem.answer()).hasSize(digits + 1);
        assertThat(number(problem.answer())).isEqualTo(number(numbers[0]).add(number(numbers[1])));
        for (String text : numbers) {
          assertThat(text).hasSize(digits);
          assertThat(digits == 1 || !text.endsWith("0")).as("no leading zero: %s", text).isTrue();
        }
      }
    }
  }

  @ParameterizedTest(name = "seed {0}")
  @MethodSource("seeds")
  void goldCompletionsAreRightAndAsLongAsSaid(long seed) {
    for (int digits = 1; digits <= 30; digits++) {
      for (Addition family : new Addition[] {DIRECT, CARRY}) {
        GoldText gold = family.gold(seed, digits, seed);
        Problem problem = problemOf(gold.prompt(), family.format());

        assertThat(problem.verify(gold.completion(), Ending.END_OF_SEQUENCE))
            .isEqualTo(Verdict.RIGHT);
        assertThat(gold.completion()).hasSize(family.goldLength(digits));
        assertThat(family.maxCompletionTokens(digits)).isEqualTo(gold.completion().length() + 4);
      }
    }
  }

  @ParameterizedTest(name = "seed {0}")
  @MethodSource("seeds")
  void goldCarriesAreThoseOfTheColumns(long seed) {
    GoldText gold = CARRY.gold(seed, 9, 5);
    String[] numbers = gold.prompt().replace("=", "").split("\\+", -1);

    for (int columns = 1; columns <= 9; columns++) {
      BigInteger low =
          number(numbers[0].substring(0, columns)).add(number(numbers[1].substring(0, columns)));
      int carry = low.divide(BigInteger.TEN.pow(columns)).intValueExact();
      assertThat(gold.completion().charAt(columns - 1) - '0').isEqualTo(carry);
    }
  }

  @Test
  void purposesDrawFromStreamsOfTheirOwn() {
    Set<String> seen = new HashSet<>();
    for (long index = 0; index < 5_000; index++) {
      assertThat(seen.add(DIRECT.problem(1, GroupPurpose.TRAINING, 12, index).prompt())).isTrue();
      assertThat(seen.add(DIRECT.problem(1, GroupPurpose.EVALUATION, 12, index).prompt())).isTrue();
      assertThat(seen.add(DIRECT.problem(1, GroupPurpose.CONFIRMATION, 12, index).prompt()))
          .isTrue();
      assertThat(seen.add(DIRECT.gold(1, 12, index).prompt())).isTrue();
    }
  }

  @Test
  void givesAFailedProblemAgainForRationalization() {
    assertThat(CARRY.problem(3, GroupPurpose.RATIONALIZATION, 5, 77))
        .isEqualTo(CARRY.problem(3, GroupPurpose.TRAINING, 5, 77));
  }

  @Test
  void digitsAreUniform() {
    int draws = 20_000;
    var counts = new int[3][10];
    for (long index = 0; index < draws; index++) {
      String prompt = DIRECT.problem(9, GroupPurpose.TRAINING, 3, index).prompt();
      for (int place = 0; place < 3; place++) {
        counts[place][prompt.charAt(place) - '0']++;
      }
    }

    for (int digit = 0; digit < 10; digit++) {
      // Five standard deviations of a binomial with 20,000 draws are 212 at p = 1/10.
      assertThat(counts[0][digit]).isBetween(2000 - 212, 2000 + 212);
      assertThat(counts[1][digit]).isBetween(2000 - 212, 2000 + 212);
      assertThat(counts[2][digit])
          .isBetween(digit == 0 ? 0 : 2222 - 225, digit == 0 ? 0 : 2222 + 225);
    }
  }

  @ParameterizedTest
  @EnumSource(ArithmeticFormat.class)
  void hintsExistOnlyWhereThereIsARationale(ArithmeticFormat format) {
    Problem problem = new Problem("79+52=", "221", format);

    if (format.hasRationale()) {
      assertThat(problem.hintedPrompt()).isEqualTo("79+52!221!=");
    } else {
      assertThatThrownBy(problem::hintedPrompt).isInstanceOf(IllegalStateException.class);
    }
  }

  @Test
  void refusesPartialProducts() {
    assertThatThrownBy(() -> new Addition(ArithmeticFormat.PARTIAL_PRODUCTS))
        .hasMessageContaining("choose direct or carry");
  }

  private static Problem problemOf(String prompt, ArithmeticFormat format) {
    String[] numbers = prompt.replace("=", "").split("\\+", -1);
    String sum = number(numbers[0]).add(number(numbers[1])).toString();
    String padded = "0".repeat(numbers[0].length() + 1 - sum.length()) + sum;
    return new Problem(prompt, new StringBuilder(padded).reverse().toString(), format);
  }

  private static BigInteger number(String leastSignificantFirst) {
    return new BigInteger(new StringBuilder(leastSignificantFirst).reverse().toString());
  }

  static LongStream seeds() {
    Long replay = Long.getLong("seed");
    return replay != null ? LongStream.of(replay) : LongStream.range(0, 50);
  }
}
