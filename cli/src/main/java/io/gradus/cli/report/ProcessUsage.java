package io.gradus.cli.report;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.Optional;

/// What the whole process has used since the JVM began, start-up included.
///
/// @param rssBytes resident memory now; 0 where the system does not tell
/// @param peakRssBytes most resident memory so far; 0 where the system does not tell
public record ProcessUsage(Duration wall, Duration cpu, long rssBytes, long peakRssBytes) {

  private static final Path STATUS = Path.of("/proc/self/status");

  /// Reads the usage of this process.
  ///
  /// `ProcessHandle` rather than a management bean: loading those costs a tenth of a second.
  public static ProcessUsage at(Instant now) {
    var info = ProcessHandle.current().info();
    return new ProcessUsage(
        info.startInstant().map(start -> Duration.between(start, now)).orElse(Duration.ZERO),
        info.totalCpuDuration().orElse(Duration.ZERO),
        statusBytes("VmRSS:").orElse(0L),
        statusBytes("VmHWM:").orElse(0L));
  }

  private static Optional<Long> statusBytes(String name) {
    try {
      return Files.readAllLines(STATUS).stream()
          .filter(line -> line.startsWith(name))
          .map(line -> Long.parseLong(line.replaceAll("[^0-9]", "")) * 1024)
          .findFirst();
    } catch (IOException | NumberFormatException _) {
      return Optional.empty();
    }
  }
}
