package io.gradus.core.task;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.gradus.core.batch.GoldRange;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class GoldBatchTest {

  @Test
  void isTheSameHoweverARangeIsCut() {
    var pieces = new ArrayList<GoldText>();
    for (long first = 0; first < 120; first += 40) {
      pieces.addAll(GoldBatch.sequences(range(1, first, 40, 1, 3)));
    }

    assertThat(GoldBatch.sequences(range(1, 0, 120, 1, 3))).isEqualTo(pieces);
  }

  @Test
  void drawsStrataUniformlyFromFirstToLast() {
    var counts = new int[8];
    for (GoldText text : GoldBatch.sequences(range(5, 0, 10_000, 3, 6))) {
      counts[text.stratum()]++;
    }

    assertThat(counts[1] + counts[2] + counts[7]).isZero();
    for (int stratum = 3; stratum <= 6; stratum++) {
      // Five standard deviations of a binomial with 10,000 draws at p = 1/4 are 217.
      assertThat(counts[stratum]).isBetween(2500 - 217, 2500 + 217);
    }
  }

  @Test
  void staysInsideItsStrata() {
    for (GoldText text : GoldBatch.sequences(range(2, 1_000_000, 5_000, 1, 3))) {
      assertThat(text.prompt().length()).isLessThanOrEqualTo(2 * 3 + 2);
      assertThat(text.completion().length()).isLessThanOrEqualTo(3 + 1);
    }
  }

  @Test
  void showsHintsInEveryOtherSequence() {
    List<GoldText> plain = GoldBatch.sequences(carries("addition/carry"));
    List<GoldText> shown = GoldBatch.sequences(carries("addition/carry/with-hints"));

    for (int i = 0; i < plain.size(); i++) {
      String prompt = plain.get(i).prompt();
      String completion = plain.get(i).completion();
      String answer = completion.substring(completion.indexOf('#') + 1);
      assertThat(shown.get(i).completion()).isEqualTo(completion);
      assertThat(shown.get(i).prompt())
          .isEqualTo(i % 2 == 0 ? prompt : prompt.replace("=", "!" + answer + "!="));
    }
    assertThatThrownBy(() -> TaskFamily.named("addition/direct/with-hints", 1))
        .hasMessageContaining("has no rationale");
  }

  private static GoldRange carries(String generator) {
    return new GoldRange(generator, 1, 0, 3, 40, 60, 1, 3);
  }

  @Test
  void refusesAGeneratorItDoesNotHave() {
    assertThatThrownBy(() -> TaskFamily.named("subtraction/direct", 1))
        .hasMessageContaining("unknown generator");
    assertThatThrownBy(() -> TaskFamily.named("addition/partial-products", 1))
        .hasMessageContaining("unknown generator");
    assertThatThrownBy(() -> TaskFamily.named("addition/direct", 2))
        .hasMessageContaining("version 2 is asked for");
  }

  @Test
  void readsEveryNameBack() {
    for (TaskFamily family :
        List.of(
            new Addition(ArithmeticFormat.DIRECT),
            new Addition(ArithmeticFormat.CARRY),
            new Multiplication(1, ArithmeticFormat.CARRY),
            new Multiplication(2, ArithmeticFormat.DIRECT),
            new Multiplication(4, ArithmeticFormat.PARTIAL_PRODUCTS),
            new WithHints(new Addition(ArithmeticFormat.CARRY)))) {
      assertThat(TaskFamily.named(family.generator(), family.version())).isEqualTo(family);
    }
  }

  private static GoldRange range(long seed, long first, int count, int low, int high) {
    return new GoldRange("addition/direct", 1, 0, seed, first, count, low, high);
  }
}
