package io.gradus.core.run.simulation;

import io.gradus.core.group.GroupId;
import io.gradus.core.group.LeaseId;
import io.gradus.core.group.SessionId;
import io.gradus.core.group.WorkerId;
import io.gradus.core.policy.Manifest;
import io.gradus.core.policy.PolicyVersion;
import io.gradus.core.run.Effect;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// One stream of one worker, with the edge in the middle of it: joins the run, joins it again when
/// an incarnation does not know the session, and keeps what older incarnations say from the worker.
final class WorkerLink {

  private record Beat(int credits, Map<LeaseId, Long> progress) {}

  private static final Duration CHECK = Duration.ofMillis(500);

  private final SimulatedRun world;
  private final SimulatedWorker worker;
  private final WorkerId id;
  private final int slots;
  private final Line up;
  private final Line down;
  private long epoch;
  private Optional<SessionId> session = Optional.empty();
  private Optional<Beat> lastBeat = Optional.empty();

  WorkerLink(SimulatedRun world, SimulatedWorker worker, WorkerId id, int slots) {
    this.world = world;
    this.worker = worker;
    this.id = id;
    this.slots = slots;
    this.up = new Line(world.time(), world.network());
    this.down = new Line(world.time(), world.network());
  }

  WorkerId worker() {
    return id;
  }

  int slots() {
    return slots;
  }

  // From the worker.

  void open() {
    up.send(this::check);
  }

  private void check() {
    if (up.isBroken()) {
      return;
    }
    if (session.isEmpty()) {
      join();
    }
    world.time().after(CHECK, this::check);
  }

  private void join() {
    world
        .coordinator()
        .deliver(
            new Coordinator.Command(
                incarnation -> {
                  if (!up.isBroken()) {
                    incarnation.joinWorker(this);
                  }
                },
                () -> {},
                this::ended));
  }

  void beat(int credits, Map<LeaseId, Long> progress) {
    up.send(() -> {
      lastBeat = Optional.of(new Beat(credits, progress));
      sendBeat();
    });
  }

  private void sendBeat() {
    if (lastBeat.isEmpty() || session.isEmpty()) {
      return;
    }
    Beat beat = lastBeat.get();
    long atEpoch = epoch;
    SessionId of = session.get();
    world
        .witness()
        .heartbeat(beat.progress(), world.time().nanos(), world.coordinator().hears(epoch));
    world
        .coordinator()
        .deliver(
            Coordinator.Command.of(incarnation ->
                incarnation.heartbeat(this, atEpoch, of, beat.credits(), beat.progress())));
  }

  void loaded(PolicyVersion version) {
    up.send(() -> {
      if (session.isPresent()) {
        long atEpoch = epoch;
        SessionId of = session.get();
        world
            .coordinator()
            .deliver(
                Coordinator.Command.of(
                    incarnation -> incarnation.loadVersion(atEpoch, of, version)));
      }
    });
  }

  void giveBack(GroupId group, LeaseId lease) {
    up.send(() -> {
      if (session.isPresent()) {
        long atEpoch = epoch;
        SessionId of = session.get();
        world
            .coordinator()
            .deliver(
                Coordinator.Command.of(
                    incarnation -> incarnation.failGroup(atEpoch, of, group, lease)));
      }
    });
  }

  /// The stream breaks.
  ///
  /// @param isNoticed whether the run learns of it; where it does not, the session hangs
  void breakOff(boolean isNoticed) {
    if (up.isBroken()) {
      return;
    }
    up.breakOff();
    down.breakOff();
    world.time().after(world.network().delay(), () -> worker.isCutOff(this));
    if (isNoticed) {
      world
          .time()
          .after(
              world.network().delay(),
              () ->
                  world
                      .coordinator()
                      .deliver(
                          Coordinator.Command.of(incarnation -> incarnation.leaveWorker(this))));
    }
  }

  boolean isBroken() {
    return up.isBroken();
  }

  // From the run.

  void admitted(long atEpoch, SessionId as) {
    if (atEpoch >= epoch && !up.isBroken()) {
      epoch = atEpoch;
      session = Optional.of(as);
      down.send(worker::isAdmitted);
      // Not before the run knows the session.
      world.time().after(Duration.ZERO, this::sendBeat);
    }
  }

  void unknown(long atEpoch) {
    if (atEpoch >= epoch && !up.isBroken()) {
      session = Optional.empty();
      join();
    }
  }

  void granted(long atEpoch, List<Effect.Grant> grants) {
    if (isPresent(atEpoch)) {
      down.send(() -> worker.isGranted(grants));
    }
  }

  void revoked(long atEpoch, List<LeaseId> leases) {
    if (isPresent(atEpoch)) {
      down.send(() -> worker.isRevoked(leases));
    }
  }

  /// @param isNew whether it was just published; to a new session older ones are named too, which a
  ///   lease may ask for
  void announced(long atEpoch, Manifest manifest, boolean isNew) {
    if (isPresent(atEpoch)) {
      down.send(() -> worker.hears(manifest, isNew));
    }
  }

  void ended() {
    down.send(worker::isOver);
  }

  /// The same worker has opened a newer stream.
  void superseded() {
    breakOff(false);
  }

  private boolean isPresent(long atEpoch) {
    return atEpoch == epoch && session.isPresent();
  }
}
