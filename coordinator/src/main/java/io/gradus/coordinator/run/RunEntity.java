package io.gradus.coordinator.run;

import akka.actor.NoSerializationVerificationNeeded;
import akka.actor.typed.ActorRef;
import akka.actor.typed.Behavior;
import akka.actor.typed.javadsl.ActorContext;
import akka.actor.typed.javadsl.Behaviors;
import akka.actor.typed.javadsl.StashBuffer;
import akka.actor.typed.javadsl.TimerScheduler;
import akka.cluster.sharding.typed.javadsl.EntityTypeKey;
import io.gradus.coordinator.ledger.CommitFailure;
import io.gradus.coordinator.ledger.LedgerException;
import io.gradus.coordinator.ledger.StoredRun;
import io.gradus.coordinator.ledger.Takeover;
import io.gradus.core.group.SessionId;
import io.gradus.core.ledger.RunImage;
import io.gradus.core.policy.LearnerEpoch;
import io.gradus.core.run.Decider;
import io.gradus.core.run.MonotonicTime;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.slf4j.spi.LoggingEventBuilder;

/// The sharded entity of one run: the one writer of its rows.
///
/// | state | on | to |
/// |---|---|---|
/// | recovering | state read after the epoch was raised | active |
/// | recovering | the run has ended | ended |
/// | recovering | a failure, attempts left | recovering, after a pause |
/// | recovering | a failure, no attempts left; no such run | leaving |
/// | active | a failed commit, a decider that broke | recovering |
/// | active | fenced | leaving, and the node is told to leave |
/// | active | the decider ended the run, durably | ended |
/// | any | its shard gives the run to another node | stopped, once no commit is under way |
///
/// An entity that leaves goes on refusing until its shard has heard of it and keeps what comes for
/// the next one: were it to stop by itself, whoever asks in that moment would hear nothing.
///
/// What waits for an answer when a decider is dropped is refused with RUN_RECOVERING; sessions are
/// told to join again.
public final class RunEntity {

  public static final EntityTypeKey<RunCommand> KEY = EntityTypeKey.create(RunCommand.class, "Run");

  private static final Logger log = LoggerFactory.getLogger(RunEntity.class);

  /// How long an entity that its shard stops waits for commits under way.
  private static final Duration HANDED_OVER_WITHIN = Duration.ofSeconds(3);

  /// What only the entity sends to itself, and its shard to it.
  sealed interface Internal extends RunCommand, NoSerializationVerificationNeeded {}

  record Tick() implements Internal {}

  record Recover() implements Internal {}

  record Recovered(Found found) implements Internal {}

  record RecoveryFailed(Throwable failure) implements Internal {}

  /// The run goes to another node: what is decided is committed, then the entity stops.
  record HandOver() implements Internal {}

  record HandOverIsLate() implements Internal {}

  record Committed(long epoch, long ticket, long commitSeq) implements Internal {}

  record CommitFailed(long epoch, CommitFailure failure, String message) implements Internal {}

  record WorkerStreamEnded(long epoch, SessionId session) implements Internal {}

  record LearnerStreamEnded(long epoch, LearnerEpoch learner, ActorRef<ToLearner> stream)
      implements Internal {}

  /// What recovery found in the ledger.
  sealed interface Found {
    record Absent() implements Found {}

    record Ended(StoredRun run, RunImage image) implements Found {}

    record Taken(Takeover takeover) implements Found {}
  }

  private final String runId;
  private final RunSurroundings surroundings;
  private final Consumer<ActorRef<RunCommand>> onLeaving;
  private final ActorContext<RunCommand> context;
  private final TimerScheduler<RunCommand> timers;
  private final StashBuffer<RunCommand> stash;

  private RunEntity(
      String runId,
      RunSurroundings surroundings,
      Consumer<ActorRef<RunCommand>> onLeaving,
      ActorContext<RunCommand> context,
      TimerScheduler<RunCommand> timers,
      StashBuffer<RunCommand> stash) {
    this.runId = runId;
    this.surroundings = surroundings;
    this.onLeaving = onLeaving;
    this.context = context;
    this.timers = timers;
    this.stash = stash;
  }

  /// The entity of a run.
  ///
  /// @param onLeaving asks the entity's shard to stop it
  public static Behavior<RunCommand> create(
      String runId, RunSurroundings surroundings, Consumer<ActorRef<RunCommand>> onLeaving) {
    return Behaviors.setup(context ->
        Behaviors.withTimers(timers ->
            Behaviors.withStash(
                surroundings.config().stashCapacity(),
                stash ->
                    new RunEntity(runId, surroundings, onLeaving, context, timers, stash)
                        .recovering(1))));
  }

