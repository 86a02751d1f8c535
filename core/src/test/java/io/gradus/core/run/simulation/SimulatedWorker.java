package io.gradus.core.run.simulation;

import io.gradus.core.group.GroupId;
import io.gradus.core.group.LeaseId;
import io.gradus.core.group.Outcome;
import io.gradus.core.group.WorkerId;
import io.gradus.core.policy.Manifest;
import io.gradus.core.policy.PolicyVersion;
import io.gradus.core.run.Effect;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/// A rollout worker: takes leases, samples, submits until it is answered. While there are faults it
/// dies, hangs, stands still, lags behind with its weights, leaves members out, gives leases back,
/// goes on with leases it has lost, and repeats itself, sometimes with other bytes.
final class SimulatedWorker {

  private enum Stage {
    QUEUED,
    SAMPLING,
    SUBMITTING
  }

  /// A lease that is held.
  private static final class Held {
    private final Effect.Grant grant;
    private Stage stage = Stage.QUEUED;
    private long progress;
    private boolean isRevoked;

    private PolicyVersion oldest;

    private Held(Effect.Grant grant, PolicyVersion oldest) {
      this.grant = grant;
      this.oldest = oldest;
    }
  }

  /// How a worker behaves.
  ///
  /// @param failing share of leases that it gives back
  /// @param partial share of groups that lack a member
  /// @param stubborn share of lost leases that it submits all the same
  /// @param endless share of groups that take very long
  /// @param laggingMillis how long it goes on with old weights
  record Habits(
      int slots,
      int slowness,
      double failing,
      double partial,
      double stubborn,
      double endless,
      int laggingMillis) {}

  private static final Duration RETRY = Duration.ofMillis(1500);
  private static final int MOST_TRIES = 40;

  private final SimulatedRun world;
  private final String name;
  private final Habits habits;
  private WorkerId id;
  private Optional<WorkerLink> link = Optional.empty();
  private final TreeMap<LeaseId, Held> held = new TreeMap<>();
  private final ArrayDeque<Held> queue = new ArrayDeque<>();
  private PolicyVersion loaded = new PolicyVersion(0);
  private PolicyVersion heard = new PolicyVersion(0);
  private boolean isDead = true;
  private boolean isOver;
  private long hungUntil;
  private long stuckUntil;
  private boolean isCrawling;

  /// Counts processes: what an earlier one had scheduled must not happen.
  private int life;

  SimulatedWorker(SimulatedRun world, String name, Habits habits) {
    this.world = world;
    this.name = name;
    this.habits = habits;
    this.id = new WorkerId(name + "-1");
  }

  void start() {
    if (!isDead || isOver) {
      return;
    }
    isDead = false;
    life++;
    connect();
    beatAgain(life);
  }

  private void connect() {
    var opened = new WorkerLink(world, this, id, habits.slots());
    link = Optional.of(opened);
    opened.open();
  }

  private void beatAgain(int of) {
    Duration third = world.plan().rollout().leaseTtl().dividedBy(3);
    world
        .time()
        .after(
            third,
            () -> {
              if (of == life && !isDead && !isOver) {
                beat();
                beatAgain(of);
              }
            });
  }

  private boolean isHung() {
    return world.time().nanos() < hungUntil;
  }

  private boolean isStuck() {
    return world.time().nanos() < stuckUntil;
  }

  private void beat() {
    if (isDead || isOver || isHung() || link.isEmpty()) {
      return;
    }
    var progress = new TreeMap<LeaseId, Long>();
    int open = 0;
    for (Held lease : held.values()) {
      if (!lease.isRevoked) {
        progress.put(lease.grant.lease(), lease.progress);
      }
      if (lease.stage != Stage.SUBMITTING) {
        open++;
      }
      if (!isStuck() || isCrawling) {
        lease.progress++;
      }
    }
    int credits = Math.max(0, 2 * habits.slots() - open);
    if (world.plan().rollout().lockstep()) {
      credits = held.isEmpty() ? habits.slots() : 0;
    }
    link.get().beat(credits, progress);
  }

  // From the run.

  void isAdmitted() {
    if (loaded.value() > 0) {
      link.ifPresent(known -> known.loaded(loaded));
    }
    beat();
  }

  void isGranted(List<Effect.Grant> grants) {
    if (isDead || isHung()) {
      return;
    }
    for (Effect.Grant grant : grants) {
      if (held.containsKey(grant.lease())) {
        continue;
      }
      if (world.isFaulty() && world.time().chance(habits.failing())) {
        link.ifPresent(known -> known.giveBack(grant.group(), grant.lease()));
        continue;
      }
      var lease = new Held(grant, grant.version().orElse(loaded));
      held.put(grant.lease(), lease);
      queue.add(lease);
    }
    sample();
  }

