package io.gradus.coordinator;

import java.util.ArrayDeque;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// What was started and has to be closed if what follows fails, newest first.
final class Closing {

  private static final Logger log = LoggerFactory.getLogger(Closing.class);

  private final ArrayDeque<Runnable> closers = new ArrayDeque<>();

  <T> T add(T part, Consumer<? super T> close) {
    closers.push(() -> close.accept(part));
    return part;
  }

  void closeAll() {
    while (!closers.isEmpty()) {
      try {
        closers.pop().run();
      } catch (RuntimeException failure) {
        log.atWarn().setCause(failure).log("a part did not close");
      }
    }
  }
}
