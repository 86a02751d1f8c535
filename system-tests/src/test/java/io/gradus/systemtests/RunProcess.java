package io.gradus.systemtests;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/// The `gradus` command as a process of its own.
public final class RunProcess implements AutoCloseable {

  private static final Duration DIES_WITHIN = Duration.ofSeconds(10);

  private final Process process;
  private final Path output;

  private RunProcess(Process process, Path output) {
    this.process = process;
    this.output = output;
  }

  /// Starts `gradus` with these arguments; what it says goes to a file.
  public static RunProcess start(Path output, Map<String, String> environment, String... arguments)
      throws IOException {
    return startBehind(List.of(), output, environment, arguments);
  }

  /// Starts `gradus` with other classes in place of some of its own.
  ///
  /// @param classes directory of the classes that are found first
  public static RunProcess startWith(
      Optional<Path> classes, Path output, Map<String, String> environment, String... arguments)
      throws IOException {
    return start(List.of(), classes, output, environment, arguments);
  }

  /// Starts `gradus` behind a command that ends by executing the words that follow it.
  static RunProcess startBehind(
      List<String> prefix, Path output, Map<String, String> environment, String... arguments)
      throws IOException {
    return start(prefix, Optional.empty(), output, environment, arguments);
  }

  private static RunProcess start(
      List<String> prefix,
      Optional<Path> classes,
      Path output,
      Map<String, String> environment,
      String... arguments)
      throws IOException {
    List<String> command = new ArrayList<>(prefix);
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(
        List.of(
            "--enable-native-access=ALL-UNNAMED",
            "--sun-misc-unsafe-memory-access=allow",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-Xshare:auto",
            "-Dorg.bytedeco.javacpp.maxphysicalbytes=0",
            "-Dorg.bytedeco.javacpp.maxbytes=0",
            "-Dorg.bytedeco.javacpp.nopointergc=true",
            "-cp",
            classes.map(first -> first + File.pathSeparator).orElse("")
                + System.getProperty("java.class.path"),
            "io.gradus.cli.Main"));
    command.addAll(List.of(arguments));
    ProcessBuilder builder =
        new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(output.toFile());
    builder.environment().put("OMP_NUM_THREADS", "1");
    builder.environment().put("OPENBLAS_NUM_THREADS", "1");
    builder.environment().putAll(environment);
    return new RunProcess(builder.start(), output);
  }

  public long pid() {
    return process.pid();
  }

  public boolean isAlive() {
    return process.isAlive();
  }

  /// SIGKILL.
  public void kill() throws InterruptedException {
    process.destroyForcibly();
    assertThat(process.waitFor(DIES_WITHIN.toMillis(), TimeUnit.MILLISECONDS)).isTrue();
  }

  /// SIGTERM.
  public void terminate() {
    process.destroy();
  }

  /// Sends the process a signal by its name, such as STOP.
  public void signal(String name) throws IOException, InterruptedException {
    Process kill = new ProcessBuilder("kill", "-" + name, Long.toString(process.pid())).start();
    assertThat(kill.waitFor(DIES_WITHIN.toMillis(), TimeUnit.MILLISECONDS)).isTrue();
  }

  /// Waits until the process has ended by itself.
  public int awaitExit(Duration limit) throws InterruptedException, IOException {
    assertThat(process.waitFor(limit.toMillis(), TimeUnit.MILLISECONDS))
        .as("the process ends within %s; it said: %s", limit, output())
        .isTrue();
    return process.exitValue();
  }

  public String output() throws IOException {
    return Files.readString(output);
  }

  @Override
  public void close() {
    process.destroyForcibly();
  }
}
