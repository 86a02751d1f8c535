package io.gradus.policy;

import java.util.Arrays;
import java.util.List;

/// One token per character, and the special tokens EOS (which is also padding) and BOS.
///
/// The first twelve characters have the ids 0 to 11, EOS 12, BOS 13, further characters 14 and on;
/// with fewer than twelve characters EOS and BOS follow the last one. So the arithmetic alphabet of
/// our recipes, `0123456789+=#!`, keeps its ids when a character such as `*` is appended.
public final class CharacterVocabulary {

  /// Text that stands for the special tokens; never produced by [#encode].
  static final String EOS_TEXT = "<eos>";

  static final String BOS_TEXT = "<bos>";

  private static final int CHARACTERS_BEFORE_SPECIALS = 12;

  /// Digits, `+`, `=`, `#` (between a rationale and its answer) and `!` (around a hint): 16 ids.
  public static final CharacterVocabulary ARITHMETIC = of("0123456789+=#!");

  private final List<String> tokens;
  private final int[] idOfCharacter;
  private final boolean[] digit;
  private final int bos;
  private final int eos;
  private final int pad;

  private CharacterVocabulary(List<String> tokens, int bos, int eos, int pad) {
    this.tokens = tokens;
    this.bos = bos;
    this.eos = eos;
    this.pad = pad;
    idOfCharacter = new int[128];
    Arrays.fill(idOfCharacter, -1);
    digit = new boolean[tokens.size()];
    for (int id = 0; id < tokens.size(); id++) {
      String token = tokens.get(id);
      if (token.length() == 1) {
        idOfCharacter[token.charAt(0)] = id;
        digit[id] = token.charAt(0) >= '0' && token.charAt(0) <= '9';
      }
    }
  }

  /// The vocabulary of these characters in this order.
  ///
  /// @param characters distinct printable ASCII characters
  public static CharacterVocabulary of(String characters) {
    if (characters.isEmpty() || characters.chars().distinct().count() != characters.length()) {
      throw new IllegalArgumentException(
          "the vocabulary is \"%s\" but must be one or more distinct characters"
              .formatted(characters));
    }
    if (characters.chars().anyMatch(c -> c <= ' ' || c > '~')) {
      throw new IllegalArgumentException(
          "the vocabulary is \"%s\" but may only hold printable ASCII characters other than space"
              .formatted(characters));
    }
    int before = Math.min(CHARACTERS_BEFORE_SPECIALS, characters.length());
    var tokens = new String[characters.length() + 2];
    for (int i = 0; i < characters.length(); i++) {
      tokens[i < before ? i : i + 2] = characters.substring(i, i + 1);
    }
    tokens[before] = EOS_TEXT;
    tokens[before + 1] = BOS_TEXT;
    return new CharacterVocabulary(List.of(tokens), before + 1, before, before);
  }

  /// A vocabulary of ids whose text is not known here: a checkpoint without a character tokenizer.
  ///
  /// Its tokens read `<0>`, `<1>` and so on, no text can be encoded, and no token is a digit.
  public static CharacterVocabulary ofIds(int size, int bos, int eos, int pad) {
    var tokens = new String[size];
    Arrays.setAll(tokens, id -> "<" + id + ">");
    return new CharacterVocabulary(List.of(tokens), bos, eos, pad);
  }

  /// The vocabulary of these token texts, as a tokenizer file lists them.
  public static CharacterVocabulary ofTokens(List<String> tokens, int bos, int eos, int pad) {
    return new CharacterVocabulary(List.copyOf(tokens), bos, eos, pad);
  }

  /// The ids of the characters of `text`, without BOS and EOS.
  ///
  /// @throws IllegalArgumentException if a character is not in the vocabulary
  public int[] encode(String text) {
    var ids = new int[text.length()];
    for (int i = 0; i < ids.length; i++) {
      char c = text.charAt(i);
      ids[i] = c < idOfCharacter.length ? idOfCharacter[c] : -1;
      if (ids[i] < 0) {
        throw new IllegalArgumentException(
            "character '%s' (U+%04X) at index %d of \"%s\" is not in the vocabulary \"%s\""
                .formatted(c, (int) c, i, text, characters()));
      }
    }
    return ids;
  }

  /// The text of `ids`; a special token reads `<eos>` or `<bos>`, so that none vanishes silently.
  public String decode(int[] ids) {
    var text = new StringBuilder(ids.length);
    for (int id : ids) {
      text.append(tokens.get(id));
    }
    return text.toString();
  }

  /// The characters in the order of their ids, without the special tokens.
  public String characters() {
    var text = new StringBuilder();
    for (String token : tokens) {
      if (token.length() == 1) {
        text.append(token);
      }
    }
    return text.toString();
  }

  /// The text of each id, in order.
  public List<String> tokens() {
    return tokens;
  }

  public int size() {
    return tokens.size();
  }

  public int bos() {
    return bos;
  }

  public int eos() {
    return eos;
  }

  public int pad() {
    return pad;
  }

  public boolean isDigit(int id) {
    return digit[id];
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof CharacterVocabulary that
        && tokens.equals(that.tokens)
        && bos == that.bos
        && eos == that.eos
        && pad == that.pad;
  }

  @Override
  public int hashCode() {
    return tokens.hashCode();
  }

  @Override
  public String toString() {
    return "CharacterVocabulary[size=" + size() + ", characters=" + characters() + "]";
  }
}
