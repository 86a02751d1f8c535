package io.gradus.coordinator.audit;

import io.gradus.core.group.GroupState;
import io.gradus.core.group.StateReason;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/*
 * For every state: the transitions into it, less those out of it, are the groups in it (G1). A final
 * state is left by nobody, so it is held apart by its reason; of an open one the transitions do not say
 * with which reason it was left.
 */

/// Holds the counts of transitions against the groups that are there.
final class TransitionAudit {

  /// `FROM>TO(REASON)`.
  private static final Pattern TRANSITION =
      Pattern.compile("([A-Z]+)>([A-Z]+)(?:\\(([A-Z_]+)\\))?");

  private static final String NOTHING = "NONE";
  private static final String ROW = "run";

  private final AuditedRun run;

  TransitionAudit(AuditedRun run) {
    this.run = run;
  }

  /// The label of a state in [AuditReport#groups].
  static String label(GroupState state, StateReason reason) {
    return reason == StateReason.NONE ? state.name() : "%s(%s)".formatted(state, reason);
  }

  /// Compares.
  ///
  /// @param states groups by state
  /// @param labels groups by state and reason
  /// @return the distance between the two
  long residual(Map<GroupState, Long> states, Map<String, Long> labels) {
    var expected = new TreeMap<String, Long>();
    run.row()
        .transitions()
        .forEach((transition, times) -> {
          if (isLegal(transition, times)) {
            count(expected, transition, times);
          }
        });
    var found = new TreeMap<String, Long>();
    states.forEach((state, groups) -> {
      if (!state.isFinal()) {
        found.put(state.name(), groups);
      }
    });
    labels.forEach((label, groups) -> {
      if (stateOf(label).isFinal()) {
        found.put(label, groups);
      }
    });
    return distance(found, expected);
  }

  private static GroupState stateOf(String label) {
    return GroupState.valueOf(label.replaceFirst("\\(.*", ""));
  }

  private boolean isLegal(String transition, long times) {
    Matcher parts = TRANSITION.matcher(transition);
    if (times >= 0 && parts.matches()) {
      try {
        GroupState to = GroupState.valueOf(parts.group(2));
        StateReason reason =
            parts.group(3) == null ? StateReason.NONE : StateReason.valueOf(parts.group(3));
        boolean isMove =
            parts.group(1).equals(NOTHING)
                ? to == GroupState.LEASED
                : GroupState.valueOf(parts.group(1)).successors().contains(to);
        if (isMove && GroupAudit.reasonsOf(to).contains(reason)) {
          return true;
        }
      } catch (IllegalArgumentException unknown) {
        // Said below.
      }
    }
    run.findings()
        .add(
            Rule.TRANSITIONS_BALANCE,
            ROW,
            "transition %s, counted %d times, is not in the table of transitions",
            transition,
            times);
    return false;
  }

  private static void count(Map<String, Long> expected, String transition, long times) {
    String from = transition.substring(0, transition.indexOf('>'));
    String to = transition.substring(transition.indexOf('>') + 1);
    expected.merge(stateOf(to).isFinal() ? to : stateOf(to).name(), times, Long::sum);
    if (!from.equals(NOTHING)) {
      expected.merge(from, -times, Long::sum);
    }
  }

  private long distance(Map<String, Long> found, Map<String, Long> expected) {
    long residual = 0;
    var labels = new TreeSet<>(found.keySet());
    labels.addAll(expected.keySet());
    for (String label : labels) {
      long rows = found.getOrDefault(label, 0L);
      long counted = expected.getOrDefault(label, 0L);
      if (rows != counted) {
        residual += Math.abs(rows - counted);
        run.findings()
            .add(
                Rule.TRANSITIONS_BALANCE,
                "groups " + label,
                "%d are there, but by the transitions of the run row there must be %d",
                rows,
                counted);
      }
    }
    return residual;
  }
}
