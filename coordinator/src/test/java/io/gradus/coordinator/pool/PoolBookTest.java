package io.gradus.coordinator.pool;

import static org.assertj.core.api.Assertions.assertThat;

import io.gradus.core.group.WorkerId;
import io.gradus.core.pool.Claim;
import java.time.Duration;
import java.util.Map;
import org.junit.jupiter.api.Test;

class PoolBookTest {

  private static final WorkerId WORKER = new WorkerId("worker-1");

  private final PoolBook book = new PoolBook(Duration.ofSeconds(2), Duration.ofSeconds(5), at(0));

  private static long at(int second) {
    return Duration.ofSeconds(second).toNanos() - 3_000_000_000L;
  }

  private Map<String, Integer> slots(int second) {
    return book.allot(at(second)).orElseThrow().getOrDefault(WORKER, Map.of());
  }

  /// It has heard of one run by chance first: were it to allot now, the others would lose theirs.
  @Test
  void listensUntilEverybodyWasHeard() {
    book.offer(WORKER, 8, at(0));
    book.claim(new Claim("a", 1, 100), at(0));

    assertThat(book.allot(at(1))).isEmpty();
    book.claim(new Claim("b", 1, 100), at(1));
    assertThat(slots(2)).isEqualTo(Map.of("a", 4, "b", 4));
  }

  @Test
  void keepsTheSlotsOfARunThatWantsLessForAMoment() {
    book.offer(WORKER, 8, at(0));
    book.claim(new Claim("a", 1, 100), at(0));
    book.claim(new Claim("b", 1, 100), at(0));
    book.claim(new Claim("b", 1, 0), at(2));
    assertThat(slots(3)).isEqualTo(Map.of("a", 4, "b", 4));

    for (int second = 3; second < 9; second++) {
      book.offer(WORKER, 8, at(second));
      book.claim(new Claim("a", 1, 100), at(second));
      book.claim(new Claim("b", 1, 0), at(second));
    }
    assertThat(slots(9)).as("it has wanted nothing for long").isEqualTo(Map.of("a", 8));
  }

  @Test
  void givesTheSlotsOfAPausedRunToTheOtherAtOnce() {
    book.offer(WORKER, 8, at(0));
    book.claim(new Claim("a", 1, 100), at(0));
    book.claim(new Claim("b", 1, 100), at(0));
    book.withdraw("a");

    assertThat(slots(2)).isEqualTo(Map.of("b", 8));
  }

  @Test
  void forgetsWhoIsSilent() {
    book.offer(WORKER, 8, at(0));
    book.offer(new WorkerId("worker-2"), 8, at(0));
    book.claim(new Claim("a", 1, 100), at(0));
    book.claim(new Claim("b", 1, 100), at(0));
    book.offer(WORKER, 8, at(6));
    book.claim(new Claim("b", 1, 100), at(6));

    assertThat(book.allot(at(6)).orElseThrow()).isEqualTo(Map.of(WORKER, Map.of("b", 8)));
    book.leave(WORKER);
    assertThat(book.allot(at(6)).orElseThrow()).isEmpty();
  }
}