  void isRevoked(List<LeaseId> leases) {
    boolean isChanged = false;
    for (LeaseId lease : leases) {
      Held lost = held.get(lease);
      if (lost != null && world.isFaulty() && world.time().chance(habits.stubborn())) {
        continue;
      }
      if (lost != null && !lost.isRevoked) {
        lost.isRevoked = true;
        isChanged = true;
        if (lost.stage == Stage.QUEUED) {
          queue.remove(lost);
          held.remove(lease);
        }
      }
    }
    if (isChanged) {
      beat();
    }
  }

  void hears(Manifest manifest, boolean isNew) {
    PolicyVersion version = manifest.version();
    if (isNew) {
      world.witness().observes(name + " " + life, version);
    }
    if (version.compareTo(heard) <= 0) {
      return;
    }
    heard = version;
    int of = life;
    int lag = world.isFaulty() ? habits.laggingMillis() : 0;
    world
        .time()
        .after(
            world.time().millis(5, 50 + lag),
            () -> {
              // Where a newer version came meanwhile, this one may be gone already.
              if (of == life
                  && !isDead
                  && version.compareTo(loaded) > 0
                  && world.store().has(manifest.uri())) {
                loaded = version;
                link.ifPresent(known -> known.loaded(version));
                sample();
              }
            });
  }

  /// The run has ended.
  void isOver() {
    isOver = true;
    held.clear();
    queue.clear();
  }

  void isCutOff(WorkerLink broken) {
    if (isDead || isOver || link.filter(known -> known == broken).isEmpty()) {
      return;
    }
    link = Optional.empty();
    queue.forEach(lease -> held.remove(lease.grant.lease()));
    queue.clear();
    int of = life;
    world
        .time()
        .after(
            world.time().millis(50, 800),
            () -> {
              if (of == life && !isDead && !isOver && link.isEmpty()) {
                connect();
              }
            });
  }

  // Sampling.

  private void sample() {
    if (loaded.value() == 0 || isDead) {
      return;
    }
    long sampling = held.values().stream().filter(l -> l.stage == Stage.SAMPLING).count();
    while (sampling < habits.slots() && !queue.isEmpty()) {
      Held lease = queue.remove();
      if (!world.canLoad(lease.grant)) {
        giveBack(lease);
        continue;
      }
      lease.stage = Stage.SAMPLING;
      lease.oldest = lease.grant.version().orElse(loaded);
      if (world.isPoison(lease.grant)) {
        dieOf(lease);
      }
      boolean isEndless = world.isFaulty() && world.time().chance(habits.endless());
      finishAfter(
          lease,
          isEndless
              ? world.time().millis(3_000, 15_000)
              : world.time().millis(40, 100 * habits.slowness()));
      sampling++;
    }
  }

  private void dieOf(Held lease) {
    int of = life;
    world
        .time()
        .after(
            world.time().millis(1, 40),
            () -> {
              if (of == life && held.get(lease.grant.lease()) == lease) {
                die(world.time().chance(0.9), world.time().chance(0.5));
              }
            });
  }

  private void finishAfter(Held lease, Duration duration) {
    int of = life;
    world
        .time()
        .after(
            duration,
            () -> {
              if (of != life || isDead || isOver) {
                return;
              }
              if (isStuck() || isHung()) {
                finishAfter(lease, Duration.ofMillis(500));
                return;
              }
              finish(lease);
            });
  }

  private void finish(Held lease) {
    if (lease.isRevoked && !(world.isFaulty() && world.time().chance(habits.stubborn()))) {
      held.remove(lease.grant.lease());
      beat();
      sample();
      return;
    }
    var outcomes = new ArrayList<Outcome>();
    for (int member : lease.grant.members()) {
      boolean isLeftOut = world.isFaulty() && world.time().chance(habits.partial());
      if (!isLeftOut) {
        outcomes.add(world.skill().outcome(lease.grant, member, world.weights(lease.oldest)));
      }
    }
    if (outcomes.isEmpty()) {
      giveBack(lease);
      sample();
      return;
    }
    lease.stage = Stage.SUBMITTING;
    var submission =
        new Submission(
            lease.grant.group(),
            lease.grant.lease(),
            world.skill().digest(lease.grant, outcomes, 0),
            lease.oldest,
            outcomes);
    submit(lease, submission, 1);
    sample();
  }

