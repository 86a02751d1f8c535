package io.gradus.core.run.simulation;

import io.gradus.core.group.GroupState;
import io.gradus.core.ledger.BatchRow;
import io.gradus.core.ledger.RunRow;
import io.gradus.core.policy.LearnerId;
import io.gradus.core.policy.Manifest;
import io.gradus.core.policy.PolicyVersion;
import io.gradus.core.run.Decider;
import io.gradus.core.run.Effect;
import io.gradus.core.run.RunPlan;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.SplittableRandom;

/// One run from its submission to its end, with everything around the decider simulated. A time of
/// faults is followed by calm, in which the run must come to its end.
final class SimulatedRun {

  /// What one seed came to.
  ///
  /// @param decisions how many deciders made
  /// @param incarnations how many deciders there were
  /// @param run the last row of the run
  /// @param lasted in virtual time
  record Result(long decisions, int incarnations, RunRow run, Duration lasted) {}

  /// Virtual time after which a run that has not ended hangs.
  private static final Duration CALM_LIMIT = Duration.ofMinutes(15);

  private static final long MOST_EVENTS = 2_000_000;

  private final VirtualTime time;
  private final RunPlan plan;
  private final Scenario.Weather weather;
  private final Decider.Factory deciders;
  private final Skill skill;
  private final Network network;
  private final Faults faults;
  private final SharedLedger ledger = new SharedLedger();
  private final CheckpointStore store = new CheckpointStore();
  private final Witness witness;
  private final Edge edge;
  private final Coordinator coordinator;
  private final List<SimulatedWorker> workers = new ArrayList<>();
  private final SimulatedLearner learner;
  private final Chaos chaos;
  private final double poison;
  private final long poisonSeed;
  private final double poisonTasks;
  private final Duration faultsLast;
  private boolean isFaulty = true;
  private boolean isCancelled;
  private long decisions;
  private int incarnations;

  /// The scenario of a seed.
  SimulatedRun(long seed, Decider.Factory deciders, boolean isTraced) {
    this(new VirtualTime(seed, isTraced), Optional.empty(), seed, deciders);
  }

  /// A given scenario; the seed says when things happen.
  SimulatedRun(long seed, Scenario scenario, Decider.Factory deciders, boolean isTraced) {
    this(new VirtualTime(seed, isTraced), Optional.of(scenario), seed, deciders);
  }

  private SimulatedRun(
      VirtualTime time, Optional<Scenario> given, long seed, Decider.Factory deciders) {
    this.time = time;
    this.deciders = deciders;
    Scenario scenario = given.orElseGet(() -> Scenario.draw(time, seed));
    this.plan = scenario.plan();
    this.weather = scenario.weather();
    boolean isHostile = weather == Scenario.Weather.HOSTILE;
    this.network =
        new Network(
            time,
            isHostile ? time.oneOf(List.of(0.0, 0.02, 0.1)) : 0,
            time.oneOf(List.of(100, 1000, 5000)));
    this.faults = new Faults(time, weather != Scenario.Weather.CALM);
    this.skill = new Skill(scenario.skillSeed(), scenario.firstPassRate());
    this.witness = new Witness(this);
    this.edge = new Edge(this, time.chance(0.6));
    this.coordinator = new Coordinator(this);
    this.learner = new SimulatedLearner(this, new LearnerId("learner-a"));
    // Nothing may depend on which of two workers is faster in lockstep.
    int count = plan.rollout().lockstep() ? 1 : time.between(1, 4);
    for (int index = 0; index < count; index++) {
      workers.add(new SimulatedWorker(this, "worker-" + (char) ('a' + index), habits(isHostile)));
    }
    this.poison = isHostile && time.chance(0.3) ? time.oneOf(List.of(0.1, 0.3, 0.8)) : 0;
    this.poisonSeed = time.bits();
    var luck = new SplittableRandom(poisonSeed);
    this.poisonTasks = isHostile && luck.nextDouble() < 0.3 ? luck.nextDouble(0.01, 0.1) : 0;
    this.faultsLast =
        weather == Scenario.Weather.CALM ? Duration.ofMillis(1) : time.millis(2_000, 30_000);
    this.chaos = new Chaos(this, weather);
    time.note(() -> plan.toString());
  }

  private SimulatedWorker.Habits habits(boolean isHostile) {
    return new SimulatedWorker.Habits(
        // In lockstep a grant fills the worker, so its size is part of the run.
        plan.rollout().lockstep() ? 4 : time.oneOf(List.of(1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 40)),
        time.oneOf(List.of(1, 3, 10)),
        isHostile && time.chance(0.3) ? 0.1 : 0,
        isHostile && time.chance(0.4) ? 0.2 : 0,
        isHostile && time.chance(0.5) ? 0.5 : 0,
        isHostile && time.chance(0.4) ? 0.1 : 0,
        isHostile && time.chance(0.3) ? 6000 : 0);
  }