  /// What a shard sends that gives the run to another node.
  public static RunCommand handOver() {
    return new HandOver();
  }

  private Behavior<RunCommand> recovering(int attempt) {
    timers.cancel(Tick.class);
    if (surroundings.mustLeave().getAsBoolean()) {
      // A fenced node that took its run over again would fence the one that has it, and so on.
      return leavingUnrecovered();
    }
    context.pipeToSelf(
        find(),
        (found, failure) -> failure == null ? new Recovered(found) : new RecoveryFailed(failure));
    return Behaviors.receive(RunCommand.class)
        .onMessage(Recovered.class, recovered -> onRecovered(recovered.found(), attempt))
        .onMessage(RecoveryFailed.class, failed -> onRecoveryFailed(failed.failure(), attempt))
        .onMessage(HandOver.class, _ -> handedOverWhileRecovering())
        .onMessage(Internal.class, _ -> Behaviors.same())
        .onMessage(RunCommand.class, this::waiting)
        .build();
  }

  /// Stops once the takeover under way is over: one that ended later would fence the next entity.
  private Behavior<RunCommand> handedOverWhileRecovering() {
    refuseAll(RunAnswer.Refused.RECOVERING, moving());
    timers.startSingleTimer(HandOverIsLate.class, new HandOverIsLate(), HANDED_OVER_WITHIN);
    return Behaviors.receive(RunCommand.class)
        .onMessage(Recovered.class, _ -> Behaviors.stopped())
        .onMessage(RecoveryFailed.class, _ -> Behaviors.stopped())
        .onMessage(HandOverIsLate.class, _ -> Behaviors.stopped())
        .onMessage(Internal.class, _ -> Behaviors.same())
        .onMessage(RunCommand.class, this::refuseMoving)
        .build();
  }

  /// Waits for the commits under way, so that whoever asked hears an answer, then stops.
  private Behavior<RunCommand> handingOver(ActiveRun run) {
    refuseAll(RunAnswer.Refused.RECOVERING, moving());
    timers.cancelAll();
    if (run.isIdle()) {
      run.drop();
      return Behaviors.stopped();
    }
    timers.startSingleTimer(HandOverIsLate.class, new HandOverIsLate(), HANDED_OVER_WITHIN);
    return Behaviors.receive(RunCommand.class)
        .onMessage(
            HandOverIsLate.class,
            _ -> {
              run.drop();
              return Behaviors.stopped();
            })
        .onMessage(
            Internal.class,
            internal -> {
              var next = run.on(internal);
              if (!(next instanceof ActiveRun.Next.Dropped) && !run.isIdle()) {
                return Behaviors.same();
              }
              run.drop();
              return Behaviors.stopped();
            })
        .onMessage(RunCommand.class, this::refuseMoving)
        .build();
  }

  private String moving() {
    return "run %s moves to another node; send it again".formatted(runId);
  }

  private Behavior<RunCommand> refuseMoving(RunCommand command) {
    refuse(command, RunAnswer.Refused.RECOVERING, moving());
    return Behaviors.same();
  }

  private void refuseAll(String reason, String message) {
    stash.forEach(command -> refuse(command, reason, message));
    stash.clear();
  }

  private CompletionStage<Found> find() {
    return CompletableFuture.supplyAsync(
            () -> surroundings.ledger().reader().findRun(runId), surroundings.blocking())
        .thenCompose(run -> {
          if (run.isEmpty()) {
            return CompletableFuture.<Found>completedFuture(new Found.Absent());
          }
          if (run.get().isFinal()) {
            return CompletableFuture.<Found>supplyAsync(
                () -> new Found.Ended(run.get(), surroundings.ledger().reader().image(run.get())),
                surroundings.blocking());
          }
          return surroundings.ledger().takeOver(runId).thenApply(Found.Taken::new);
        });
  }

