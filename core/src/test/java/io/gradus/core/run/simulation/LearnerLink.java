package io.gradus.core.run.simulation;

import io.gradus.core.batch.BatchNumber;
import io.gradus.core.batch.Use;
import io.gradus.core.ledger.BatchRow;
import io.gradus.core.policy.LearnerEpoch;
import java.time.Duration;
import java.util.List;

/// One batch stream of a learner session, with the edge in the middle of it: asks for batches by
/// number until they come, and asks again now and then.
final class LearnerLink {

  private static final Duration CHECK = Duration.ofSeconds(1);

  private final SimulatedRun world;
  private final SimulatedLearner.Session session;
  private final LearnerEpoch epoch;
  private final Line up;
  private final Line down;
  private BatchNumber next;
  private int outstanding;

  LearnerLink(
      SimulatedRun world, SimulatedLearner.Session session, LearnerEpoch epoch, BatchNumber from) {
    this.world = world;
    this.session = session;
    this.epoch = epoch;
    this.next = from;
    this.up = new Line(world.time(), world.network());
    this.down = new Line(world.time(), world.network());
    world.time().after(CHECK, this::check);
  }

  private void check() {
    if (!up.isBroken()) {
      want();
      world.time().after(CHECK, this::check);
    }
  }

  // From the learner.

  void credit(int credits) {
    up.send(() -> {
      outstanding += credits;
      want();
    });
  }

  private void want() {
    BatchNumber from = next;
    int credits = outstanding;
    world
        .coordinator()
        .deliver(
            new Coordinator.Command(
                incarnation -> {
                  if (!up.isBroken()) {
                    incarnation.wantBatches(this, epoch, from, credits);
                  }
                },
                () -> {},
                this::ended));
  }

  /// The stream breaks.
  ///
  /// @param isNoticed whether the run learns of it
  void breakOff(boolean isNoticed) {
    if (up.isBroken()) {
      return;
    }
    up.breakOff();
    down.breakOff();
    world.time().after(world.network().delay(), () -> session.isCutOff(this));
    if (isNoticed) {
      world
          .time()
          .after(
              world.network().delay(),
              () ->
                  world
                      .coordinator()
                      .deliver(
                          Coordinator.Command.of(
                              incarnation -> incarnation.leaveLearner(this, epoch))));
    }
  }

  boolean isBroken() {
    return up.isBroken();
  }

  // From the run.

  void released(BatchRow batch, List<Use> uses) {
    // A batch that was asked for twice is released twice; the first one counts.
    if (batch.number().equals(next) && !up.isBroken()) {
      next = next.next();
      outstanding = Math.max(0, outstanding - 1);
      down.send(() -> session.receives(batch, uses));
    }
  }

  void fenced() {
    down.send(session::isFenced);
  }

  void askAgain() {
    if (!up.isBroken()) {
      want();
    }
  }

  void ended() {
    down.send(session::isOver);
  }
}
