package io.gradus.coordinator.ledger;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Each acknowledgement follows the sync of its commit, as the kernel sees it (G2).
///
/// A process that acknowledges commits runs under strace; in the order of its system calls,
/// whatever was written to the write-ahead log before an acknowledgement must have been synced
/// before it. Skipped where strace is not to be had.
@Timeout(180)
class SyncedAcknowledgementTest {

  private static final int COMMITS = 20;

  /// `4711 pwrite64(12</x/ledger.db-wal>, "…"..., 4120, 32) = 4120`, or its unfinished first half.
  private static final Pattern CALL = Pattern.compile("(\\d+) +(\\w+)\\((.*)");

  /// `4711 <... fdatasync resumed>) = 0`.
  private static final Pattern RESUMED = Pattern.compile("(\\d+) +<\\.\\.\\. (\\w+) resumed>.*");

  @TempDir private Path directory;

  @BeforeAll
  static void requireStrace() throws Exception {
    assumeTrue(
        isThere(), "strace is not to be had here: nobody looks at the order of system calls");
  }

  private static boolean isThere() throws InterruptedException {
    try {
      Process strace =
          new ProcessBuilder("strace", "-f", "-y", "-o", "/dev/null", "true")
              .redirectErrorStream(true)
              .redirectOutput(ProcessBuilder.Redirect.DISCARD)
              .start();
      return strace.waitFor(20, TimeUnit.SECONDS) && strace.exitValue() == 0;
    } catch (IOException absent) {
      return false;
    }
  }

  /// The system calls of a process that acknowledges commits.
  private List<String> trace(String synchronous) throws Exception {
    Path trace = directory.resolve("trace");
    Path log = directory.resolve("log");
    Process process =
        new ProcessBuilder(
                "strace",
                "-f",
                "-y",
                "-qq",
                "-e",
                "signal=none",
                "-e",
                "trace=write,pwrite64,fsync,fdatasync",
                "-o",
                trace.toString(),
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:TieredStopAtLevel=1",
                "--enable-native-access=ALL-UNNAMED",
                "-cp",
                System.getProperty("java.class.path"),
                AcknowledgingProcess.class.getName(),
                directory.resolve("ledger.db").toString(),
                Integer.toString(COMMITS),
                synchronous)
            .redirectErrorStream(true)
            .redirectOutput(log.toFile())
            .start();
    boolean hasEnded = process.waitFor(150, TimeUnit.SECONDS);
    if (!hasEnded) {
      process.descendants().forEach(ProcessHandle::destroyForcibly);
      process.destroyForcibly();
    }
    assertThat(hasEnded).as("ended in time: " + Files.readString(log)).isTrue();
    assertThat(process.exitValue()).as(Files.readString(log)).isZero();
    return Files.readAllLines(trace);
  }

  /// What the calls came to.
  private record Order(List<String> acknowledged, List<String> unsynced) {}

  /// Follows the calls in the order in which they returned.
  private static Order follow(List<String> trace) {
    var order = new Order(new ArrayList<>(), new ArrayList<>());
    Map<String, String> unfinished = new HashMap<>();
    boolean isSynced = true;
    for (String line : trace) {
      String call = line;
      Matcher resumed = RESUMED.matcher(line);
      if (resumed.matches()) {
        call = unfinished.getOrDefault(resumed.group(1), "");
      } else if (line.contains("<unfinished ...>")) {
        unfinished.put(line.substring(0, line.indexOf(' ')), line);
        if (!isWrite(line)) {
          // A sync counts when it has returned, a write as soon as it may have begun.
          continue;
        }
      }
      Matcher parts = CALL.matcher(call);
      if (!parts.matches()) {
        continue;
      }
      boolean isOfLog = parts.group(3).contains("ledger.db-wal>");
      if (isOfLog && isWrite(call)) {
        isSynced = false;
      } else if (isOfLog) {
        isSynced = true;
      } else if (parts.group(3).contains(AcknowledgingProcess.ACKNOWLEDGED) && !resumed.matches()) {
        order.acknowledged().add(call);
        if (!isSynced) {
          order.unsynced().add(call);
        }
      }
    }
    return order;
  }

  private static boolean isWrite(String call) {
    return call.contains("write(") || call.contains("pwrite64(");
  }

  @Test
  void acknowledgesNothingBeforeItsSync() throws Exception {
    Order order = follow(trace("FULL"));

    assertThat(order.acknowledged()).hasSize(COMMITS);
    assertThat(order.unsynced()).isEmpty();
  }

  @Test
  void findsACommitThatIsNotSynced() throws Exception {
    Order order = follow(trace("OFF"));

    assertThat(order.acknowledged()).hasSize(COMMITS);
    assertThat(order.unsynced()).as("synchronous = OFF").hasSize(COMMITS);
  }
}
