package io.gradus.coordinator.ledger;

import static java.util.stream.Collectors.joining;

import io.gradus.core.evaluation.StratumResult;
import io.gradus.core.group.GroupPurpose;
import io.gradus.core.group.Outcome;
import io.gradus.core.group.Verdict;
import io.gradus.core.policy.Manifest.CheckpointFile;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/// Lists and maps inside one column, as short text that a person can read.
///
/// Numbers are written in Java's shortest exact form, so that what is read back is bit for bit what
/// was decided.
final class Columns {

  private Columns() {}

  /// `member:verdict:reward:tokens`, with `:T` where the token limit cut it, separated by blanks.
  static String outcomes(List<Outcome> outcomes) {
    var text = new StringBuilder(outcomes.size() * 12);
    for (Outcome outcome : outcomes) {
      if (!text.isEmpty()) {
        text.append(' ');
      }
      text.append(outcome.member())
          .append(':')
          .append(letter(outcome.verdict()))
          .append(':')
          .append(outcome.reward())
          .append(':')
          .append(outcome.tokens());
      if (outcome.truncated()) {
        text.append(":T");
      }
    }
    return text.toString();
  }

  static List<Outcome> outcomes(String text) {
    var outcomes = new ArrayList<Outcome>();
    for (String word : words(text)) {
      String[] parts = word.split(":", -1);
      outcomes.add(
          new Outcome(
              Integer.parseInt(parts[0]),
              verdict(parts[1]),
              Float.parseFloat(parts[2]),
              Integer.parseInt(parts[3]),
              parts.length > 4));
    }
    return outcomes;
  }

  private static char letter(Verdict verdict) {
    return switch (verdict) {
      case RIGHT -> 'R';
      case WRONG -> 'W';
      case UNDECIDED -> 'U';
    };
  }

  private static Verdict verdict(String letter) {
    return switch (letter) {
      case "R" -> Verdict.RIGHT;
      case "W" -> Verdict.WRONG;
      case "U" -> Verdict.UNDECIDED;
      default -> throw new IllegalArgumentException("no verdict is written as " + letter);
    };
  }

  /// `name=count`, separated by blanks.
  static String counts(Map<String, Long> counts) {
    return counts.entrySet().stream()
        .map(entry -> entry.getKey() + "=" + entry.getValue())
        .collect(joining(" "));
  }

  static Map<String, Long> counts(String text) {
    var counts = new TreeMap<String, Long>();
    for (String word : words(text)) {
      int split = word.lastIndexOf('=');
      counts.put(word.substring(0, split), Long.parseLong(word.substring(split + 1)));
    }
    return counts;
  }

  /// `PURPOSE=index`, separated by blanks.
  static String nextIndex(Map<GroupPurpose, Long> nextIndex) {
    return nextIndex.entrySet().stream()
        .map(entry -> entry.getKey().name() + "=" + entry.getValue())
        .collect(joining(" "));
  }

  static Map<GroupPurpose, Long> nextIndex(String text) {
    var nextIndex = new EnumMap<GroupPurpose, Long>(GroupPurpose.class);
    counts(text).forEach((name, index) -> nextIndex.put(GroupPurpose.valueOf(name), index));
    return nextIndex;
  }

  /// Numbers, separated by blanks.
  static String numbers(List<Long> numbers) {
    return numbers.stream().map(String::valueOf).collect(joining(" "));
  }

  static List<Long> numbers(String text) {
    var numbers = new ArrayList<Long>();
    for (String word : words(text)) {
      numbers.add(Long.parseLong(word));
    }
    return numbers;
  }

  /// `source:stratum:right:answered`, separated by blanks.
  static String results(List<StratumResult> results) {
    return results.stream()
        .map(r -> "%d:%d:%d:%d".formatted(r.source(), r.stratum(), r.right(), r.answered()))
        .collect(joining(" "));
  }

  static List<StratumResult> results(String text) {
    var results = new ArrayList<StratumResult>();
    for (String word : words(text)) {
      String[] parts = word.split(":", -1);
      results.add(
          new StratumResult(
              Integer.parseInt(parts[0]),
              Integer.parseInt(parts[1]),
              Integer.parseInt(parts[2]),
              Integer.parseInt(parts[3])));
    }
    return results;
  }

  /// One line a file: bytes, SHA-256, name. A name has no line breaks: the edge refuses them.
  static String files(List<CheckpointFile> files) {
    return files.stream()
        .map(file -> file.bytes() + " " + file.sha256() + " " + file.name())
        .collect(joining("\n"));
  }

  static List<CheckpointFile> files(String text) {
    var files = new ArrayList<CheckpointFile>();
    for (String line : text.isEmpty() ? new String[0] : text.split("\n", -1)) {
      String[] parts = line.split(" ", 3);
      files.add(new CheckpointFile(parts[2], Long.parseLong(parts[0]), parts[1]));
    }
    return files;
  }

  static byte[] bytesOf(String hex) {
    return HexFormat.of().parseHex(hex);
  }

  static String hexOf(byte[] bytes) {
    return HexFormat.of().formatHex(bytes);
  }

  private static String[] words(String text) {
    return text.isEmpty() ? new String[0] : text.split(" ", -1);
  }
}
