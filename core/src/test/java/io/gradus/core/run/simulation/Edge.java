package io.gradus.core.run.simulation;

import io.gradus.core.group.GroupId;
import io.gradus.core.group.LeaseId;
import io.gradus.core.group.PayloadDigest;
import io.gradus.core.policy.LearnerEpoch;
import io.gradus.core.run.Effect;
import io.gradus.core.run.Input;
import io.gradus.core.run.RequestId;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.Function;

/// Unary calls of workers, learners and people. A request or its answer may be lost, and a request
/// may arrive twice; who hears nothing repeats it.
///
/// A payload is either staged, to go into the transaction that admits it, or written before the run
/// is asked, as on a cluster. Either way the edge refuses another payload under a key that it
/// knows.
final class Edge {

  private record Key(GroupId group, LeaseId lease) {}

  private static final class Staged {
    private final PayloadDigest digest;
    private int holders;

    private Staged(PayloadDigest digest) {
      this.digest = digest;
    }
  }

  private final SimulatedRun world;
  private final boolean isStaging;

  /// Looked up by key alone, so its order reaches no decision.
  private final Map<Key, Staged> staged = new HashMap<>();

  Edge(SimulatedRun world, boolean isStaging) {
    this.world = world;
    this.isStaging = isStaging;
  }

  /// Submits a group.
  ///
  /// @param answer hears of the outcome, or of nothing when the run cannot take it, or never
  ///   anything
  void submit(Submission submission, Consumer<Optional<Effect>> answer) {
    send(reply -> submitted(submission, reply), answer);
  }

  private void submitted(Submission submission, Consumer<Optional<Effect>> reply) {
    if (isStaging) {
      stage(submission, reply);
    } else if (world
        .ledger()
        .rows()
        .putPayload(submission.group(), submission.lease(), submission.digest())) {
      deliver(
          incarnation -> incarnation.submit(submission, false, told(submission, reply)),
          reply,
          () -> reply.accept(Optional.of(Incarnation.refused(submission, "the run is over"))));
    } else {
      reply.accept(Optional.of(Incarnation.refused(submission, "another payload")));
    }
  }

  private void stage(Submission submission, Consumer<Optional<Effect>> reply) {
    var key = new Key(submission.group(), submission.lease());
    Staged there = staged.computeIfAbsent(key, _ -> new Staged(submission.digest()));
    if (!there.digest.equals(submission.digest())) {
      reply.accept(Optional.of(Incarnation.refused(submission, "another payload")));
      return;
    }
    there.holders++;
    Consumer<Optional<Effect>> releasing =
        outcome -> {
          release(key, there);
          reply.accept(outcome);
        };
    deliver(
        incarnation -> {
          if (staged.get(key) == there) {
            incarnation.submit(submission, true, told(submission, releasing));
          }
        },
        releasing,
        () -> releasing.accept(Optional.of(Incarnation.refused(submission, "the run is over"))));
  }

  private void release(Key key, Staged entry) {
    if (--entry.holders == 0) {
      staged.remove(key, entry);
    }
  }

  /// A repeated submit is a duplicate only if it repeats the same bytes.
  private Consumer<Optional<Effect>> told(Submission submission, Consumer<Optional<Effect>> reply) {
    return outcome -> reply.accept(outcome.map(effect -> correct(submission, effect)));
  }

  private Effect correct(Submission submission, Effect effect) {
    boolean isOther =
        effect instanceof Effect.AnswerSubmit answer
            && answer.admission() instanceof io.gradus.core.run.Admission.Duplicate
            && world
                .ledger()
                .rows()
                .payload(submission.group(), submission.lease())
                .filter(digest -> !digest.equals(submission.digest()))
                .isPresent();
    return isOther ? Incarnation.refused(submission, "another payload") : effect;
  }

  /// Asks the run something that has one answer.
  void ask(Function<RequestId, Input> input, Consumer<Optional<Effect>> answer) {
    send(
        reply ->
            deliver(
                incarnation -> incarnation.ask(input, reply),
                reply,
                () ->
                    reply.accept(
                        Optional.of(
                            new Effect.Refuse(
                                new RequestId(0), "RUN_ENDED", "the run is over", Map.of())))),
        answer);
  }

  private void deliver(
      Consumer<Incarnation> body, Consumer<Optional<Effect>> reply, Runnable isOver) {
    world
        .coordinator()
        .deliver(new Coordinator.Command(body, () -> reply.accept(Optional.empty()), isOver));
  }

  private void send(
      Consumer<Consumer<Optional<Effect>>> request, Consumer<Optional<Effect>> answer) {
    Consumer<Optional<Effect>> reply =
        outcome -> {
          if (!world.network().loses()) {
            world.time().after(world.network().delay(), () -> answer.accept(outcome));
          }
        };
    int copies = world.network().loses() ? 0 : world.network().repeats() ? 2 : 1;
    for (int copy = 0; copy < copies; copy++) {
      world.time().after(world.network().delay(), () -> request.accept(reply));
    }
  }

  /// The process was killed: what it had in memory is gone.
  void forget() {
    staged.clear();
  }

  /// The name of a checkpoint directory.
  static String uri(long version, long step, LearnerEpoch epoch) {
    return "file:///checkpoints/v%08d-s%08d-e%d".formatted(version, step, epoch.value());
  }
}
