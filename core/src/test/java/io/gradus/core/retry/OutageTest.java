package io.gradus.core.retry;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class OutageTest {

  private final Outage outage = new Outage();

  private List<Long> toldSecondsWhenFailingEachSecond(long from, long to) {
    List<Long> told = new ArrayList<>();
    for (long second = from; second < to; second++) {
      if (outage.failed(Duration.ofSeconds(second).toNanos()).isPresent()) {
        told.add(second);
      }
    }
    return told;
  }

  @Test
  void tellsTheBeginningThenLessAndLess() {
    assertThat(toldSecondsWhenFailingEachSecond(0, 130))
        .containsExactly(0L, 2L, 6L, 14L, 30L, 60L, 90L, 120L);
  }

  @Test
  void tellsTheEndOnceWithHowLongItTook() {
    assertThat(outage.failed(0)).contains(Duration.ZERO);

    assertThat(outage.isAway()).isTrue();
    assertThat(outage.succeeded(Duration.ofSeconds(5).toNanos())).contains(Duration.ofSeconds(5));
    assertThat(outage.succeeded(Duration.ofSeconds(6).toNanos())).isEmpty();
    assertThat(outage.isAway()).isFalse();
  }

  @Test
  void doesNotTellEachOfManyShortOutages() {
    int lines = 0;
    for (long second = 0; second < 120; second += 2) {
      lines += outage.failed(Duration.ofSeconds(second).toNanos()).isPresent() ? 1 : 0;
      lines += outage.succeeded(Duration.ofSeconds(second + 1).toNanos()).isPresent() ? 1 : 0;
    }

    assertThat(lines).isLessThanOrEqualTo(16);
  }

  @Test
  void beginsAnewAfterACalmTime() {
    toldSecondsWhenFailingEachSecond(0, 100);
    outage.succeeded(Duration.ofSeconds(100).toNanos());

    assertThat(toldSecondsWhenFailingEachSecond(200, 210)).containsExactly(200L, 202L, 206L);
  }
}
