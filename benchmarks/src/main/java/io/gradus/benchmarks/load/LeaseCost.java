package io.gradus.benchmarks.load;

import com.google.protobuf.Duration;
import io.gradus.coordinator.spec.RunPlanMapper;
import io.gradus.coordinator.spec.SpecDefaults;
import io.gradus.core.group.LeaseId;
import io.gradus.core.group.Outcome;
import io.gradus.core.group.PayloadDigest;
import io.gradus.core.group.SessionId;
import io.gradus.core.group.Verdict;
import io.gradus.core.group.WorkerId;
import io.gradus.core.policy.LearnerEpoch;
import io.gradus.core.policy.LearnerId;
import io.gradus.core.policy.Lineage;
import io.gradus.core.policy.Manifest;
import io.gradus.core.policy.PolicyVersion;
import io.gradus.core.run.Effect;
import io.gradus.core.run.Input;
import io.gradus.core.run.RequestId;
import io.gradus.core.run.RunPlan;
import io.gradus.run.v1.RunSpec;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.TreeMap;

/// What one lease costs the decider of a run, with many workers that hold leases: a submit that is
/// accepted, and the heartbeat that asks for the next group and gets it. For `lease-cost.sh`:
/// numbers of workers. The decider is the real one; the ledger is a [FakedLedger].
///
/// Measured with room, where every worker that asks is granted, and without, where the concurrency
/// of the run is used up and every other worker asks in vain. Prints a line of JSON a measurement.
final class LeaseCost {

  private static final int HELD = 4;
  private static final PayloadDigest DIGEST = new PayloadDigest("0".repeat(64));

  private final FakedLedger ledger;
  private final List<Map<LeaseId, Effect.Grant>> held = new ArrayList<>();
  private final SplittableRandom random = new SplittableRandom(3);
  private long requests;
  private long progress;

  private LeaseCost(FakedLedger ledger) {
    this.ledger = ledger;
  }

  public static void main(String[] arguments) {
    // The first rounds teach the compiler.
    for (int round = 0; round < 3; round++) {
      boolean isMeasured = round > 0;
      for (String workers : arguments) {
        for (boolean hasRoom : new boolean[] {true, false}) {
          String line = measure(Integer.parseInt(workers), hasRoom);
          if (isMeasured) {
            System.out.println(line);
          }
        }
      }
    }
  }

  private static String measure(int workers, boolean hasRoom) {
    // Without room half of the leases that workers ask for are there.
    var cost = new LeaseCost(new FakedLedger(plan(hasRoom ? 1_000_000 : workers * HELD / 2)));
    cost.publishFirstVersion();
    long begun = System.nanoTime();
    for (int worker = 0; worker < workers; worker++) {
      cost.join(worker);
    }
    double joinMicros = (System.nanoTime() - begun) / 1e3 / workers;
    for (int worker = 0; worker < workers; worker++) {
      cost.beat(worker);
    }
    int cycles = Math.max(20_000, workers * 2);
    for (int cycle = 0; cycle < cycles / 2; cycle++) {
      cost.cycle();
    }
    begun = System.nanoTime();
    for (int cycle = 0; cycle < cycles; cycle++) {
      cost.cycle();
    }
    double leaseMicros = (System.nanoTime() - begun) / 1e3 / cycles;
    begun = System.nanoTime();
    int ticks = 50;
    for (int tick = 0; tick < ticks; tick++) {
      cost.tell(new Input.Tick());
    }
    double tickMicros = (System.nanoTime() - begun) / 1e3 / ticks;
    return String.format(
        Locale.ROOT,
        "{\"workers\": %d, \"room\": %b, \"lease_us\": %.2f, \"join_us\": %.2f, \"tick_us\": %.1f}",
        workers,
        hasRoom,
        leaseMicros,
        joinMicros,
        tickMicros);
  }

  private static RunPlan plan(int concurrency) {
    RunSpec.Builder spec = LoadedRun.spec().toBuilder();
    spec.getRolloutBuilder()
        .setConcurrency(concurrency)
        .setLeaseTtl(Duration.newBuilder().setSeconds(3600));
    return RunPlanMapper.planOf(SpecDefaults.fill(spec.build(), 2));
  }

  private RequestId request() {
    requests++;
    return new RequestId(requests);
  }

  private void publishFirstVersion() {
    tell(new Input.LearnerJoined(request(), new LearnerId("simulated-learner"), List.of()));
    tell(
        new Input.PolicyPublished(
            request(),
            new LearnerEpoch(1),
            new Manifest(
                new PolicyVersion(1),
                0,
                Optional.empty(),
                "file:///nowhere/v1",
                List.of(new Manifest.CheckpointFile("model.safetensors", 7, "0".repeat(64))),
                Lineage.root(),
                false),
            new PolicyVersion(0)));
  }

  private void join(int worker) {
    held.add(new LinkedHashMap<>());
    tell(new Input.WorkerJoined(session(worker), new WorkerId("simulated-" + worker), HELD));
    tell(new Input.VersionLoaded(session(worker), new PolicyVersion(1)));
  }

  private static SessionId session(int worker) {
    return new SessionId(worker + 1);
  }

  /// A worker that holds something submits a group and asks for another one.
  private void cycle() {
    int worker;
    do {
      worker = random.nextInt(held.size());
    } while (held.get(worker).isEmpty());
    Effect.Grant grant = held.get(worker).values().iterator().next();
    held.get(worker).remove(grant.lease());
    tell(
        new Input.GroupSubmitted(
            request(),
            grant.group(),
            grant.lease(),
            DIGEST,
            new PolicyVersion(1),
            List.of(new Outcome(0, Verdict.RIGHT, 1, 200, false))));
    beat(worker);
  }

  private void beat(int worker) {
    progress++;
    var named = new TreeMap<LeaseId, Long>();
    held.get(worker).keySet().forEach(lease -> named.put(lease, progress));
    tell(new Input.Heartbeat(session(worker), HELD - named.size(), named));
  }

  private void tell(Input input) {
    ledger.pass(java.time.Duration.ofNanos(1000));
    for (Effect effect : ledger.tell(input)) {
      switch (effect) {
        case Effect.GrantLeases(var session, var grants) ->
            grants.forEach(grant -> held.get((int) session.value() - 1).put(grant.lease(), grant));
        case Effect.Refuse refusal ->
            throw new IllegalStateException("the decider refused: " + refusal);
        default -> {}
      }
    }
  }
}
