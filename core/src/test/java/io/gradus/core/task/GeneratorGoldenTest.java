package io.gradus.core.task;

import static org.assertj.core.api.Assertions.assertThat;

import io.gradus.core.batch.GoldRange;
import io.gradus.core.group.GroupPurpose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Pins version 1 of every generator to numbers computed by an independent program (Python, big
/// integers, from the formula in [Draws]). A failure here means that runs of the past can no longer
/// be audited: make a new version instead.
class GeneratorGoldenTest {

  @ParameterizedTest
  @CsvSource({
    "TRAINING, 1, 1, 0, 2+7=, 90",
    "TRAINING, 1, 2, 1, 75+05=, 701",
    "TRAINING, 1, 5, 0, 06509+02707=, 082161",
    "TRAINING, 7, 12, 123456789012, 196421569131+941633458649=, 0480649188701",
    "EVALUATION, 1, 1, 0, 8+2=, 01",
    "EVALUATION, 1, 2, 1, 99+15=, 051",
    "EVALUATION, 1, 5, 0, 15206+12002=, 272080",
    "EVALUATION, 7, 12, 123456789012, 965138235414+613788910752=, 5888172551760",
    "CONFIRMATION, 1, 1, 0, 5+8=, 31",
    "CONFIRMATION, 1, 2, 1, 07+23=, 201",
    "CONFIRMATION, 1, 5, 0, 18819+51423=, 692421",
    "CONFIRMATION, 7, 12, 123456789012, 584751858575+449206018692=, 9240678662780",
  })
  void additionVersion1(
      GroupPurpose purpose, long seed, int stratum, long index, String prompt, String answer) {
    TaskFamily family = TaskFamily.named("addition/direct", 1);

    assertThat(family.problem(seed, purpose, stratum, index))
        .isEqualTo(new Problem(prompt, answer, ArithmeticFormat.DIRECT));
  }

  @ParameterizedTest
  @CsvSource({
    "addition/direct, 1, 1, 0, 4+8=, 21",
    "addition/carry, 1, 1, 0, 4+8=, 1#21",
    "addition/direct, 1, 3, 4, 769+661=, 3311",
    "addition/carry, 1, 3, 4, 769+661=, 111#3311",
    "addition/direct, 42, 6, 999, 683141+945222=, 5393630",
    "addition/carry, 42, 6, 999, 683141+945222=, 110000#5393630",
    "multiplication/1/direct, 1, 1, 0, 4*8=, 23",
    "multiplication/1/carry, 1, 1, 0, 4*8=, 3#23",
    "multiplication/2/partial-products, 1, 1, 0, 4*89=, 23+063#293",
    "multiplication/4/partial-products, 1, 1, 0, 4*8939=, 23+063=293+0021=2951+00063#29573",
    "multiplication/1/direct, 42, 4, 999, 3035*7=, 12173",
    "multiplication/1/carry, 42, 4, 999, 3035*7=, 2023#12173",
    "multiplication/2/partial-products, 42, 4, 999, 3035*71=, 12173+030350#151090",
    "multiplication/4/partial-products, 42, 4, 999, 3035*7052=, 12173+000000=121730+0051562=1268862+00060601#12649231",
  })
  void goldVersion1(
      String generator, long seed, int stratum, long index, String prompt, String completion) {
    TaskFamily family = TaskFamily.named(generator, 1);

    assertThat(family.gold(seed, stratum, index))
        .isEqualTo(new GoldText(stratum, prompt, completion));
  }

  @Test
  void goldBatchVersion1() {
    var range = new GoldRange("addition/direct", 1, 0, 3, 10, 6, 1, 3);

    assertThat(GoldBatch.sequences(range))
        .containsExactly(
            new GoldText(2, "34+63=", "970"),
            new GoldText(3, "196+715=", "8021"),
            new GoldText(3, "794+471=", "1760"),
            new GoldText(2, "05+96=", "911"),
            new GoldText(3, "784+203=", "9870"),
            new GoldText(2, "23+22=", "450"));
  }
}
