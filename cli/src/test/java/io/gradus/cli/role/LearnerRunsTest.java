package io.gradus.cli.role;

import static org.assertj.core.api.Assertions.assertThat;

import io.gradus.run.v1.LearnerProgress;
import io.gradus.run.v1.RunProgress;
import io.gradus.run.v1.RunState;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

class LearnerRunsTest {

  private static RunProgress run(String id, RunState state, boolean isJoined) {
    return RunProgress.newBuilder()
        .setRunId(id)
        .setState(state)
        .setLearner(LearnerProgress.newBuilder().setJoined(isJoined))
        .build();
  }

  private static final List<RunProgress> NEWEST_FIRST =
      List.of(
          run("newest", RunState.RUN_STATE_RUNNING, false),
          run("older", RunState.RUN_STATE_RUNNING, false),
          run("paused", RunState.RUN_STATE_PAUSED, false),
          run("taken", RunState.RUN_STATE_RUNNING, true));

  @Test
  void takesTheOldestThatGoesOnWithoutALearner() {
    assertThat(LearnerRuns.next(NEWEST_FIRST, Set.of())).contains("older");
  }

  @Test
  void passesOverWhatAnotherTurnedOutToHold() {
    assertThat(LearnerRuns.next(NEWEST_FIRST, Set.of("older"))).contains("newest");
    assertThat(LearnerRuns.next(NEWEST_FIRST, Set.of("older", "newest", "taken"))).isEmpty();
  }

  /// After all coordinators were restarted a run takes its learner for joined, which is this one.
  @Test
  void asksForARunThatSeemsToHaveALearnerWhereNoOtherIsLeft() {
    assertThat(LearnerRuns.next(NEWEST_FIRST, Set.of("older", "newest"))).contains("taken");
  }

  @Test
  void takesNothingWhereThereIsNothing() {
    assertThat(LearnerRuns.next(List.of(), Set.of())).isEmpty();
  }
}
