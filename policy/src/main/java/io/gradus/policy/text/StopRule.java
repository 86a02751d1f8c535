package io.gradus.policy.text;

import java.util.List;
import java.util.Optional;
import java.util.Set;

/// What ends an answer before its limit: ids, such as every EOS, and strings in its text.
///
/// A stop string cuts the text, never the ids: all that was sampled up to and with the token that
/// completed it is trained, an EOS too, which has a logprob like any other token.
///
/// @param ids a token with such an id is the last one
/// @param strings none empty; the text ends before the first that occurs in it
public record StopRule(Set<Integer> ids, List<String> strings) {

  /// Bounds of [#strings].
  private static final int MAX_STRINGS = 64;

  private static final int MAX_STRING_LENGTH = 1024;

  /// Where an answer ended.
  public sealed interface Stop {

    /// Index of the last sampled token of the answer.
    int tokenIndex();

    /// By the token itself, whose own text is no part of the answer's.
    record ById(int tokenIndex, int id) implements Stop {}

    /// By `string`, which became certain with this token; tokens that may belong to an unfinished
    /// character make no text, and so no stop string, before it is finished.
    record ByString(int tokenIndex, String string) implements Stop {}
  }

  public StopRule {
    ids = Set.copyOf(ids);
    strings = List.copyOf(strings);
    if (strings.size() > MAX_STRINGS) {
      throw new IllegalArgumentException(
          "there are %d stop strings but at most %d are looked for"
              .formatted(strings.size(), MAX_STRINGS));
    }
    for (String string : strings) {
      if (string.isEmpty() || string.length() > MAX_STRING_LENGTH) {
        throw new IllegalArgumentException(
            "a stop string has %d characters but must have 1 to %d"
                .formatted(string.length(), MAX_STRING_LENGTH));
      }
    }
  }

  /// Watches one answer, whose text `decoder` makes.
  public Watch watch(IncrementalDecoder decoder) {
    return new Watch(decoder);
  }

  /// One answer on its way; belongs to one thread.
  public final class Watch {
    private final IncrementalDecoder decoder;
    private final StringBuilder text = new StringBuilder();
    private int tokens;
    private boolean ended;

    private Watch(IncrementalDecoder decoder) {
      this.decoder = decoder;
    }

    /// Takes the next sampled id and says whether it is the last one.
    ///
    /// @throws IllegalStateException if the answer has ended
    public Optional<Stop> add(int id) {
      if (ended) {
        throw new IllegalStateException("the answer ended after %d tokens".formatted(tokens));
      }
      int index = tokens++;
      if (ids.contains(id)) {
        ended = true;
        append(decoder.finish());
        return Optional.of(new Stop.ById(index, id));
      }
      Optional<String> met = append(decoder.add(id));
      ended = met.isPresent();
      return met.map(string -> new Stop.ByString(index, string));
    }

    /// The answer ends for another reason, such as its limit; bytes that were held back become
    /// text, and may complete a stop string.
    public Optional<Stop> finish() {
      if (ended) {
        return Optional.empty();
      }
      ended = true;
      return append(decoder.finish()).map(string -> new Stop.ByString(tokens - 1, string));
    }

    /// The text so far, without a stop string that was met and what follows it.
    public String text() {
      return text.toString();
    }

    /// How much of [#text] no stop string can cut off any more.
    public int settledLength() {
      if (ended) {
        return text.length();
      }
      int settled = text.length();
      for (String string : strings) {
        for (int length = Math.min(string.length() - 1, text.length()); length > 0; length--) {
          int start = text.length() - length;
          if (text.indexOf(string.substring(0, length), start) == start) {
            settled = Math.min(settled, start);
            break;
          }
        }
      }
      return settled;
    }

    /// Appends `piece` and cuts the text before the first stop string, if there is one now.
    private Optional<String> append(String piece) {
      if (piece.isEmpty()) {
        return Optional.empty();
      }
      int before = text.length();
      text.append(piece);
      int first = Integer.MAX_VALUE;
      Optional<String> met = Optional.empty();
      for (String string : strings) {
        int at = text.indexOf(string, Math.max(0, before - string.length() + 1));
        if (at >= 0 && at < first) {
          first = at;
          met = Optional.of(string);
        }
      }
      if (met.isPresent()) {
        text.setLength(first);
      }
      return met;
    }
  }
}
