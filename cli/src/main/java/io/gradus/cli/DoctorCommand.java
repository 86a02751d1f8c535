package io.gradus.cli;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.gradus.policy.nativememory.NativeMemory;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/// Looks whether this machine can run Gradus, and how well.
@Command(
    name = "doctor",
    description = "Looks whether this machine can run Gradus.",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    footer = {"", "Exit status: 0 when all is well or only warned about, 1 when something fails."})
final class DoctorCommand implements Callable<Integer> {

  private static final int SYNCS = 20;
  private static final long LEAST_MEMORY = 2L << 30;
  private static final long LEAST_DISK = 1L << 30;

  private enum Verdict {
    OK,
    WARN,
    FAIL
  }

  private record Finding(String name, Verdict verdict, String text) {}

  private final Console console;

  @Parameters(
      paramLabel = "DIR",
      arity = "0..1",
      description = "Where runs would be kept (default: the working directory).")
  private Path directory = Path.of("");

  @Option(names = "--json", description = "Write one JSON object a line.")
  private boolean isJson;

  DoctorCommand(Console console) {
    this.console = console;
  }

  @Override
  public Integer call() {
    List<Finding> findings = new ArrayList<>();
    findings.add(java());
    findings.add(processors());
    findings.add(memory());
    findings.add(disk());
    findings.add(sync());
    findings.add(libtorch());
    findings.forEach(this::print);
    return findings.stream().anyMatch(finding -> finding.verdict == Verdict.FAIL)
        ? ExitStatus.FAILED
        : ExitStatus.DONE;
  }

  private void print(Finding finding) {
    String verdict = finding.verdict.name().toLowerCase(Locale.ROOT);
    if (isJson) {
      ObjectNode json = JsonNodeFactory.instance.objectNode();
      json.put("check", finding.name).put("verdict", verdict).put("message", finding.text);
      console.out().println(json);
    } else {
      console.out().printf("%-5s %-11s %s%n", verdict, finding.name, finding.text);
    }
  }

  private static Finding java() {
    return new Finding(
        "java",
        Runtime.version().feature() == 25 ? Verdict.OK : Verdict.WARN,
        "%s %s".formatted(System.getProperty("java.vm.name"), Runtime.version()));
  }

  private static Finding processors() {
    int processors = Runtime.getRuntime().availableProcessors();
    return processors >= 2
        ? new Finding("processors", Verdict.OK, String.valueOf(processors))
        : new Finding(
            "processors",
            Verdict.WARN,
            "1; with two, rollouts and learning run side by side, about twice as fast");
  }

  private static Finding memory() {
    try {
      for (String line : Files.readAllLines(Path.of("/proc/meminfo"))) {
        if (line.startsWith("MemAvailable:")) {
          long bytes = Long.parseLong(line.replaceAll("[^0-9]", "")) << 10;
          return new Finding(
              "memory",
              bytes >= LEAST_MEMORY ? Verdict.OK : Verdict.WARN,
              "%.1f GiB available; the examples need about 1 GiB".formatted(gibibytes(bytes)));
        }
      }
    } catch (IOException | NumberFormatException _) {
      // Not Linux; nothing can be said, and nothing depends on it.
    }
    return new Finding("memory", Verdict.OK, "this system does not tell how much is available");
  }

  private Finding disk() {
    try {
      long bytes = Files.getFileStore(directory.toAbsolutePath()).getUsableSpace();
      return new Finding(
          "disk",
          bytes >= LEAST_DISK ? Verdict.OK : Verdict.WARN,
          "%.1f GiB free in %s".formatted(gibibytes(bytes), directory.toAbsolutePath()));
    } catch (IOException e) {
      return new Finding(
          "disk", Verdict.FAIL, "%s cannot be looked at: %s".formatted(directory, e.getMessage()));
    }
  }

  /// How long a write takes to be safe on disk, which bounds how fast a ledger commits.
  private Finding sync() {
    Path file =
        directory.toAbsolutePath().resolve(".gradus-doctor-" + ProcessHandle.current().pid());
    try (FileChannel channel =
        FileChannel.open(
            file,
            StandardOpenOption.CREATE_NEW,
            StandardOpenOption.WRITE,
            StandardOpenOption.DELETE_ON_CLOSE)) {
      var before = console.clock().instant();
      for (int i = 0; i < SYNCS; i++) {
        channel.write(ByteBuffer.allocate(4096));
        channel.force(false);
      }
      double millis = Duration.between(before, console.clock().instant()).toNanos() / 1e6 / SYNCS;
      return new Finding(
          "sync",
          millis < 20 ? Verdict.OK : Verdict.WARN,
          "a synced write takes %.2f ms; each group commit waits for one".formatted(millis));
    } catch (IOException e) {
      return new Finding(
          "sync", Verdict.FAIL, "%s cannot be written: %s".formatted(directory, e.getMessage()));
    }
  }

  private Finding libtorch() {
    var before = console.clock().instant();
    try {
      NativeMemory.load();
      double seconds = Duration.between(before, console.clock().instant()).toMillis() / 1e3;
      return new Finding("libtorch", Verdict.OK, "loaded in %.2f s".formatted(seconds));
    } catch (LinkageError | IllegalStateException e) {
      return new Finding(
          "libtorch",
          Verdict.FAIL,
          ("cannot be loaded: %s; on Linux x86-64 it needs glibc 2.28 or later and room in"
                  + " %s/.javacpp")
              .formatted(e.getMessage(), System.getProperty("user.home")));
    }
  }

  private static double gibibytes(long bytes) {
    return (double) bytes / (1L << 30);
  }
}
