package io.gradus.learner.chunks;

import static org.assertj.core.api.Assertions.assertThat;

import io.gradus.learner.chunks.ByteRange.Part;
import io.gradus.learner.chunks.ByteRange.Unsatisfiable;
import io.gradus.learner.chunks.ByteRange.Whole;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ByteRangeTest {

  @Test
  void readsTheThreeFormsOfARange() {
    assertThat(ByteRange.of("bytes=0-9", 100)).isEqualTo(new Part(0, 10));
    assertThat(ByteRange.of("bytes=90-", 100)).isEqualTo(new Part(90, 10));
    assertThat(ByteRange.of("bytes=-10", 100)).isEqualTo(new Part(90, 10));
    assertThat(ByteRange.of("bytes=99-99", 100)).isEqualTo(new Part(99, 1));
  }

  @Test
  void cutsARangeAtTheEndOfTheFile() {
    assertThat(ByteRange.of("bytes=90-1000", 100)).isEqualTo(new Part(90, 10));
    assertThat(ByteRange.of("bytes=-1000", 100)).isEqualTo(new Part(0, 100));
    assertThat(ByteRange.of("bytes=3000000000-", 3_000_000_005L))
        .isEqualTo(new Part(3_000_000_000L, 5));
  }

  @Test
  void findsNothingBeyondTheEnd() {
    assertThat(ByteRange.of("bytes=100-", 100)).isEqualTo(new Unsatisfiable());
    assertThat(ByteRange.of("bytes=-0", 100)).isEqualTo(new Unsatisfiable());
    assertThat(ByteRange.of("bytes=0-0", 0)).isEqualTo(new Unsatisfiable());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "bytes=0-1,5-6",
        "bytes=9-3",
        "bytes=-",
        "bytes=a-b",
        "lines=0-1",
        "",
        "bytes=99999999999999999999-"
      })
  void ignoresWhatItDoesNotUnderstand(String header) {
    assertThat(ByteRange.of(header, 100)).isEqualTo(new Whole());
  }
}
