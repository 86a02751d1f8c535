package io.gradus.core.run;

import io.gradus.core.group.GroupState;
import io.gradus.core.group.StateReason;
import io.gradus.core.ledger.GroupRow;
import io.gradus.core.ledger.RunImage;
import io.gradus.core.ledger.RunRow;
import io.gradus.core.ledger.RunState;
import io.gradus.core.ledger.VersionRow;
import io.gradus.core.ledger.Write;
import io.gradus.core.task.StratumKey;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/// Decides everything about one run: what is sampled, admitted, learned from and published, and
/// when it ends. A function of the rows it was opened with and the inputs since; it knows no clock
/// and no thread, and is called by one at a time.
///
/// | run is | on | to |
/// |---|---|---|
/// | RUNNING | pause | PAUSED: nothing new is granted or bound, what is under way goes on |
/// | PAUSED | resume | RUNNING |
/// | RUNNING, PAUSED | the target confirmed | COMPLETED |
/// | RUNNING | another bound of `stop` | STOPPED |
/// | RUNNING, PAUSED | three poisonous batches in a row | FAILED |
/// | RUNNING, PAUSED | cancel | CANCELLED |
public final class RunDecider implements Decider {

  /// A silence between two ticks that is longer than this part of a deadline means that this
  /// process stood still.
  private static final int PAUSES_PER_DEADLINE = 3;

  /// How often the time that a run has run is written down when nothing else is.
  private static final Duration ELAPSED_WRITTEN_EVERY = Duration.ofSeconds(5);

  private final Books books;
  private final Goals goals;
  private final Rounds rounds;
  private final Batches batches;
  private final LearnerSessions sessions;
  private final Publications publications;
  private final Rollouts rollouts;
  private MonotonicTime seen;
  private MonotonicTime ticked;
  private Duration writtenElapsed;

  private RunDecider(Books books, MonotonicTime now) {
    this.books = books;
    this.goals = new Goals(books);
    this.rounds = new Rounds(books);
    this.batches = new Batches(books, rounds, goals);
    this.sessions = new LearnerSessions(books, batches);
    this.publications = new Publications(books, batches);
    this.rollouts = new Rollouts(books, batches, rounds, goals);
    this.seen = now;
    this.ticked = now;
    this.writtenElapsed = books.elapsed;
  }

  /// A decider that goes on from what the ledger has.
  public static RunDecider open(RunPlan plan, RunImage image, MonotonicTime now) {
    return new RunDecider(new Books(plan, image, now), now);
  }

  @Override
  public Decision decide(Input input, MonotonicTime now) {
    var turn = new Turn(now);
    if (books.state.isFinal()) {
      afterTheEnd(turn, input);
      return turn.decision();
    }
    if (books.state == RunState.RUNNING) {
      books.elapsed = books.elapsed.plus(now.since(seen));
    }
    seen = now;
    books.endLeft(turn, books.takeLeftAtRecovery());
    take(turn, input);
    goOn(turn, input);
    finish(turn);
    return turn.decision();
  }

  private void take(Turn turn, Input input) {
    switch (input) {
      case Input.Tick() -> tick(turn);
      case Input.WorkerJoined joined -> rollouts.join(turn, joined);
      case Input.WorkerLeft(var session, var departure) -> rollouts.leave(turn, session, departure);
      case Input.LeaveRequested(var session) -> rollouts.letGo(turn, session);
      case Input.Heartbeat heartbeat -> rollouts.heartbeat(turn, heartbeat);
      case Input.VersionLoaded loaded -> rollouts.loaded(loaded);
      case Input.GroupSubmitted submitted -> rollouts.submit(turn, submitted);
      case Input.GroupFailed failed -> rollouts.giveBack(turn, failed);
      case Input.LearnerJoined joined -> sessions.join(turn, joined);
      case Input.LearnerLeft left -> sessions.leave(left);
      case Input.BatchesWanted wanted -> sessions.want(turn, wanted);
      case Input.BatchApplied applied -> {
        if (sessions.hear(turn, applied.request(), applied.epoch())) {
          batches.applied(turn, applied);
        }
      }
      case Input.BatchFailed failed -> {
        if (sessions.hear(turn, failed.request(), failed.epoch())) {
          batches.failed(turn, failed);
        }
      }
      case Input.PolicyPublished published -> {
        if (sessions.hear(turn, published.request(), published.epoch())) {
          publications.publish(turn, published);
        }
      }
      case Input.PauseRequested(var request, var revokes) -> {
        books.state = RunState.PAUSED;
        books.reason = "paused by a person";
        turn.runChanged();
        if (revokes) {
          rollouts.takeBack(turn);
        }
        turn.effect(new Effect.Acknowledge(request));
      }
      case Input.ResumeRequested(var request) -> {
        books.state = RunState.RUNNING;
        books.reason = "";
        turn.runChanged();
        turn.effect(new Effect.Acknowledge(request));
      }
      case Input.CancelRequested(var request, var reason) -> {
        end(turn, new Goals.Ending(RunState.CANCELLED, reason, Optional.empty()));
        turn.effect(new Effect.Acknowledge(request));
        endRun(turn);
      }
    }
  }

  private void tick(Turn turn) {
    Duration pause = turn.now().since(ticked);
    if (pause.compareTo(shortestDeadline().dividedBy(PAUSES_PER_DEADLINE)) > 0) {
      books.leases.shift(pause);
      sessions.shift(pause);
      batches.shift(pause);
    }
    ticked = turn.now();
    rollouts.expire(turn);
    if (books.elapsed.minus(writtenElapsed).compareTo(ELAPSED_WRITTEN_EVERY) >= 0) {
      turn.runChanged();
    }
  }

