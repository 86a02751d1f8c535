package io.gradus.coordinator.edge;

import akka.actor.NoSerializationVerificationNeeded;
import akka.actor.typed.ActorRef;
import akka.actor.typed.Behavior;
import akka.actor.typed.javadsl.ActorContext;
import akka.actor.typed.javadsl.Behaviors;
import akka.actor.typed.javadsl.TimerScheduler;
import io.gradus.coordinator.run.RunCommand;
import io.gradus.coordinator.run.ToLearner;
import io.gradus.core.batch.BatchNumber;
import io.gradus.core.policy.LearnerEpoch;
import io.gradus.learner.v1.StreamBatchesResponse;
import io.grpc.StatusRuntimeException;
import java.util.ArrayDeque;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletionStage;
import java.util.function.Function;

/// The batch stream of a learner on this node.
///
/// Batches go out strictly by number. One batch at a time is read from the ledger and sent; those
/// released after it wait as numbers, at most as many as the learner gave credits for.
final class BatchStream {

  /// What the stream is told.
  sealed interface Message extends NoSerializationVerificationNeeded {}

  record Credits(int credits) implements Message {}

  record FromRun(ToLearner message) implements Message {}

  record Read(List<StreamBatchesResponse> messages) implements Message {}

  record Unread(Throwable failure) implements Message {}

  record Ready() implements Message {}

  record Check() implements Message {}

  /// The learner ended its side, or is gone.
  record Ended(Optional<StatusRuntimeException> refusal, boolean isGone) implements Message {}

  private final ActorContext<Message> context;
  private final Outlet<StreamBatchesResponse> outlet;
  private final String runId;
  private final LearnerEpoch epoch;
  private final Optional<String> chunkServer;
  private final Runs runs;
  private final Function<ToLearner.BatchReleased, CompletionStage<List<StreamBatchesResponse>>>
      reader;
  private final EdgeConfig config;
  private final ActorRef<ToLearner> fromRun;
  private final ArrayDeque<ToLearner.BatchReleased> released = new ArrayDeque<>();

  /// The batch that the run releases next.
  private BatchNumber next;

  /// Batches that the learner has room for and the run has not released.
  private int outstanding;

  private boolean isReading;
  private boolean isEnding;

  private BatchStream(
      ActorContext<Message> context,
      Outlet<StreamBatchesResponse> outlet,
      String runId,
      LearnerEpoch epoch,
      BatchNumber from,
      Optional<String> chunkServer,
      Runs runs,
      Function<ToLearner.BatchReleased, CompletionStage<List<StreamBatchesResponse>>> reader,
      EdgeConfig config) {
    this.context = context;
    this.outlet = outlet;
    this.runId = runId;
    this.epoch = epoch;
    this.next = from;
    this.chunkServer = chunkServer;
    this.runs = runs;
    this.reader = reader;
    this.config = config;
    this.fromRun = context.messageAdapter(ToLearner.class, FromRun::new);
  }

  static Behavior<Message> create(
      Outlet<StreamBatchesResponse> outlet,
      String runId,
      LearnerEpoch epoch,
      BatchNumber from,
      Optional<String> chunkServer,
      Runs runs,
      Function<ToLearner.BatchReleased, CompletionStage<List<StreamBatchesResponse>>> reader,
      EdgeConfig config) {
    return Behaviors.setup(context ->
        Behaviors.withTimers((TimerScheduler<Message> timers) -> {
          var stream =
              new BatchStream(
                  context, outlet, runId, epoch, from, chunkServer, runs, reader, config);
          timers.startTimerWithFixedDelay(new Check(), config.sessionCheck());
          return Behaviors.receive(Message.class).onMessage(Message.class, stream::on).build();
        }));
  }

  private Behavior<Message> on(Message message) {
    switch (message) {
      case Credits(var credits) -> {
        outstanding += credits;
        want();
      }
      case FromRun(ToLearner.BatchReleased batch) -> {
        // A batch that was asked for twice is released twice; the first one counts.
        if (batch.batch().number().equals(next)) {
          next = next.next();
          outstanding = Math.max(0, outstanding - 1);
          released.add(batch);
          readNext();
        }
      }
      case FromRun(ToLearner.RunEnded()) -> {
        isEnding = true;
        return endIfDone();
      }
      case FromRun(ToLearner.Fenced(var text)) -> {
        outlet.fail(
            Refusals.failedPrecondition(
                "LEARNER_FENCED",
                text,
                Map.of("run_id", runId, "learner_epoch", Long.toString(epoch.value()))));
        return Behaviors.stopped();
      }
      case FromRun(ToLearner.AskAgain()) -> want();
      case Read(var messages) -> {
        isReading = false;
        for (StreamBatchesResponse part : messages) {
          if (!outlet.send(part)) {
            outlet.fail(Outlet.tooSlow());
            return Behaviors.stopped();
          }
        }
        readNext();
        return endIfDone();
      }
      case Unread(var failure) -> {
        outlet.fail(Answers.statusOf(failure));
        return Behaviors.stopped();
      }
      case Ready() -> {
        outlet.drain();
        readNext();
        return endIfDone();
      }
      case Check() -> {
        if (outlet.isStuck(config.slowConsumerTimeout())) {
          outlet.fail(Outlet.tooSlow());
          return Behaviors.stopped();
        }
        if (!isEnding) {
          // The run may have moved to another node, which knows nothing of this stream.
          want();
        }
      }
      case Ended(var refusal, var isGone) -> {
        if (isGone) {
          outlet.abandon();
        } else if (refusal.isPresent()) {
          outlet.fail(refusal.get());
        } else {
          outlet.complete();
        }
        return Behaviors.stopped();
      }
    }
    return Behaviors.same();
  }

  private void want() {
    runs.get(runId)
        .tell(new RunCommand.WantBatches(epoch, next, outstanding, chunkServer, fromRun));
  }

  /// Reads the next released batch once the one before it has left.
  private void readNext() {
    if (isReading || !outlet.isEmpty() || released.isEmpty()) {
      return;
    }
    isReading = true;
    context.pipeToSelf(
        reader.apply(released.remove()),
        (messages, failure) -> failure == null ? new Read(messages) : new Unread(failure));
  }

  private Behavior<Message> endIfDone() {
    if (isEnding && !isReading && released.isEmpty() && outlet.isEmpty()) {
      outlet.complete();
      return Behaviors.stopped();
    }
    return Behaviors.same();
  }
}
