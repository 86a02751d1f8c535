package io.gradus.coordinator.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import org.junit.jupiter.api.Test;

class LedgerSightTest {

  private static final Duration ABSENCE = Duration.ofSeconds(10);
  private static final Duration REPORTS = Duration.ofSeconds(1);

  private final LedgerSight sight = new LedgerSight(ABSENCE, REPORTS, at(0));

  private static long at(int second) {
    // Near the end of the range: monotonic time has no origin.
    return Long.MAX_VALUE - 5_000_000_000L + Duration.ofSeconds(second).toNanos();
  }

  @Test
  void leavesWhenItCannotWriteWhatAnotherWritesAllTheWhile() {
    for (int second = 1; second < 30; second++) {
      sight.heard("akka://gradus@10.0.0.2", at(second));
      if (second < 11) {
        assertThat(sight.mustLeave(at(second))).as("second %d", second).isEmpty();
      }
    }
    sight.failed("connection refused");

    assertThat(sight.mustLeave(at(29)))
        .hasValue(
            "the ledger has not been reached from here for 29 s (connection refused), while node"
                + " akka://gradus@10.0.0.2 reaches it");
  }

  @Test
  void staysWhileNobodyReachesTheLedger() {
    sight.heard("peer", at(1));
    assertThat(sight.mustLeave(at(3_600))).isEmpty();
    assertThat(sight.isFresh(at(3_600))).isFalse();
  }

  @Test
  void staysWhenOthersAreBackAMomentEarlierAfterAnOutageForAll() {
    sight.heard("peer", at(1));
    for (int second = 60; second < 69; second++) {
      sight.heard("peer", at(second));
      assertThat(sight.mustLeave(at(second))).isEmpty();
    }
    sight.succeeded(at(69));
    sight.heard("peer", at(75));
    assertThat(sight.mustLeave(at(75))).isEmpty();
  }

  @Test
  void staysWhileItWrites() {
    for (int second = 1; second < 60; second++) {
      sight.succeeded(at(second));
      sight.heard("peer", at(second));
      assertThat(sight.mustLeave(at(second))).isEmpty();
      assertThat(sight.isFresh(at(second))).isTrue();
    }
  }

  @Test
  void staysWhenThePeerThatWroteIsSilentNow() {
    for (int second = 1; second <= 9; second++) {
      sight.heard("peer", at(second));
    }
    assertThat(sight.mustLeave(at(20))).isEmpty();
  }
}
