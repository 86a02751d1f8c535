package io.gradus.cli;

import java.lang.reflect.Proxy;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.IntConsumer;

/// Ctrl-C and SIGTERM, counted.
///
/// A shutdown hook would not do: while hooks run, the JVM takes no second Ctrl-C, and a person who
/// has changed their mind could only kill. The JVM's own interface for signals is
/// `sun.misc.Signal`; it is called by reflection because the compiler's warning about it cannot be
/// switched off and warnings are errors here.
final class Signals {

  private static final String[] NAMES = {"INT", "TERM", "HUP"};

  private Signals() {}

  /// Calls `onSignal` with 1 for the first signal, 2 for the second, and so on, on a thread of the
  /// JVM. A signal that the parent process has set to be ignored stays ignored.
  static void handle(IntConsumer onSignal) {
    // Two signals may arrive on two threads at once; each still gets a number of its own.
    var count = new AtomicInteger();
    try {
      Class<?> signalType = Class.forName("sun.misc.Signal");
      Class<?> handlerType = Class.forName("sun.misc.SignalHandler");
      Object handler =
          Proxy.newProxyInstance(
              Signals.class.getClassLoader(),
              new Class<?>[] {handlerType},
              (_, method, _) -> {
                if (!method.getName().equals("handle")) {
                  throw new UnsupportedOperationException(method.getName());
                }
                onSignal.accept(count.incrementAndGet());
                return null;
              });
      for (String name : NAMES) {
        Object signal = signalType.getConstructor(String.class).newInstance(name);
        signalType.getMethod("handle", signalType, handlerType).invoke(null, signal, handler);
      }
    } catch (ReflectiveOperationException e) {
      throw new IllegalStateException(
          "this JVM has no sun.misc.Signal, though every JDK 25 has", e);
    }
  }
}
