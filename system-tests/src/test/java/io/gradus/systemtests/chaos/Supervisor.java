package io.gradus.systemtests.chaos;

import io.gradus.systemtests.RunProcess;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;

/// Starts each role again that ends, as Kubernetes or systemd would.
final class Supervisor implements AutoCloseable {

  private static final Duration LOOKS_EVERY = Duration.ofMillis(250);

  private final Path logs;
  private final Optional<Path> classes;
  private final Map<String, Command> commands = new LinkedHashMap<>();
  private final Map<String, RunProcess> processes = new LinkedHashMap<>();
  private final Map<String, List<Path>> outputs = new LinkedHashMap<>();
  private final Set<String> held = new HashSet<>();
  private final ScheduledExecutorService looking =
      Executors.newSingleThreadScheduledExecutor(Thread.ofPlatform().daemon().factory());

  private record Command(Map<String, String> environment, List<String> arguments) {}

  /// @param logs where what the roles say is kept, a file a process
  /// @param classes of their programs, in place of some that are right
  Supervisor(Path logs, Optional<Path> classes) {
    this.logs = logs;
    this.classes = classes;
    var _ =
        looking.scheduleWithFixedDelay(
            this::look, LOOKS_EVERY.toMillis(), LOOKS_EVERY.toMillis(), TimeUnit.MILLISECONDS);
  }

  /// Starts a role for the first time.
  synchronized void start(String name, Map<String, String> environment, List<String> arguments)
      throws IOException {
    commands.put(name, new Command(environment, arguments));
    launch(name);
  }

  private void launch(String name) throws IOException {
    Command command = commands.get(name);
    if (command == null) {
      throw new AssertionError("no role " + name);
    }
    List<Path> said = outputs.computeIfAbsent(name, _ -> new ArrayList<>());
    Path output = logs.resolve("%s-%d.log".formatted(name, said.size() + 1));
    said.add(output);
    processes.put(
        name,
        RunProcess.startWith(
            classes, output, command.environment(), command.arguments().toArray(String[]::new)));
  }

  private synchronized void look() {
    for (String name : commands.keySet()) {
      if (!held.contains(name) && !process(name).isAlive()) {
        try {
          launch(name);
        } catch (IOException failure) {
          throw new AssertionError(name + " cannot be started", failure);
        }
      }
    }
  }

  /// The newest process of a role.
  synchronized RunProcess process(String name) {
    RunProcess process = processes.get(name);
    if (process == null) {
      throw new AssertionError("no role " + name);
    }
    return process;
  }

  /// A role that ends is not started again until it is released.
  synchronized void hold(String name) {
    held.add(name);
  }

  synchronized void release(String name) {
    held.remove(name);
  }

  /// Where the newest process of a role says what it does.
  synchronized Path output(String name) {
    List<Path> said = outputs.get(name);
    if (said == null) {
      throw new AssertionError("no role " + name);
    }
    return said.getLast();
  }

  @Override
  public void close() {
    looking.shutdownNow();
    synchronized (this) {
      processes.values().forEach(RunProcess::close);
      commands.clear();
    }
  }
}
