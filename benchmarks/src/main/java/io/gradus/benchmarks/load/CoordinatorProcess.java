package io.gradus.benchmarks.load;

import com.typesafe.config.ConfigFactory;
import io.gradus.coordinator.Coordinator;
import io.gradus.coordinator.CoordinatorConfig;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.util.Map;

/// A coordinator as a process of its own, on loopback: JDBC URL, user, directory of checkpoints.
/// Prints its port; then, for each line of its input, the heap in use after a collection and the
/// commits so far. Ends when its input does.
final class CoordinatorProcess {

  private CoordinatorProcess() {}

  public static void main(String[] arguments) throws IOException {
    var config =
        CoordinatorConfig.from(
            ConfigFactory.parseMap(
                    Map.of(
                        "ledger.jdbc-url",
                        arguments[0],
                        "ledger.user",
                        arguments[1],
                        "checkpoint-store",
                        "file://" + arguments[2] + "/{run}",
                        "listen",
                        "on"))
                .atPath("gradus.coordinator"));
    try (Coordinator coordinator = Coordinator.start(config);
        var input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8))) {
      System.out.println(coordinator.port().orElseThrow());
      while (input.readLine() != null) {
        System.gc();
        long heap = ManagementFactory.getMemoryMXBean().getHeapMemoryUsage().getUsed();
        System.out.println(heap + " " + coordinator.commits());
      }
    }
  }
}
