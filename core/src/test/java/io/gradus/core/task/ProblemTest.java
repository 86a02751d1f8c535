package io.gradus.core.task;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.gradus.core.group.Verdict;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// 97 + 25 = 122 under the verifier.
class ProblemTest {

  private static final Problem DIRECT = new Problem("79+52=", "221", ArithmeticFormat.DIRECT);
  private static final Problem CARRY = new Problem("79+52=", "221", ArithmeticFormat.CARRY);

  @Test
  void acceptsTheAnswerAndItsEnd() {
    assertThat(DIRECT.verify("221", Ending.END_OF_SEQUENCE)).isEqualTo(Verdict.RIGHT);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "2",
        "22",
        "2210",
        "2212",
        "0221",
        "122",
        "220",
        "221 ",
        " 221",
        "2 21",
        "221=",
        "=221",
        "221#",
        "#221",
        "11#221",
        "!221!",
        "２２１",
        "221\uFFFD",
        "221\n",
        "+221",
        "221+0"
      })
  void refusesAnythingElseInTheDirectFormat(String completion) {
    assertThat(DIRECT.verify(completion, Ending.END_OF_SEQUENCE)).isEqualTo(Verdict.WRONG);
  }

  @ParameterizedTest
  @CsvSource({
    "11#221, RIGHT",
    "99#221, RIGHT",
    "#221, RIGHT",
    "79+52=!221!#221, RIGHT",
    "221, WRONG",
    "11#222, WRONG",
    "11#221#, WRONG",
    "11#221#221, WRONG",
    "11#999#221, WRONG",
    "11##221, WRONG",
    "11#2210, WRONG",
    "11#0221, WRONG",
    "11#22, WRONG",
    "11#, WRONG",
    "11221, WRONG",
    "221#, WRONG",
    "11#+221, WRONG",
  })
  void judgesOnlyWhatFollowsTheFirstSeparator(String completion, Verdict verdict) {
    assertThat(CARRY.verify(completion, Ending.END_OF_SEQUENCE)).isEqualTo(verdict);
  }

  @Test
  void refusesAnAnswerWithoutEndOfSequence() {
    assertThat(DIRECT.verify("221", Ending.TOKEN_LIMIT)).isEqualTo(Verdict.WRONG);
    assertThat(CARRY.verify("11#221", Ending.TOKEN_LIMIT)).isEqualTo(Verdict.WRONG);
  }

  @Test
  void refusesToBeWithoutAnAnswer() {
    assertThatThrownBy(() -> new Problem("1+1=", "", ArithmeticFormat.DIRECT))
        .isInstanceOf(IllegalArgumentException.class);
  }
}
