package io.gradus.worker.run;

import io.gradus.core.task.Addition;
import io.gradus.core.task.ArithmeticFormat;
import java.time.Duration;
import java.util.List;
import java.util.OptionalInt;

/// Runs of the addition task.
public final class Assignments {

  private Assignments() {}

  public static RunAssignment free(String runId) {
    return of(runId, false);
  }

  public static RunAssignment lockstep(String runId) {
    return of(runId, true);
  }

  private static RunAssignment of(String runId, boolean lockstep) {
    return new RunAssignment(
        runId,
        7,
        List.of(new Addition(ArithmeticFormat.DIRECT)),
        1,
        0,
        1,
        OptionalInt.empty(),
        new Rewarding(1, 0, 0, Rewarding.TruncatedAnswers.VERIFY),
        lockstep,
        Duration.ofSeconds(15),
        true);
  }
}