  private void giveBack(Held lease) {
    held.remove(lease.grant.lease());
    link.ifPresent(known -> known.giveBack(lease.grant.group(), lease.grant.lease()));
  }

  private void submit(Held lease, Submission submission, int attempt) {
    int of = life;
    if (world.faultyChance(0.03)) {
      repeatLater(submission);
    }
    world.witness().submitted(submission);
    boolean[] isAnswered = {false};
    world
        .edge()
        .submit(
            submission,
            answer -> {
              answer.ifPresent(effect -> acknowledged(submission, effect));
              if (of != life || isDead || isAnswered[0]) {
                return;
              }
              isAnswered[0] = true;
              if (answer.isPresent()) {
                settle(lease, submission);
              } else {
                world
                    .time()
                    .after(
                        world.time().millis(50, 400), () -> again(lease, submission, of, attempt));
              }
            });
    world
        .time()
        .after(
            RETRY,
            () -> {
              if (!isAnswered[0]) {
                isAnswered[0] = true;
                again(lease, submission, of, attempt);
              }
            });
  }

  private void again(Held lease, Submission submission, int of, int attempt) {
    if (of != life || isDead || isOver) {
      return;
    }
    if (attempt >= MOST_TRIES) {
      giveBack(lease);
    } else {
      submit(lease, submission, attempt + 1);
    }
  }

  private void acknowledged(Submission submission, Effect effect) {
    if (effect instanceof Effect.AnswerSubmit answer) {
      world.witness().acknowledged(submission, answer.admission());
    }
  }

  private void settle(Held lease, Submission submission) {
    held.remove(lease.grant.lease());
    beat();
    if (world.isFaulty() && world.time().chance(0.05)) {
      repeatLater(submission);
    }
    sample();
  }

  /// The same group once more, out of turn; sometimes with other bytes, or under a lease that may
  /// never have been granted for it.
  private void repeatLater(Submission submission) {
    boolean isSame = world.time().chance(0.4);
    Submission repeated =
        new Submission(
            submission.group(),
            isSame || world.time().chance(0.5) ? submission.lease() : submission.lease().next(),
            isSame ? submission.digest() : world.skill().otherDigest(submission),
            submission.oldestVersion(),
            submission.outcomes());
    world
        .time()
        .after(
            world.time().millis(1, 5000),
            () -> {
              world.witness().submitted(repeated);
              world
                  .edge()
                  .submit(
                      repeated,
                      answer -> answer.ifPresent(effect -> acknowledged(repeated, effect)));
            });
  }

  // Faults.

  /// The process dies, and another one starts later.
  ///
  /// @param isNoticed whether the run learns of the broken stream
  /// @param isRenamed whether the next process has another id
  void die(boolean isNoticed, boolean isRenamed) {
    if (isDead || isOver) {
      return;
    }
    world.time().note(() -> "%s dies".formatted(id.value()));
    isDead = true;
    life++;
    link.ifPresent(known -> known.breakOff(isNoticed));
    link = Optional.empty();
    held.clear();
    queue.clear();
    loaded = new PolicyVersion(0);
    heard = new PolicyVersion(0);
    if (isRenamed) {
      id = new WorkerId(name + "-" + (life + 1));
    }
    world.time().after(world.time().millis(100, 4000), this::start);
  }

  /// The stream breaks; the process lives.
  void lose(boolean isNoticed) {
    link.ifPresent(known -> known.breakOff(isNoticed));
  }

  /// Says and hears nothing for a while.
  void hang(Duration duration) {
    world.time().note(() -> "%s hangs for %s".formatted(id.value(), duration));
    hungUntil = world.time().nanos() + duration.toNanos();
  }

  /// Says that it lives, but finishes nothing.
  ///
  /// @param isCrawling whether it says that it gets on
  void stall(Duration duration, boolean isCrawling) {
    world.time().note(() -> "%s stalls for %s".formatted(id.value(), duration));
    this.isCrawling = isCrawling;
    stuckUntil = world.time().nanos() + duration.toNanos();
  }

  /// Everything that was wrong with it is over.
  void heal() {
    hungUntil = 0;
    stuckUntil = 0;
    if (isDead) {
      start();
    } else if (link.isEmpty() || link.get().isBroken()) {
      connect();
    }
  }

  boolean isIdle() {
    return held.isEmpty();
  }

  Map<LeaseId, GroupId> holdings() {
    var leases = new TreeMap<LeaseId, GroupId>();
    held.values().forEach(lease -> leases.put(lease.grant.lease(), lease.grant.group()));
    return leases;
  }
}
