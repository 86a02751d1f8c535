package io.gradus.core.run.simulation;

import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Optional;
import java.util.function.Consumer;

/// The process, or processes, that run the entity of the run: recovers it, restarts it, keeps
/// commands while it cannot take them, and now and then dies, stands still, or is taken over while
/// the older incarnation goes on in the belief that it is the only one.
final class Coordinator {

  /// A command for the run.
  ///
  /// @param isRefused when the run cannot take it
  /// @param isOver when the run has ended
  record Command(Consumer<Incarnation> body, Runnable isRefused, Runnable isOver) {

    static Command of(Consumer<Incarnation> body) {
      return new Command(body, () -> {}, () -> {});
    }
  }

  private static final int STASH_CAPACITY = 200;

  private final SimulatedRun world;
  private final ArrayDeque<Command> stash = new ArrayDeque<>();

  /// What arrives while the process stands still.
  private final ArrayDeque<Runnable> mailbox = new ArrayDeque<>();

  private Optional<Incarnation> active = Optional.empty();
  private Optional<Incarnation> zombie = Optional.empty();
  private boolean isUp;
  private boolean isPaused;
  private boolean hasTick;
  private boolean hasEnded;
  private boolean wasDoubled;
  private long starts;

  Coordinator(SimulatedRun world) {
    this.world = world;
  }

  void start() {
    isUp = true;
    recoverAfter(world.faults().recoveryDelay());
    tickAfter(world.faults().tick());
  }

  private void tickAfter(Duration tick) {
    world
        .time()
        .after(
            tick,
            () -> {
              if (hasEnded) {
                return;
              }
              if (!isPaused) {
                tick();
              } else if (!hasTick) {
                hasTick = true;
                mailbox.add(this::tick);
              }
              tickAfter(tick);
            });
  }

  private void tick() {
    hasTick = false;
    zombie.ifPresent(Incarnation::tick);
    active.ifPresent(Incarnation::tick);
  }

  boolean hasEnded() {
    return hasEnded;
  }

  /// Whether there ever was an incarnation that had been taken over and did not know it.
  boolean wasDoubled() {
    return wasDoubled;
  }

  Optional<Incarnation> active() {
    return active;
  }

  /// Whether what arrives now is certain to be served by the incarnation of this epoch, if it lives
  /// so long.
  boolean hears(long epoch) {
    return isUp
        && zombie.isEmpty()
        && stash.size() < STASH_CAPACITY / 2
        && active.filter(known -> known.epoch() == epoch).isPresent();
  }

  /// A command arrives.
  void deliver(Command command) {
    if (isPaused || !mailbox.isEmpty()) {
      mailbox.add(() -> receive(command));
    } else {
      receive(command);
    }
  }

  private void receive(Command command) {
    if (hasEnded) {
      command.isOver().run();
    } else if (!isUp) {
      command.isRefused().run();
    } else if (zombie.isPresent() && world.time().chance(0.25)) {
      if (!zombie.get().isFull()) {
        command.body().accept(zombie.get());
      }
    } else if (active.isPresent() && !active.get().isFull() && stash.isEmpty()) {
      command.body().accept(active.get());
    } else if (stash.size() < STASH_CAPACITY) {
      stash.add(command);
    } else {
      command.isRefused().run();
    }
  }

  /// Serves a command before anything else, if there is somebody to serve it.
  void serveNow(Consumer<Incarnation> body) {
    boolean isReady = isUp && !isPaused && mailbox.isEmpty() && stash.isEmpty();
    active
        .filter(incarnation -> isReady && zombie.isEmpty() && !incarnation.isFull())
        .ifPresent(body);
  }

  void hasRoom(Incarnation incarnation) {
    if (active.filter(known -> known == incarnation).isPresent()) {
      unstash();
    }
  }

  private void unstash() {
    while (!stash.isEmpty() && active.isPresent() && !active.get().isFull()) {
      stash.remove().body().accept(active.get());
    }
    if (hasEnded) {
      while (!stash.isEmpty()) {
        stash.remove().isOver().run();
      }
    }
  }

  private void recoverAfter(Duration delay) {
    long start = ++starts;
    world
        .time()
        .after(
            delay,
            () -> {
              if (start != starts || !isUp || hasEnded) {
                return;
              }
              SharedLedger.Takeover takeover = world.ledger().takeOver();
              world.time().note(() -> "takeover to epoch %d".formatted(takeover.epoch()));
              world.countIncarnation();
              if (takeover.image().run().filter(row -> row.state().isFinal()).isPresent()) {
                end();
                return;
              }
              active = Optional.of(new Incarnation(world, this, takeover));
              unstash();
            });
  }

  /// The decider must not go on: its commit failed.
  void lost(Incarnation incarnation, boolean isFenced) {
    world.time().note(() -> "e%d is dropped".formatted(incarnation.epoch()));
    if (zombie.filter(known -> known == incarnation).isPresent()) {
      zombie = Optional.empty();
    }
    if (active.filter(known -> known == incarnation).isPresent()) {
      Violation.unless(!isFenced, "simulation: epoch %d is fenced", incarnation.epoch());
      active = Optional.empty();
      recoverAfter(world.faults().recoveryDelay());
    }
    incarnation.drop(true);
  }

  void ended(Incarnation incarnation) {
    if (active.filter(known -> known == incarnation).isPresent()) {
      end();
    } else {
      zombie = Optional.empty();
    }
  }

  private void end() {
    hasEnded = true;
    active = Optional.empty();
    zombie = Optional.empty();
    unstash();
    world.ended();
  }

  // Faults.

  /// The process is killed. Streams break; nobody is told anything.
  void crash(Duration downTime) {
    if (!isUp || hasEnded) {
      return;
    }
    world.time().note(() -> "the coordinator is killed");
    isUp = false;
    active.ifPresent(incarnation -> incarnation.drop(false));
    zombie.ifPresent(incarnation -> incarnation.drop(false));
    active = Optional.empty();
    zombie = Optional.empty();
    stash.clear();
    mailbox.clear();
    isPaused = false;
    hasTick = false;
    starts++;
    world.breakStreams();
    world
        .time()
        .after(
            downTime,
            () -> {
              isUp = true;
              recoverAfter(world.faults().recoveryDelay());
            });
  }

  /// The process stands still; what arrives meanwhile is served afterwards, in order.
  void pause(Duration duration) {
    if (!isUp || isPaused || hasEnded) {
      return;
    }
    world.time().note(() -> "the coordinator stands still for %s".formatted(duration));
    isPaused = true;
    world
        .time()
        .after(
            duration,
            () -> {
              isPaused = false;
              // A crash meanwhile has emptied it.
              while (!mailbox.isEmpty() && !isPaused) {
                mailbox.remove().run();
              }
            });
  }

  /// Another node takes the run over although this one is alive.
  void takeOver() {
    if (!isUp || hasEnded || active.isEmpty() || zombie.isPresent()) {
      return;
    }
    wasDoubled = true;
    zombie = active;
    active = Optional.empty();
    recoverAfter(Duration.ofMillis(1));
  }
}
