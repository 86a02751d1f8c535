package io.gradus.cli;

import io.gradus.cli.session.RunSession;
import org.jspecify.annotations.Nullable;

/// What signals mean to a run: the first one stops it in good order, also if it comes before there
/// is a session to stop; the second one ends the process.
///
/// Signals come on threads of the JVM, the session from the one that runs the command; the lock of
/// this object orders them.
final class Interruption {

  private final Runnable endAtOnce;
  private @Nullable RunSession session;
  private boolean isAsked;

  Interruption(Runnable endAtOnce) {
    this.endAtOnce = endAtOnce;
  }

  /// Takes signal `number`, from 1.
  void signal(int number) {
    if (number > 1) {
      endAtOnce.run();
      return;
    }
    synchronized (this) {
      isAsked = true;
      if (session != null) {
        session.interrupt();
      }
    }
  }

  /// Names the session that is to stop.
  synchronized void concerns(RunSession running) {
    session = running;
    if (isAsked) {
      running.interrupt();
    }
  }
}
