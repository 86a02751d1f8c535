package io.gradus.cli.spec;

import java.util.Collection;
import java.util.Comparator;
import java.util.Locale;
import java.util.Optional;

/// Finds the known name that a mistyped one probably meant.
final class Nearest {

  private static final int LONGEST_NAME = 100;

  private Nearest() {}

  /// The candidate with the smallest edit distance, unless even that is too far to be a typing
  /// mistake.
  static Optional<String> of(String name, Collection<String> candidates) {
    if (name.length() > LONGEST_NAME) {
      return Optional.empty();
    }
    String plain = plain(name);
    int farthest = Math.max(1, plain.length() / 3);
    record Scored(String candidate, int distance) {}
    return candidates.stream()
        .filter(candidate -> candidate.length() <= LONGEST_NAME)
        .map(candidate -> new Scored(candidate, distance(plain, plain(candidate))))
        .filter(scored -> scored.distance <= farthest)
        .min(Comparator.comparingInt(Scored::distance).thenComparing(Scored::candidate))
        .map(Scored::candidate);
  }

  /// `maxTokens`, `max-tokens` and `max_tokens` are the same name to a human being.
  private static String plain(String name) {
    return name.toLowerCase(Locale.ROOT).replaceAll("[-_ ]", "");
  }

  /// Edits between two names, where exchanging two neighbouring letters is one edit (optimal string
  /// alignment distance).
  static int distance(String first, String second) {
    int[] beforeLast = new int[second.length() + 1];
    int[] last = new int[second.length() + 1];
    int[] row = new int[second.length() + 1];
    for (int j = 0; j <= second.length(); j++) {
      last[j] = j;
    }
    for (int i = 1; i <= first.length(); i++) {
      row[0] = i;
      for (int j = 1; j <= second.length(); j++) {
        int change = first.charAt(i - 1) == second.charAt(j - 1) ? 0 : 1;
        row[j] = Math.min(Math.min(row[j - 1], last[j]) + 1, last[j - 1] + change);
        if (i > 1
            && j > 1
            && first.charAt(i - 1) == second.charAt(j - 2)
            && first.charAt(i - 2) == second.charAt(j - 1)) {
          row[j] = Math.min(row[j], beforeLast[j - 2] + 1);
        }
      }
      int[] free = beforeLast;
      beforeLast = last;
      last = row;
      row = free;
    }
    return last[second.length()];
  }
}
