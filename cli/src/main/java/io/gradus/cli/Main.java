package io.gradus.cli;

/// Where the process begins. The one place that knows the process's streams and ends it.
public final class Main {

  private Main() {}

  /// Runs the command line `args` and ends the process with its status.
  public static void main(String[] args) {
    var console = Console.of(System.out, System.err, System.getenv());
    System.exit(GradusCommand.execute(console, Interrupts.ofProcess(), args));
  }
}
