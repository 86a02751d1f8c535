package io.gradus.coordinator.audit;

import com.google.errorprone.annotations.FormatMethod;
import com.google.errorprone.annotations.FormatString;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

/// Gathers findings; of each rule the first ones, and how many there are beyond.
final class Findings {

  private static final int LISTED_OF_A_RULE = 100;

  private final List<Finding> listed = new ArrayList<>();
  private final Map<Rule, Integer> counts = new EnumMap<>(Rule.class);

  @FormatMethod
  void add(Rule rule, String row, @FormatString String message, Object... arguments) {
    if (counts.merge(rule, 1, Integer::sum) <= LISTED_OF_A_RULE) {
      listed.add(new Finding(rule.inWords(), row, message.formatted(arguments)));
    }
  }

  /// Adds a finding unless two numbers are equal.
  void expect(Rule rule, String row, String what, long found, long expected) {
    if (found != expected) {
      add(rule, row, "%s is %d but must be %d", what, found, expected);
    }
  }

  List<Finding> list() {
    var all = new ArrayList<>(listed);
    counts.forEach((rule, count) -> {
      if (count > LISTED_OF_A_RULE) {
        all.add(
            new Finding(
                rule.inWords(),
                "others",
                "%d further findings of this rule are not listed"
                    .formatted(count - LISTED_OF_A_RULE)));
      }
    });
    return all;
  }
}
