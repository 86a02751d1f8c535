package io.gradus.core.run;

import static org.assertj.core.api.Assertions.assertThat;

import io.gradus.core.group.SessionId;
import io.gradus.core.group.WorkerId;
import io.gradus.core.ledger.RunImage;
import io.gradus.core.policy.LearnerEpoch;
import io.gradus.core.policy.LearnerId;
import io.gradus.core.policy.Lineage;
import io.gradus.core.policy.Manifest;
import io.gradus.core.policy.PolicyVersion;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/// A worker whose slots the pool gave to other runs.
class LeaveRequestedTest {

  private static final RunPlan PLAN =
      new RunPlan(
          List.of(new RunPlan.Source("addition/direct", 1, 1, 2, 0)),
          Optional.empty(),
          new RunPlan.Curriculum(true, 0.1, 0.9, 0.9, 0.3, 4),
          new RunPlan.Rollout(1, 16, false, 4, Duration.ofSeconds(15), Duration.ofSeconds(60), 4),
          RunPlan.Unit.TRAJECTORY,
          RunPlan.Draw.UNIFORM,
          new RunPlan.BatchShape(4, 1, 1),
          Optional.empty(),
          new RunPlan.Replay(64, 16, 5),
          new RunPlan.Publication(1, 1),
          Optional.empty(),
          new RunPlan.Stop(Optional.of(10L), Optional.empty(), Optional.empty()),
          1);

  private static final SessionId SESSION = new SessionId(1);
  private static final MonotonicTime NOW = new MonotonicTime(0);

  private final Decider decider = RunDecider.open(PLAN, RunImage.empty(), NOW);

  @BeforeEach
  void beginWithAWorker() {
    tell(new Input.LearnerJoined(new RequestId(1), new LearnerId("learner-1"), List.of()));
    tell(
        new Input.PolicyPublished(
            new RequestId(2),
            new LearnerEpoch(1),
            new Manifest(
                new PolicyVersion(1),
                0,
                Optional.empty(),
                "file:///checkpoints/v1",
                List.of(new Manifest.CheckpointFile("model.safetensors", 1, "0".repeat(64))),
                Lineage.root(),
                true),
            new PolicyVersion(0)));
    tell(new Input.WorkerJoined(SESSION, new WorkerId("worker-1"), 8));
  }

  private Decision tell(Input input) {
    return decider.decide(input, NOW);
  }

  private List<Effect.Grant> granted(int credits) {
    return tell(new Input.Heartbeat(SESSION, credits, Map.of())).effects().stream()
        .filter(Effect.GrantLeases.class::isInstance)
        .map(Effect.GrantLeases.class::cast)
        .flatMap(grants -> grants.grants().stream())
        .toList();
  }

  @Test
  void endsTheSessionOfAWorkerThatHoldsNothing() {
    assertThat(tell(new Input.LeaveRequested(SESSION)).effects())
        .containsExactly(new Effect.EndSession(SESSION));
    assertThat(granted(2)).as("to a session that is over").isEmpty();
  }

  /// The worker names none: a heartbeat has crossed the grants.
  @Test
  void keepsTheSessionWhileGrantsAreOnTheirWay() {
    List<Effect.Grant> grants = granted(2);
    assertThat(grants).hasSize(2);

    Decision early = tell(new Input.LeaveRequested(SESSION));
    assertThat(early.effects()).isEmpty();
    assertThat(early.writes()).as("no group is taken back").isEmpty();

    grants.forEach(grant -> tell(new Input.GroupFailed(SESSION, grant.group(), grant.lease())));
    assertThat(tell(new Input.LeaveRequested(SESSION)).effects())
        .containsExactly(new Effect.EndSession(SESSION));
  }

  @Test
  void grantsNothingMoreToAWorkerThatIsToLeave() {
    granted(1);
    tell(new Input.Heartbeat(SESSION, 4, Map.of()));

    assertThat(tell(new Input.LeaveRequested(SESSION)).effects())
        .noneMatch(Effect.GrantLeases.class::isInstance);
    assertThat(tell(new Input.Tick()).effects()).isEmpty();
  }
}
