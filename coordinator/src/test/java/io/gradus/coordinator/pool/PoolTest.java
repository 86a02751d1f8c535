package io.gradus.coordinator.pool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.gradus.coordinator.Node;
import io.gradus.coordinator.edge.Payloads;
import io.gradus.coordinator.spec.Specs;
import io.gradus.rollout.v1.Admission;
import io.gradus.rollout.v1.Lease;
import io.gradus.rollout.v1.WorkResponse;
import io.gradus.run.v1.PauseRunRequest;
import io.gradus.run.v1.RunSpec;
import io.gradus.run.v1.SubmitRunRequest;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Workers and runs of a pool on a real node.
@Timeout(120)
class PoolTest {

  private static final Duration SOON = Duration.ofSeconds(60);

  @TempDir private Path directory;

  private static void submit(Node node, String runId, String pool, double share) {
    RunSpec.Builder spec = Specs.star("tasks { addition {} } stop { batches: 3 }").toBuilder();
    spec.getResourcesBuilder().setPool(pool).setShare(share);
    var _ =
        node.runs().submitRun(SubmitRunRequest.newBuilder().setRunId(runId).setSpec(spec).build());
  }

  /// What the one worker is granted on a new stream, of eight slots, by run.
  private Map<String, Integer> granted(Node node, String... runs) throws InterruptedException {
    Node.Worker worker = node.worker("worker-1");
    try {
      var awaited = new HashSet<>(List.of(runs));
      while (!awaited.isEmpty()) {
        awaited.remove(worker.in().next(WorkResponse::hasRunAssigned).getRunAssigned().getRunId());
      }
      worker.heartbeat(8);
      var granted = new HashMap<String, Integer>();
      while (granted.values().stream().mapToInt(Integer::intValue).sum() < 8) {
        var leases = worker.in().next(WorkResponse::hasLeasesGranted).getLeasesGranted();
        granted.merge(leases.getRunId(), leases.getLeasesCount(), Integer::sum);
      }
      return granted;
    } finally {
      worker.out().onCompleted();
    }
  }

  @Test
  void grantsByShareAndEverythingToTheOtherWhileOneIsPaused() throws Exception {
    try (Node node = Node.start(directory)) {
      submit(node, "large", "default", 3);
      submit(node, "small", "default", 1);
      submit(node, "stranger", "another", 1);

      // Until the pool has heard of all, a worker is everybody's alike.
      await()
          .atMost(SOON)
          .untilAsserted(() ->
              assertThat(granted(node, "large", "small"))
                  .isEqualTo(Map.of("large", 6, "small", 2)));

      var _ = node.runs().pauseRun(PauseRunRequest.newBuilder().setRunId("large").build());
      await()
          .atMost(SOON)
          .untilAsserted(() -> assertThat(granted(node, "small")).isEqualTo(Map.of("small", 8)));
    }
  }

  /// The pool gives all slots to another run while a grant is on its way, and the worker has not
  /// named it yet: the group is sampled all the same.
  @Test
  void closesNoRunOnAWorkerToWhichAGrantIsOnItsWay() throws Exception {
    try (Node node = Node.start(directory)) {
      submit(node, "large", "default", 3);
      submit(node, "small", "default", 1);
      Node.Worker worker = node.worker("worker-1");
      var awaited = new HashSet<>(List.of("large", "small"));
      while (!awaited.isEmpty()) {
        awaited.remove(worker.in().next(WorkResponse::hasRunAssigned).getRunAssigned().getRunId());
      }
      worker.heartbeat(8);
      var onTheirWay = new ArrayList<Lease>();
      while (onTheirWay.isEmpty()) {
        onTheirWay.addAll(leasesOf("large", worker.in().next()));
      }
      worker.heartbeat(0);

      var _ = node.runs().pauseRun(PauseRunRequest.newBuilder().setRunId("large").build());

      boolean hasLostItsSlots = false;
      while (!hasLostItsSlots) {
        worker.heartbeat(8);
        WorkResponse said = worker.in().next();
        assertThat(said.hasRunClosed()).as("%s", said).isFalse();
        onTheirWay.addAll(leasesOf("large", said));
        hasLostItsSlots = leasesOf("small", said).size() == 8;
      }
      for (Lease lease : onTheirWay) {
        assertThat(
                node.submit(Payloads.parts(Payloads.of("large", lease), 1024))
                    .getFirst()
                    .getAdmission())
            .isEqualTo(Admission.ADMISSION_ACCEPTED);
      }
      assertThat(worker.in().next(WorkResponse::hasRunClosed).getRunClosed().getRunId())
          .isEqualTo("large");
    }
  }

  private static List<Lease> leasesOf(String run, WorkResponse message) {
    return message.getLeasesGranted().getRunId().equals(run)
        ? message.getLeasesGranted().getLeasesList()
        : List.of();
  }
}