  private Behavior<RunCommand> onRecovered(Found found, int attempt) {
    try {
      return switch (found) {
        case Found.Absent() -> {
          log.atWarn().addKeyValue("run", runId).log("run is not in the ledger");
          yield absent();
        }
        case Found.Ended(var run, var image) -> {
          Decider decider =
              surroundings.deciders().open(surroundings.plans().apply(run.spec()), image, now());
          yield stash.unstashAll(
              ended(
                  new RunAnswer.Progress(
                      runId,
                      run.commitSeq(),
                      run.submitted(),
                      decider.view(now()),
                      LearnerSummary.none())));
        }
        case Found.Taken(var takeover) -> {
          Decider decider =
              surroundings
                  .deciders()
                  .open(surroundings.plans().apply(takeover.run().spec()), takeover.image(), now());
          log.atInfo()
              .addKeyValue("run", runId)
              .addKeyValue("epoch", takeover.incarnation().epoch())
              .addKeyValue("open_groups", takeover.image().openGroups().size())
              .log("run taken over");
          timers.startTimerWithFixedDelay(
              Tick.class, new Tick(), Duration.ZERO, surroundings.config().tick());
          yield stash.unstashAll(
              active(
                  new ActiveRun(
                      this,
                      takeover,
                      decider,
                      surroundings.shares().apply(takeover.run().spec()),
                      attempt)));
        }
      };
    } catch (RuntimeException failure) {
      return onRecoveryFailed(failure, attempt);
    }
  }

  private Behavior<RunCommand> onRecoveryFailed(Throwable failure, int attempt) {
    LoggingEventBuilder line =
        log.atWarn().addKeyValue("run", runId).addKeyValue("attempt", attempt);
    if (failure.getCause() instanceof LedgerException unavailable) {
      line.addKeyValue("reason", unavailable.getMessage())
          .log("run cannot be recovered; it is tried again");
    } else {
      line.setCause(failure).log("run cannot be recovered; it is tried again");
    }
    return again(attempt);
  }

  private Behavior<RunCommand> again(int attempt) {
    RunConfig config = surroundings.config();
    if (attempt >= config.recoveryAttempts()) {
      log.atError()
          .addKeyValue("run", runId)
          .addKeyValue("attempts", attempt)
          .log("run is given up here until it is woken again");
      return leavingUnrecovered();
    }
    var pause =
        Duration.ofMillis(
            Math.min(
                config.recoveryBackoffMax().toMillis(),
                config.recoveryBackoff().toMillis() << Math.min(20, attempt - 1)));
    timers.startSingleTimer(Recover.class, new Recover(), pause);
    return Behaviors.receive(RunCommand.class)
        .onMessage(Recover.class, _ -> recovering(attempt + 1))
        .onMessage(HandOver.class, _ -> stopped())
        .onMessage(Internal.class, _ -> Behaviors.same())
        .onMessage(RunCommand.class, this::waiting)
        .build();
  }

  /// Keeps a command until the run is active, while there is room.
  private Behavior<RunCommand> waiting(RunCommand command) {
    if (command instanceof RunCommand.Wake) {
      return Behaviors.same();
    }
    if (stash.isFull()) {
      refuse(
          command,
          RunAnswer.Refused.BUSY,
          "run %s recovers and %d commands wait for it; come again later"
              .formatted(runId, stash.size()));
    } else {
      stash.stash(command);
    }
    return Behaviors.same();
  }

  private Behavior<RunCommand> stopped() {
    refuseAll(RunAnswer.Refused.RECOVERING, moving());
    return Behaviors.stopped();
  }

  private Behavior<RunCommand> leavingUnrecovered() {
    return leaving(
        RunAnswer.Refused.RECOVERING,
        "run %s cannot be recovered now; come again later".formatted(runId));
  }

  private Behavior<RunCommand> absent() {
    return leaving(
        RunAnswer.Refused.NOT_FOUND,
        "run %s is not in the ledger; submit it first".formatted(runId));
  }

  private Behavior<RunCommand> leaving(String reason, String message) {
    timers.cancelAll();
    refuseAll(reason, message);
    onLeaving.accept(context.getSelf());
    return Behaviors.receive(RunCommand.class)
        .onMessage(HandOver.class, _ -> Behaviors.stopped())
        .onMessage(
            RunCommand.class,
            command -> {
              refuse(command, reason, message);
              return Behaviors.same();
            })
        .build();
  }

  private Behavior<RunCommand> active(ActiveRun run) {
    return Behaviors.receive(RunCommand.class)
        .onMessage(HandOver.class, _ -> handingOver(run))
        .onMessage(RunCommand.class, command -> after(run, run.on(command)))
        .build();
  }

