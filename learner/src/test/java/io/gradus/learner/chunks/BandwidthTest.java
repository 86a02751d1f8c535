package io.gradus.learner.chunks;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.OptionalLong;
import org.junit.jupiter.api.Test;

class BandwidthTest {

  private static final long SECOND = 1_000_000_000;

  @Test
  void letsEverythingThroughWithoutALimit() {
    var bandwidth = new Bandwidth(OptionalLong.empty(), 0);

    assertThat(bandwidth.take(1 << 30, 0)).isZero();
    assertThat(bandwidth.take(1 << 30, 0)).isZero();
    assertThat(bandwidth.turn(1 << 20)).isEqualTo(1 << 20);
  }

  @Test
  void makesThoseWhoAskAtOnceWaitForEachOther() {
    var bandwidth = new Bandwidth(OptionalLong.of(1_000_000), 7);

    assertThat(bandwidth.take(500_000, 7)).isZero();
    assertThat(bandwidth.take(500_000, 7)).isEqualTo(SECOND / 2);
    assertThat(bandwidth.take(500_000, 7)).isEqualTo(SECOND);
  }

  @Test
  void savesNothingUpWhileNobodyAsks() {
    var bandwidth = new Bandwidth(OptionalLong.of(1_000_000), 0);

    assertThat(bandwidth.take(1_000_000, 60 * SECOND)).isZero();
    assertThat(bandwidth.take(1_000_000, 60 * SECOND)).isEqualTo(SECOND);
  }

  @Test
  void neverGrantsMoreThanItsRateFromAnyMomentOn() {
    var bandwidth = new Bandwidth(OptionalLong.of(1_000), Long.MAX_VALUE - SECOND);
    long now = Long.MAX_VALUE - SECOND;
    long begun = now;
    long sent = 0;
    for (int i = 0; i < 1_000; i++) {
      now += bandwidth.take(100, now);
      sent += 100;
    }

    assertThat(sent - 100).isLessThanOrEqualTo((now - begun) / 1_000_000);
  }
}
