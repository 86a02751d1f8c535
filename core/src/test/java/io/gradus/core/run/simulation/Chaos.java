package io.gradus.core.run.simulation;

import io.gradus.core.ledger.RunState;
import io.gradus.core.ledger.VersionRow;
import io.gradus.core.policy.LearnerId;
import io.gradus.core.run.Effect;
import io.gradus.core.run.Input;
import io.gradus.core.run.RequestId;
import java.time.Duration;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.Function;

/// What goes wrong, and when: kinds of faults drawn once from the seed, then one after the other
/// until calm.
final class Chaos {

  private enum Kind {
    WORKER_DIES,
    WORKER_LOSES_STREAM,
    WORKER_HANGS,
    WORKER_STALLS,
    WORKER_CRAWLS,
    LEARNER_DIES,
    LEARNER_IS_DOUBLED,
    LEARNER_LOSES_STREAM,
    ANOTHER_LEARNER,
    CHECKPOINT_IS_DAMAGED,
    COORDINATOR_DIES,
    COORDINATOR_STANDS_STILL,
    COORDINATOR_IS_DOUBLED,
    EVERYTHING_DIES,
    PERSON_PAUSES,
    PERSON_CANCELS
  }

  private final SimulatedRun world;
  private final EnumSet<Kind> kinds = EnumSet.noneOf(Kind.class);
  private final int longestPauseMillis;
  private Optional<SimulatedLearner> intruder = Optional.empty();
  private boolean isPaused;

  Chaos(SimulatedRun world, Scenario.Weather weather) {
    this.world = world;
    VirtualTime time = world.time();
    for (Kind kind : Kind.values()) {
      double share =
          switch (kind) {
            case EVERYTHING_DIES -> 0.2;
            case PERSON_CANCELS -> 0.1;
            case COORDINATOR_IS_DOUBLED, ANOTHER_LEARNER, PERSON_PAUSES -> 0.3;
            default -> 0.5;
          };
      if (weather == Scenario.Weather.HOSTILE && time.chance(share)) {
        kinds.add(kind);
      }
    }
    if (weather == Scenario.Weather.KILLS) {
      kinds.add(Kind.EVERYTHING_DIES);
    }
    this.longestPauseMillis = time.oneOf(List.of(400, 1500, 4000));
  }

  void begin() {
    if (!kinds.isEmpty()) {
      again();
    }
  }

  private void again() {
    world
        .time()
        .after(
            world.time().millis(20, longestPauseMillis),
            () -> {
              if (!world.isCalm() && !world.coordinator().hasEnded()) {
                strike(world.time().oneOf(List.copyOf(kinds)));
                again();
              }
            });
  }

  private void strike(Kind kind) {
    VirtualTime time = world.time();
    SimulatedWorker worker = time.oneOf(world.workers());
    switch (kind) {
      case WORKER_DIES -> worker.die(time.chance(0.7), time.chance(0.5));
      case WORKER_LOSES_STREAM -> worker.lose(time.chance(0.7));
      case WORKER_HANGS -> worker.hang(time.millis(100, 12_000));
      case WORKER_STALLS -> worker.stall(time.millis(100, 15_000), false);
      case WORKER_CRAWLS -> worker.stall(time.millis(1_000, 20_000), true);
      case LEARNER_DIES -> world.learner().restart(time.chance(0.6), false);
      case LEARNER_IS_DOUBLED -> world.learner().restart(false, true);
      case LEARNER_LOSES_STREAM -> world.learner().lose(time.chance(0.6));
      case ANOTHER_LEARNER -> intrude();
      case CHECKPOINT_IS_DAMAGED -> damage();
      case COORDINATOR_DIES -> world.coordinator().crash(time.millis(10, 3000));
      case COORDINATOR_STANDS_STILL -> world.coordinator().pause(time.millis(50, 12_000));
      case COORDINATOR_IS_DOUBLED -> world.coordinator().takeOver();
      case EVERYTHING_DIES -> {
        world.coordinator().crash(time.millis(10, 1000));
        world.learner().restart(false, false);
        world.workers().forEach(each -> each.die(false, false));
      }
      case PERSON_PAUSES -> {
        if (!isPaused) {
          isPaused = true;
          boolean revokes = time.chance(0.5);
          ask(request -> new Input.PauseRequested(request, revokes), _ -> {});
          time.after(time.millis(100, 5000), this::resume);
        }
      }
      case PERSON_CANCELS -> {
        if (time.chance(0.4)) {
          world.isCancelled();
          ask(request -> new Input.CancelRequested(request, "enough"), _ -> {});
        }
      }
    }
  }

  private void resume() {
    ask(Input.ResumeRequested::new, _ -> isPaused = false);
  }

  /// Asks until it is answered.
  private void ask(Function<RequestId, Input> input, Consumer<Effect> answered) {
    boolean[] isAnswered = {false};
    world
        .edge()
        .ask(
            input,
            answer -> {
              if (!isAnswered[0]) {
                isAnswered[0] = true;
                if (answer.isPresent()) {
                  answered.accept(answer.get());
                } else {
                  world.time().after(Duration.ofMillis(300), () -> ask(input, answered));
                }
              }
            });
    world
        .time()
        .after(
            Duration.ofSeconds(2),
            () -> {
              if (!isAnswered[0] && !world.coordinator().hasEnded()) {
                isAnswered[0] = true;
                ask(input, answered);
              }
            });
  }

  /// Somebody else wants to be the learner.
  private void intrude() {
    if (intruder.isPresent()) {
      intruder.get().stop();
      intruder = Optional.empty();
    } else {
      var other = new SimulatedLearner(world, new LearnerId("learner-b"));
      intruder = Optional.of(other);
      other.start();
    }
  }

  /// Damages the newest durable checkpoint, where there is another one to go back to.
  private void damage() {
    ModelLedger ledger = world.ledger().rows();
    List<VersionRow> sound =
        ledger.resumable().stream()
            .filter(row -> row.manifest().batchOrZero() >= ledger.lastSettled())
            .filter(row -> !world.store().isDamaged(row.manifest().uri()))
            .toList();
    if (sound.size() >= 2 && !world.store().hasDamage(ledger)) {
      world.time().note(() -> "%s is damaged".formatted(sound.getFirst().manifest().version()));
      world.store().damage(sound.getFirst().manifest());
    }
  }

  /// Faults are over.
  void calm() {
    intruder.ifPresent(SimulatedLearner::stop);
    intruder = Optional.empty();
    if (isPaused) {
      resume();
    }
    unpause();
  }

  /// A request to pause may have been under way for long.
  private void unpause() {
    world
        .time()
        .after(
            Duration.ofSeconds(5),
            () -> {
              if (world.coordinator().hasEnded()) {
                return;
              }
              if (world
                  .ledger()
                  .rows()
                  .run()
                  .filter(run -> run.state() == RunState.PAUSED)
                  .isPresent()) {
                resume();
              }
              unpause();
            });
  }
}