  /// Where to go after a command, as [ActiveRun] says.
  private Behavior<RunCommand> after(ActiveRun run, ActiveRun.Next next) {
    return switch (next) {
      case ActiveRun.Next.Stay() -> Behaviors.same();
      case ActiveRun.Next.Later(var command) -> {
        if (stash.isFull()) {
          refuse(
              command,
              RunAnswer.Refused.BUSY,
              "run %s has %d commits under way; come again later"
                  .formatted(runId, surroundings.config().commitsInFlight()));
        } else {
          stash.stash(command);
        }
        yield Behaviors.same();
      }
      case ActiveRun.Next.Room() ->
          stash.isEmpty()
              ? Behaviors.same()
              : stash.unstash(active(run), Math.max(1, stash.size()), command -> command);
      case ActiveRun.Next.Dropped(var isFenced, var attempt) -> {
        run.drop();
        if (!isFenced) {
          yield again(attempt);
        }
        log.atError()
            .addKeyValue("run", runId)
            .log("run was taken over elsewhere; this node must leave");
        surroundings.onFenced().accept(runId);
        yield leavingUnrecovered();
      }
      case ActiveRun.Next.Ended(var progress) -> {
        timers.cancel(Tick.class);
        yield stash.unstashAll(ended(progress));
      }
    };
  }

  /// The run is over: it answers questions and refuses the rest.
  private Behavior<RunCommand> ended(RunAnswer.Progress progress) {
    return Behaviors.receive(RunCommand.class)
        .onMessage(HandOver.class, _ -> Behaviors.stopped())
        .onMessage(Internal.class, _ -> Behaviors.same())
        .onMessage(
            RunCommand.FromEdge.class,
            command -> {
              switch (command) {
                case RunCommand.GetProgress(var replyTo) -> replyTo.tell(progress);
                case RunCommand.Cancel(_, var replyTo) -> replyTo.tell(progress);
                case RunCommand.JoinWorker(_, _, var stream) ->
                    stream.tell(new ToWorker.RunEnded(runId, Long.MAX_VALUE));
                case RunCommand.Heartbeat heartbeat ->
                    heartbeat.stream().tell(new ToWorker.RunEnded(runId, Long.MAX_VALUE));
                case RunCommand.CheckSession check ->
                    check.stream().tell(new ToWorker.RunEnded(runId, Long.MAX_VALUE));
                case RunCommand.WantBatches want -> want.stream().tell(new ToLearner.RunEnded());
                case RunCommand.SubmitGroups(var groups, _, var replyTo) ->
                    replyTo.tell(
                        new RunAnswer.Submitted(
                            groups.stream()
                                .map(group ->
                                    new RunAnswer.GroupOutcome(
                                        group.group(),
                                        group.lease(),
                                        RunAnswer.GroupOutcome.Kind.REFUSED,
                                        "run %s is over".formatted(runId)))
                                .toList()));
                default ->
                    refuse(
                        command,
                        RunAnswer.Refused.ENDED,
                        "run %s is over; submit a new one".formatted(runId));
              }
              return Behaviors.same();
            })
        .build();
  }

  /// Says no to whoever waits for an answer.
  void refuse(RunCommand command, String reason, String message) {
    replyTo(command)
        .ifPresent(replyTo ->
            replyTo.tell(new RunAnswer.Refused(reason, message, Map.of("run_id", runId))));
  }

  private static Optional<ActorRef<RunAnswer>> replyTo(RunCommand command) {
    return switch (command) {
      case RunCommand.SubmitGroups(_, _, var replyTo) -> Optional.of(replyTo);
      case RunCommand.JoinLearner(_, _, _, var replyTo) -> Optional.of(replyTo);
      case RunCommand.ReportBatch report -> Optional.of(report.replyTo());
      case RunCommand.FailBatch report -> Optional.of(report.replyTo());
      case RunCommand.PublishPolicy publish -> Optional.of(publish.replyTo());
      case RunCommand.Pause(_, var replyTo) -> Optional.of(replyTo);
      case RunCommand.Resume(var replyTo) -> Optional.of(replyTo);
      case RunCommand.Cancel(_, var replyTo) -> Optional.of(replyTo);
      case RunCommand.GetProgress(var replyTo) -> Optional.of(replyTo);
      default -> Optional.empty();
    };
  }

  String runId() {
    return runId;
  }

  RunSurroundings surroundings() {
    return surroundings;
  }

  ActorContext<RunCommand> context() {
    return context;
  }

  MonotonicTime now() {
    return new MonotonicTime(surroundings.nanoTime().getAsLong());
  }
}
