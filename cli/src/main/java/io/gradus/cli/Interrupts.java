package io.gradus.cli;

import java.util.function.Consumer;
import java.util.function.IntConsumer;

/// How a person interrupts a command that runs.
///
/// @param listen has every signal told by its number, from 1
/// @param endAtOnce ends the process without closing anything
record Interrupts(Consumer<IntConsumer> listen, Runnable endAtOnce) {

  /// Ctrl-C and SIGTERM of this process.
  static Interrupts ofProcess() {
    return new Interrupts(Signals::handle, () -> Runtime.getRuntime().halt(ExitStatus.INTERRUPTED));
  }
}
