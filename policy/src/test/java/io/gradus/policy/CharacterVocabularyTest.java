package io.gradus.policy;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import org.junit.jupiter.api.Test;

class CharacterVocabularyTest {

  @Test
  void hasTheIdsOfTheMeasuredRecipe() {
    CharacterVocabulary vocabulary = CharacterVocabulary.ARITHMETIC;

    assertThat(vocabulary.size()).isEqualTo(16);
    assertThat(vocabulary.encode("0123456789+=#!"))
        .containsExactly(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 14, 15);
    assertThat(vocabulary.eos()).isEqualTo(12);
    assertThat(vocabulary.pad()).isEqualTo(12);
    assertThat(vocabulary.bos()).isEqualTo(13);
    assertThat(vocabulary.isDigit(9)).isTrue();
    assertThat(vocabulary.isDigit(10)).isFalse();
    assertThat(vocabulary.isDigit(12)).isFalse();
  }

  @Test
  void keepsIdsWhenACharacterIsAppended() {
    CharacterVocabulary vocabulary = CharacterVocabulary.of("0123456789+=#!*");

    assertThat(vocabulary.encode("=#*")).containsExactly(11, 14, 16);
    assertThat(vocabulary.eos()).isEqualTo(12);
    assertThat(vocabulary.size()).isEqualTo(17);
    assertThat(vocabulary.characters()).isEqualTo("0123456789+=#!*");
  }

  @Test
  void putsSpecialTokensBehindAShortAlphabet() {
    CharacterVocabulary vocabulary = CharacterVocabulary.of("ab");

    assertThat(vocabulary.encode("ba")).containsExactly(1, 0);
    assertThat(vocabulary.eos()).isEqualTo(2);
    assertThat(vocabulary.bos()).isEqualTo(3);
  }

  @Test
  void letsNoSpecialTokenVanishFromText() {
    assertThat(CharacterVocabulary.ARITHMETIC.decode(new int[] {1, 13, 2, 12}))
        .isEqualTo("1<bos>2<eos>");
  }

  @Test
  void readsBackWhatItEncoded() {
    String text = "12+34=64#1!";

    assertThat(CharacterVocabulary.ARITHMETIC.decode(CharacterVocabulary.ARITHMETIC.encode(text)))
        .isEqualTo(text);
  }

  @Test
  void refusesUnknownCharactersAndStrangeAlphabets() {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> CharacterVocabulary.ARITHMETIC.encode("1+x"))
        .withMessageContaining("'x' (U+0078) at index 2");
    assertThatIllegalArgumentException().isThrownBy(() -> CharacterVocabulary.of(""));
    assertThatIllegalArgumentException().isThrownBy(() -> CharacterVocabulary.of("aa"));
    assertThatIllegalArgumentException().isThrownBy(() -> CharacterVocabulary.of("a b"));
    assertThatIllegalArgumentException().isThrownBy(() -> CharacterVocabulary.of("ä"));
  }
}
