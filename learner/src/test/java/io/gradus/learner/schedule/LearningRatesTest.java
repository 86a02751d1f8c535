package io.gradus.learner.schedule;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.within;

import org.junit.jupiter.api.Test;

class LearningRatesTest {

  private static final double PEAK = 0.003;

  @Test
  void warmUpRisesLinearlyAndStays() {
    var rates = new LearningRates(500, 50, 0.002, PEAK, 60, 0.1);

    assertThat(rates.ofWarmUp(1)).isCloseTo(0.002 / 50, within(1e-12));
    assertThat(rates.ofWarmUp(25)).isCloseTo(0.001, within(1e-12));
    assertThat(rates.ofWarmUp(50)).isEqualTo(0.002);
    assertThat(rates.ofWarmUp(500)).isEqualTo(0.002);
    assertThat(new LearningRates(500, 0, 0.002, PEAK, 0, 0.1).ofWarmUp(1)).isEqualTo(0.002);
  }

  @Test
  void cyclesCountBatchesAfterWarmUp() {
    var rates = new LearningRates(500, 50, PEAK, PEAK, 60, 0.1);

    assertThat(rates.ofReplay(501, 0, 0)).isCloseTo(PEAK * (1 - 0.9 / 60), within(1e-12));
    assertThat(rates.ofReplay(530, 0, 0)).isCloseTo(PEAK * 0.55, within(1e-12));
    assertThat(rates.ofReplay(560, 0, 0)).isCloseTo(PEAK * 0.1, within(1e-12));
    assertThat(rates.ofReplay(561, 0, 0)).isEqualTo(rates.ofReplay(501, 0, 0));
  }

  @Test
  void aRoundIsACycleOfItsOwnLength() {
    var rates = new LearningRates(500, 50, PEAK, PEAK, 60, 0.1);

    assertThat(rates.ofReplay(777, 0, 40)).isCloseTo(PEAK * (1 - 0.9 / 40), within(1e-12));
    assertThat(rates.ofReplay(816, 39, 40)).isCloseTo(PEAK * 0.1, within(1e-12));
  }

  @Test
  void aConstantRateStaysInRoundsToo() {
    var rates = new LearningRates(0, 0, PEAK, PEAK, 0, 0.1);

    assertThat(rates.ofReplay(1, 0, 0)).isEqualTo(PEAK);
    assertThat(rates.ofReplay(99, 5, 10)).isEqualTo(PEAK);
  }

  @Test
  void refusesARateThatTrainsNothing() {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> new LearningRates(0, 0, PEAK, 0, 0, 0.1))
        .withMessageContaining("above 0");
  }
}
