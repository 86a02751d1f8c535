package io.gradus.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Clock;
import java.util.Map;

/// Runs the command in the JVM of a test.
final class CommandLines {

  private CommandLines() {}

  /// What a command left.
  record Result(int status, String out, String err) {

    void isRefusedWith(int expectedStatus, String message) {
      assertThat(err).contains(message).doesNotContain("\tat ", "Exception");
      assertThat(status).isEqualTo(expectedStatus);
      assertThat(err.lines()).as("one message").hasSizeBetween(1, 3);
      assertThat(out).isEmpty();
    }
  }

  static Result gradus(String... arguments) {
    return gradus(new Interrupts(_ -> {}, () -> {}), arguments);
  }

  static Result gradus(Interrupts interrupts, String... arguments) {
    return gradus(Map.of(), interrupts, arguments);
  }

  static Result gradus(
      Map<String, String> environment, Interrupts interrupts, String... arguments) {
    var out = new ByteArrayOutputStream();
    var err = new ByteArrayOutputStream();
    var console =
        new Console(
            new PrintStream(out, true, StandardCharsets.UTF_8),
            new PrintStream(err, true, StandardCharsets.UTF_8),
            false,
            100,
            false,
            environment,
            Clock.systemUTC());
    int status = GradusCommand.execute(console, interrupts, arguments);
    return new Result(
        status, out.toString(StandardCharsets.UTF_8), err.toString(StandardCharsets.UTF_8));
  }
}
