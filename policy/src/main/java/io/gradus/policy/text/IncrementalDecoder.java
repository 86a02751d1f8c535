package io.gradus.policy.text;

import io.gradus.policy.text.Tokenizer.Specials;
import java.util.Arrays;

/// Text of ids as they come: the pieces joined are what decoding all ids at once gives.
///
/// A piece never ends inside a character: bytes that later ids may complete are held back, and
/// [#finish] gives what is left. It belongs to one thread and to the tokenizer that made it.
public final class IncrementalDecoder {

  /*
   * Only the last ids are decoded again, as many as what comes may still change or lean on.
   *
   * Byte level: UTF-8 tells the beginning of a character from its inside, and each maximal part of
   * a broken one becomes one U+FFFD. So only a U+FFFD at the end may still turn into a character,
   * it stands for at most three bytes, and those lie within the last three ids, since a token has
   * one byte or more. A window that begins inside an earlier character decodes that to some U+FFFD
   * more, the same ones each time: they are counted as given out when the window is cut.
   *
   * Byte fallback: a run of byte tokens is text only if all of it is UTF-8, so it is not decoded
   * before another token has ended it. Each id is still decoded a bounded number of times.
   *
   * Other decoders drop a space at the beginning of a text; that they drop it from the window, too,
   * is again the same each time.
   */
  private static final int WINDOW_IDS = 4;

  private final Tokenizer tokenizer;
  private final Specials specials;
  private int[] window = new int[2 * WINDOW_IDS];
  private int count;
  private int given;

  IncrementalDecoder(Tokenizer tokenizer, Specials specials) {
    this.tokenizer = tokenizer;
    this.specials = specials;
  }

  /// The text that is certain since `id` has come; often empty.
  public String add(int id) {
    if (!tokenizer.isText(id, specials)) {
      return "";
    }
    if (count == window.length) {
      window = Arrays.copyOf(window, 2 * count);
    }
    window[count++] = id;
    if (tokenizer.vocabulary().isByte(id)) {
      return "";
    }
    String text = decodeWindow();
    String piece = text.substring(given, certainLength(text));
    given = certainLength(text);
    if (count > WINDOW_IDS) {
      System.arraycopy(window, count - WINDOW_IDS, window, 0, WINDOW_IDS);
      count = WINDOW_IDS;
      given = certainLength(decodeWindow());
    }
    return piece;
  }

  /// The rest: what no further id completes. Ids that come after begin a new text.
  public String finish() {
    if (count == 0) {
      return "";
    }
    String piece = decodeWindow().substring(given);
    count = 0;
    given = 0;
    return piece;
  }

  private String decodeWindow() {
    return tokenizer.decode(Arrays.copyOf(window, count), specials);
  }

  private int certainLength(String text) {
    boolean open =
        tokenizer.vocabulary().joining() == Vocabulary.Joining.BYTE_LEVEL
            && text.endsWith("\uFFFD");
    return text.length() - (open ? 1 : 0);
  }
}
