package io.gradus.testsupport;

import io.gradus.core.group.SessionId;
import io.gradus.core.group.WorkerId;
import io.gradus.core.run.Decision;
import io.gradus.core.run.Effect;
import io.gradus.core.run.Input;
import io.gradus.core.run.MonotonicTime;
import io.gradus.core.run.RequestId;
import io.gradus.core.run.RunDecider;
import io.gradus.core.run.RunPlan;
import io.gradus.core.run.RunView;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.List;
import java.util.Optional;
import java.util.SplittableRandom;

/// A run from its submission to its end, played in one thread from a seed: the real decider, a
/// worker that answers tasks, a learner that counts, and the faults that happen to them. Whatever
/// is decided goes into a [Journal] before anybody hears of it.
///
/// It makes ledgers for tests that read them: every state and reason that the plan allows turns up
/// within some hundred groups.
public final class ScriptedRun {

  private static final Duration STEP = Duration.ofMillis(200);
  private static final WorkerId WORKER = new WorkerId("worker-1");

  private final RunPlan plan;
  private final Journal journal;
  private final SplittableRandom random;
  private final ScriptedWorker worker;
  private final ScriptedLearner learner;
  private final ArrayDeque<ScriptedWorker.Action> answers = new ArrayDeque<>();
  private RunDecider decider;
  private MonotonicTime now = new MonotonicTime(0);
  private long requests;
  private long sessions = 1;
  private boolean isOver;

  /// Begins, or goes on with, a run whose row is in the journal.
  public ScriptedRun(String runId, RunPlan plan, long seed, Journal journal) {
    this.plan = plan;
    this.journal = journal;
    this.random = new SplittableRandom(seed);
    this.worker =
        new ScriptedWorker(
            WORKER,
            new SessionId(sessions),
            new ScriptedSampler(runId, plan, random.split()),
            random.split(),
            this::nextRequest);
    this.learner = new ScriptedLearner(plan, random.split(), this::nextRequest);
    this.decider = RunDecider.open(plan, journal.recover(), now);
    tell(worker.join(new SessionId(sessions), true), Optional.empty());
  }

  private RequestId nextRequest() {
    requests++;
    return new RequestId(requests);
  }

  /// The batch of this number fails in every learner session until it is bound anew.
  public void poison(long batch) {
    learner.poison(batch);
  }

  /// Plays until so many batches are applied, or the run is over.
  public void untilApplied(long batches) {
    for (int step = 0; !isOver && view().batchesApplied() < batches; step++) {
      if (step == 100_000) {
        throw new AssertionError("the run does not go on: " + view());
      }
      step();
    }
  }

  /// Plays to the end of the run.
  public void toTheEnd() {
    untilApplied(Long.MAX_VALUE);
  }

  /// A person ends the run.
  public void cancel() {
    tell(new Input.CancelRequested(nextRequest(), "enough"), Optional.empty());
  }

  public RunView view() {
    return decider.view(now);
  }

  private void step() {
    now = now.plus(STEP);
    tell(new Input.Tick(), Optional.empty());
    misfortune();
    tell(worker.heartbeat(), Optional.empty());
    for (ScriptedWorker.Action action : worker.act()) {
      tell(action.input(), action.payload());
    }
    for (int count = 0; count < 3; count++) {
      learner.act().ifPresent(input -> tell(input, Optional.empty()));
    }
    while (!answers.isEmpty()) {
      ScriptedWorker.Action answer = answers.remove();
      tell(answer.input(), answer.payload());
    }
  }

  private void misfortune() {
    switch (random.nextInt(150)) {
      case 0 -> {
        tell(new Input.WorkerLeft(worker.session(), Input.Departure.LOST), Optional.empty());
        sessions++;
        tell(worker.join(new SessionId(sessions), false), Optional.empty());
      }
      case 1 -> learner.die().ifPresent(left -> tell(left, Optional.empty()));
      case 2, 3 -> {
        decider = RunDecider.open(plan, journal.recover(), now);
        sessions++;
        tell(worker.join(new SessionId(sessions), true), Optional.empty());
        learner.reconnect();
      }
      default -> {}
    }
  }

  private void tell(Input input, Optional<SampledPayload> payload) {
    if (isOver) {
      // Who has heard that the run is over says nothing more.
      return;
    }
    Decision decision = decider.decide(input, now);
    if (!decision.writes().isEmpty()) {
      journal.commit(decision.writes(), payload.stream().toList());
    }
    for (Effect effect : decision.effects()) {
      hear(effect);
    }
  }

  private void hear(Effect effect) {
    if (effect instanceof Effect.EndRun) {
      isOver = true;
    }
    if (effect instanceof Effect.Refuse(_, var reason, var message, _)) {
      throw new AssertionError("refused: " + reason + ": " + message);
    }
    learner.hear(effect);
    worker
        .hear(effect)
        .ifPresent(input -> answers.add(new ScriptedWorker.Action(input, Optional.empty())));
  }

  /// What happened to the run, for a message when a test fails.
  @Override
  public String toString() {
    return "run at %s: %s".formatted(now, List.of(view()));
  }
}