  private Duration shortestDeadline() {
    Duration ttl = books.plan.rollout().leaseTtl();
    Duration progress = books.plan.rollout().progressTimeout();
    return ttl.compareTo(progress) < 0 ? ttl : progress;
  }

  /// What has become possible by an input.
  private void goOn(Turn turn, Input input) {
    if (books.state == RunState.RUNNING && goals.ending().isEmpty()) {
      goals.evaluate(turn);
      goals.stop();
    }
    if (goals.ending().isPresent()) {
      // Nothing begins in the decision that ends the run.
      end(turn, goals.ending().get());
      endRun(turn);
      return;
    }
    if (books.state != RunState.RUNNING) {
      return;
    }
    rounds.turn(turn);
    batches.bind(turn);
    rounds.turn(turn);
    // Submits come in rows, and a grant for each would make many small ones: the next heartbeat or
    // tick is never far.
    if (!(input instanceof Input.GroupSubmitted)) {
      rollouts.grant(turn);
    }
  }

  private void finish(Turn turn) {
    books.curriculum.changes().forEach(row -> turn.write(new Write.PutStratum(row)));
    if (turn.hasChanges()) {
      writtenElapsed = books.elapsed;
      turn.write(new Write.PutRun(books.row(books.elapsed)));
    }
  }

  // ---- the end

  private void end(Turn turn, Goals.Ending ending) {
    goals.abandonEvaluation(turn);
    Optional<VersionRow> last =
        ending.last().flatMap(books.versions::find).or(books.versions::head);
    batches.closeLine(turn, last);
    for (GroupRow group : List.copyOf(books.groups.open())) {
      if (group.state() == GroupState.ACCEPTED && books.settledUses.contains(group.id())) {
        books.move(turn, group, GroupState.TRAINED, StateReason.NONE);
      } else {
        books.leases.end(group.id());
        books.move(turn, group, GroupState.CANCELLED, StateReason.NONE);
      }
    }
    last.ifPresent(row -> dropAfter(turn, row));
    books.state = ending.state();
    books.reason = ending.reason();
    turn.runChanged();
  }

  /// A run that reached its target ends with the version that reached it: later ones go.
  private void dropAfter(Turn turn, VersionRow last) {
    List<VersionRow> later = books.versions.deleteAfter(last.manifest().version());
    later.forEach(row -> turn.write(new Write.PutVersion(row)));
    if (!later.isEmpty()) {
      turn.effect(new Effect.DeleteCheckpoints(later));
    }
  }

  private void endRun(Turn turn) {
    turn.effect(new Effect.EndRun(books.state, books.reason));
  }

  static final String ENDED = "RUN_ENDED";

  private void afterTheEnd(Turn turn, Input input) {
    String message = "the run is over: " + books.reason;
    switch (input) {
      case Input.GroupSubmitted submitted ->
          turn.effect(
              new Effect.AnswerSubmit(
                  submitted.request(),
                  submitted.group(),
                  submitted.lease(),
                  new Admission.Refused(message)));
      case Input.LearnerJoined joined -> turn.refuse(joined.request(), ENDED, message);
      case Input.BatchApplied applied -> turn.refuse(applied.request(), ENDED, message);
      case Input.BatchFailed failed -> turn.refuse(failed.request(), ENDED, message);
      case Input.PolicyPublished published -> turn.refuse(published.request(), ENDED, message);
      case Input.PauseRequested(var request, _) -> turn.refuse(request, ENDED, message);
      case Input.ResumeRequested(var request) -> turn.refuse(request, ENDED, message);
      case Input.CancelRequested(var request, _) -> turn.refuse(request, ENDED, message);
      case Input.Tick _,
          Input.WorkerJoined _,
          Input.WorkerLeft _,
          Input.LeaveRequested _,
          Input.Heartbeat _,
          Input.VersionLoaded _,
          Input.GroupFailed _,
          Input.LearnerLeft _,
          Input.BatchesWanted _ -> {}
    }
  }

  // ---- for people

  @Override
  public RunView view(MonotonicTime now) {
    var strata = new ArrayList<RunView.Stratum>();
    Map<StratumKey, Double> weights =
        books.state.isFinal() ? new TreeMap<>() : books.curriculum.weights();
    for (StratumKey key : books.curriculum.strata()) {
      strata.add(
          new RunView.Stratum(
              key.source(),
              key.stratum(),
              books.curriculum.passRate(key),
              weights.getOrDefault(key, 0.0),
              books.replay.sizeOf(key)));
    }
    Optional<VersionRow> head = books.versions.head();
    long steps =
        head.map(row -> row.manifest().step()).orElse(0L)
            + books.line.rows().stream()
                .filter(row ->
                    row.number().value()
                        > head.map(version -> version.manifest().batchOrZero()).orElse(0L))
                .mapToLong(row -> row.steps())
                .sum();
    return new RunView(
        rowAt(now),
        books.groups.byState(),
        books.groups.residual(),
        books.line.applied(),
        steps,
        books.replay.unusedGroups(),
        books.groups.size(GroupState.LEASED),
        rollouts.capacity(),
        Arrays.stream(books.stalenessOfUses).boxed().toList(),
        strata,
        books.evaluations.rows(books.elapsed),
        head,
        books.versions.resumable().stream().findFirst(),
        books.line.rows(),
        sessions.isJoined(now));
  }

  private RunRow rowAt(MonotonicTime now) {
    boolean isRunning = books.state == RunState.RUNNING && now.compareTo(seen) > 0;
    return books.row(isRunning ? books.elapsed.plus(now.since(seen)) : books.elapsed);
  }
}