  /// Runs to the end.
  ///
  /// @throws Violation when a law is broken, or nothing moves any more
  Result run() {
    coordinator.start();
    time.after(time.millis(0, 500), learner::start);
    workers.forEach(worker -> time.after(time.millis(0, 500), worker::start));
    chaos.begin();
    time.after(faultsLast, this::calm);
    long limit = faultsLast.plus(CALM_LIMIT).toNanos();
    long events = 0;
    while (!coordinator.hasEnded()) {
      Violation.unless(time.step(), "simulation: nothing is left to happen");
      events++;
      if (time.nanos() > limit || events > MOST_EVENTS) {
        throw Violation.of(
            "G4: the run makes no progress although faults are over: %s; %s",
            coordinator.active().map(Incarnation::describe).orElse("no incarnation"),
            learner.describe());
      }
    }
    witness.ended();
    Audit.of(plan, ledger.rows());
    return new Result(
        decisions, incarnations, ledger.rows().run().orElseThrow(), Duration.ofNanos(time.nanos()));
  }

  private void calm() {
    if (coordinator.hasEnded()) {
      return;
    }
    time.note(() -> "faults are over");
    isFaulty = false;
    network.calm();
    faults.calm();
    chaos.calm();
    learner.start();
    workers.forEach(SimulatedWorker::heal);
  }

  void ended() {
    time.note(() -> "the run has ended");
  }

  List<String> trace() {
    return time.trace();
  }

  VirtualTime time() {
    return time;
  }

  RunPlan plan() {
    return plan;
  }

  Decider.Factory deciders() {
    return deciders;
  }

  Skill skill() {
    return skill;
  }

  Network network() {
    return network;
  }

  Faults faults() {
    return faults;
  }

  SharedLedger ledger() {
    return ledger;
  }

  CheckpointStore store() {
    return store;
  }

  Witness witness() {
    return witness;
  }

  Edge edge() {
    return edge;
  }

  Coordinator coordinator() {
    return coordinator;
  }

  List<SimulatedWorker> workers() {
    return workers;
  }

  SimulatedLearner learner() {
    return learner;
  }

  /// Whether everything is to go wrong that can.
  boolean isFaulty() {
    return isFaulty && weather == Scenario.Weather.HOSTILE;
  }

  boolean isCalm() {
    return !isFaulty;
  }

  boolean faultyChance(double probability) {
    return isFaulty() && time.chance(probability);
  }

  /// The weights of a version: what it learned from, not its number.
  Manifest weights(PolicyVersion version) {
    return ledger
        .rows()
        .version(version)
        .orElseThrow(() -> Violation.of("G6: %s was never published", version))
        .manifest();
  }

  /// A person wants the run to end.
  void isCancelled() {
    isCancelled = true;
  }

  boolean wasCancelled() {
    return isCancelled;
  }

  /// Whether every learner fails on this binding.
  boolean isPoison(BatchRow batch) {
    if (poison == 0) {
      return false;
    }
    return fateOf(batch).nextDouble() < poison;
  }

  /// Whether a learner that fails on this binding dies of it and cannot say so.
  boolean isDeadly(BatchRow batch) {
    return fateOf(batch).split().nextBoolean();
  }

  private SplittableRandom fateOf(BatchRow batch) {
    return new SplittableRandom(poisonSeed + 31 * batch.number().value() + batch.binding());
  }

  /// Whether every worker dies that samples this group, also when faults are over. No question of
  /// an evaluation does it: its set stays the same, and a run that needs it could not end.
  boolean isPoison(Effect.Grant grant) {
    return poisonTasks > 0
        && grant.purpose().isTraining()
        && new SplittableRandom(poisonSeed ^ grant.group().value()).nextDouble() < poisonTasks;
  }

  /// Whether the version that a lease asks for can be loaded. It can, unless its checkpoint is
  /// damaged or the lease has been lost meanwhile.
  boolean canLoad(Effect.Grant grant) {
    if (grant.version().isEmpty()) {
      return true;
    }
    Manifest manifest = weights(grant.version().get());
    boolean isThere = store.has(manifest.uri());
    boolean isLost =
        ledger
            .rows()
            .group(grant.group())
            .filter(row -> row.state() == GroupState.LEASED && row.lease().equals(grant.lease()))
            .isEmpty();
    Violation.unless(
        isThere || isLost || store.wasDamaged(manifest.uri()),
        "G7: %s asks for a version whose checkpoint was deleted",
        grant);
    return isThere;
  }

  void breakStreams() {
    edge.forget();
    workers.forEach(worker -> worker.lose(false));
    learner.lose(false);
  }

  void countDecision() {
    decisions++;
  }

  void countIncarnation() {
    incarnations++;
  }
}
