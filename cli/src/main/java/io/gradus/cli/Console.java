package io.gradus.cli;

import java.io.PrintStream;
import java.time.Clock;
import java.util.Map;

/// What surrounds the command: its streams, its terminal, its environment, its clock.
///
/// @param isTerminal whether a person looks at `out`
/// @param columns width of the terminal
public record Console(
    PrintStream out,
    PrintStream err,
    boolean isTerminal,
    int columns,
    boolean isColored,
    Map<String, String> environment,
    Clock clock) {

  private static final int USUAL_COLUMNS = 100;

  public Console {
    environment = Map.copyOf(environment);
  }

  /// A console on the streams of the process.
  ///
  /// The launcher says in `GRADUS_COLUMNS` how wide the terminal is, and leaves it out where `out`
  /// is none: a shell can ask both, and Java neither.
  static Console of(PrintStream out, PrintStream err, Map<String, String> environment) {
    boolean isTerminal = environment.containsKey("GRADUS_COLUMNS");
    // https://no-color.org: present and not empty means no.
    boolean isColored =
        isTerminal
            && environment.getOrDefault("NO_COLOR", "").isEmpty()
            && !environment.getOrDefault("TERM", "").equals("dumb");
    return new Console(
        out, err, isTerminal, columns(environment), isColored, environment, Clock.systemUTC());
  }

  private static int columns(Map<String, String> environment) {
    try {
      int columns = Integer.parseInt(environment.getOrDefault("GRADUS_COLUMNS", ""));
      return Math.clamp(columns, 20, 1000);
    } catch (NumberFormatException _) {
      return USUAL_COLUMNS;
    }
  }
}
