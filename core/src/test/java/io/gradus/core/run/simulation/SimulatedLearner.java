package io.gradus.core.run.simulation;

import io.gradus.core.batch.BatchDigest;
import io.gradus.core.batch.BatchNumber;
import io.gradus.core.batch.Use;
import io.gradus.core.ledger.BatchRow;
import io.gradus.core.ledger.VersionRow;
import io.gradus.core.policy.LearnerEpoch;
import io.gradus.core.policy.LearnerId;
import io.gradus.core.policy.Lineage;
import io.gradus.core.policy.Manifest;
import io.gradus.core.policy.PolicyVersion;
import io.gradus.core.run.Effect;
import io.gradus.core.run.Input;
import io.gradus.core.run.RequestId;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.TreeSet;
import java.util.function.Consumer;
import java.util.function.Function;

/// A learner: joins, loads what the run names, publishes it, then applies batches in order, reports
/// each, and publishes where a batch says so before it goes on. It computes the lineage from what
/// it applied. While there are faults it dies in the worst moments, repeats itself, reports
/// failures, finds checkpoints damaged, and goes on in the belief that it is the only one.
final class SimulatedLearner {

  /// Where checkpoints would lie that were never written.
  private static final String NOWHERE = "file:///nowhere/";

  private static final Duration RETRY = Duration.ofMillis(1500);

  /// A batch as it arrived.
  private record Received(BatchRow batch, List<Use> uses) {}

  private final SimulatedRun world;
  private final LearnerId id;
  private final TreeSet<PolicyVersion> damaged = new TreeSet<>();
  private Optional<Session> current = Optional.empty();
  private boolean isOver;

  SimulatedLearner(SimulatedRun world, LearnerId id) {
    this.world = world;
    this.id = id;
  }

  /// A process starts; an older one may still be there.
  void start() {
    if (isOver || current.isPresent()) {
      return;
    }
    var session = new Session();
    current = Optional.of(session);
    session.join();
  }

  boolean isRunning() {
    return current.filter(session -> !session.isDead).isPresent();
  }

  /// Whether its session has got through: it was admitted and its weights are published.
  boolean isLearning() {
    return current.filter(session -> !session.isDead && session.link.isPresent()).isPresent();
  }

  // Faults.

  /// @param isNoticed whether the run learns of the broken stream
  /// @param isAlive whether the old process goes on beside the new one
  void restart(boolean isNoticed, boolean isAlive) {
    if (isOver) {
      return;
    }
    world.time().note(() -> "%s restarts".formatted(id.value()));
    current.ifPresent(session -> {
      if (!isAlive) {
        session.die(isNoticed);
      }
    });
    current = Optional.empty();
    world.time().after(world.time().millis(10, 3000), this::start);
  }

  /// The process dies and is not started again.
  void stop() {
    current.ifPresent(session -> session.die(true));
    current = Optional.empty();
    isOver = true;
  }

  void lose(boolean isNoticed) {
    current.flatMap(session -> session.link).ifPresent(link -> link.breakOff(isNoticed));
  }

  /// One process from its start to its death.
  final class Session {

    private boolean isDead;
    private Optional<LearnerEpoch> epoch = Optional.empty();
    private Optional<LearnerLink> link = Optional.empty();
    private final ArrayDeque<Received> inbox = new ArrayDeque<>();
    private boolean isBusy;

    // What the weights are.
    private long step;
    private Optional<BatchNumber> batch = Optional.empty();
    private Lineage lineage = Lineage.root();
    private Optional<BatchNumber> batchBefore = Optional.empty();
    private Lineage lineageBefore = Lineage.root();
    private PolicyVersion parent = new PolicyVersion(0);
    private PolicyVersion next = new PolicyVersion(1);
    private boolean hasBase;

    private LearnerEpoch epoch() {
      return epoch.orElseThrow();
    }

    private BatchNumber nextBatch() {
      return batch.map(BatchNumber::next).orElse(new BatchNumber(1));
    }

    private void join() {
      List<PolicyVersion> reported = List.copyOf(damaged);
      call(
          request -> new Input.LearnerJoined(request, id, reported),
          effect -> {
            switch (effect) {
              case Effect.AnswerJoin answer -> joined(answer, reported);
              case Effect.Refuse refusal -> {
                if (refusal.reason().equals("RUN_ENDED")) {
                  isOver();
                } else {
                  world.time().after(world.time().millis(100, 1000), this::join);
                }
              }
              default -> throw new IllegalStateException("a join is answered by " + effect);
            }
          });
    }

    private void joined(Effect.AnswerJoin answer, List<PolicyVersion> reported) {
      epoch = Optional.of(answer.epoch());
      next = answer.nextVersion();
      hasBase = answer.base().isPresent();
      if (answer.checkpoint().isPresent()) {
        VersionRow checkpoint = answer.checkpoint().get();
        Manifest manifest = checkpoint.manifest();
        Violation.unless(
            !reported.contains(manifest.version()),
            "G7: a learner is given %s, which it reported as damaged",
            manifest.version());
        if (isOverrun()) {
          // A newer session may have had it deleted.
          isFenced();
          return;
        }
        Violation.unless(
            world.store().has(manifest.uri()),
            "G7: the checkpoint %s that a learner is to load was deleted",
            manifest.uri());
        if (world.store().isDamaged(manifest.uri())) {
          damaged.add(manifest.version());
          die(true);
          current = Optional.empty();
          world.time().after(world.time().millis(10, 200), SimulatedLearner.this::start);
          return;
        }
        step = manifest.step();
        batch = manifest.batch();
        lineage = manifest.lineage();
        batchBefore = batch;
        lineageBefore = lineage;
        parent = manifest.version();
      }
      Violation.unless(
          answer.nextBatch().equals(nextBatch()),
          "G3: a learner with weights of batch %s is to begin with %s",
          batch,
          answer.nextBatch());
      after(
          world.time().millis(5, 200),
          () -> publish(world.faultyChance(0.5) || batch.isEmpty(), this::listen));
    }

    /// Whether a newer session has joined.
    private boolean isOverrun() {
      return world.ledger().rows().learners().lastKey().compareTo(epoch()) > 0;
    }

    private void listen() {
      var opened = new LearnerLink(world, this, epoch(), nextBatch());
      link = Optional.of(opened);
      inbox.clear();
      opened.credit(world.time().between(1, 3));
    }

    void receives(BatchRow received, List<Use> uses) {
      if (isDead) {
        return;
      }
      world.witness().receives(received);
      inbox.add(new Received(received, uses));
      work();
    }

    private void work() {
      if (isBusy || isDead || inbox.isEmpty()) {
        return;
      }
      if (world.faultyChance(0.1)) {
        lie();
      }
      isBusy = true;
      Received received = inbox.remove();
      Violation.unless(
          received.batch().number().equals(nextBatch()),
          "G3: %s arrives where %s is next",
          received.batch(),
          nextBatch());
      after(
          world.time().millis(10, 150),
          () -> {
            if (!world.isPoison(received.batch()) && !world.faultyChance(0.01)) {
              apply(received.batch());
            } else if (world.isDeadly(received.batch())) {
              endWith(world.time().chance(0.5));
            } else {
              fail(received.batch());
            }
          });
    }

    /// Says something that is not so, which must be refused.
    private void lie() {
      BatchRow first = inbox.element().batch();
      BatchRow last = inbox.getLast().batch();
      switch (world.time().below(4)) {
        case 0 -> {
          if (inbox.size() > 1) {
            reportFalsely(last.number(), last.digest());
          }
        }
        case 1 ->
            reportFalsely(
                first.number(), BatchDigest.ofReplay(first.number(), List.of(), List.of()));
        case 2 ->
            // The right batch, but another way to it.
            publishFalsely(batch, Lineage.root().after(first.number(), first.digest()));
        default -> {
          // Without the batch that it has applied last.
          if (!batch.equals(batchBefore)) {
            publishFalsely(batchBefore, lineageBefore);
          }
        }
      }
    }

    private void reportFalsely(BatchNumber number, BatchDigest digest) {
      claim(request -> new Input.BatchApplied(request, epoch(), number, digest, 1, 0, 1, 1));
    }

    private void publishFalsely(Optional<BatchNumber> claimed, Lineage hash) {
      var manifest = new Manifest(next, step, claimed, NOWHERE + step, List.of(), hash, true);
      PolicyVersion from = parent;
      claim(request -> new Input.PolicyPublished(request, epoch(), manifest, from));
    }

    /// Arrives at once, or it might have become so.
    private void claim(Function<RequestId, Input> input) {
      world
          .coordinator()
          .serveNow(incarnation ->
              incarnation.ask(
                  input,
                  answer ->
                      answer.ifPresent(effect ->
                          Violation.unless(
                              effect instanceof Effect.Refuse || isOfOld(effect),
                              "G3: a learner says what is not so and is answered %s",
                              effect))));
    }

    /// Whether it was taken for the repetition of an earlier publication, which changes nothing.
    private boolean isOfOld(Effect effect) {
      return effect instanceof Effect.AnswerPublish answer
          && world
              .ledger()
              .rows()
              .version(answer.version())
              .filter(row -> !row.manifest().uri().startsWith(NOWHERE))
              .isPresent();
    }

    private void fail(BatchRow failed) {
      call(
          request -> new Input.BatchFailed(request, epoch(), failed.number(), "not finite"),
          _ -> endWith(true));
    }

    private void endWith(boolean isNoticed) {
      die(isNoticed);
      if (current.filter(session -> session == this).isPresent()) {
        restart(isNoticed, false);
      }
    }

    private void apply(BatchRow applied) {
      Violation.unless(
          !applied.restartFromBase() || hasBase,
          "G3: %s restarts from a base that there is none of",
          applied);
      int steps =
          applied.gold().isPresent()
              ? 1
              : world.plan().batch().minibatches() * world.plan().batch().epochs();
      int skipped = world.time().chance(0.03) ? world.time().between(1, steps) : 0;
      step += steps - skipped;
      batchBefore = batch;
      lineageBefore = lineage;
      batch = Optional.of(applied.number());
      lineage = lineage.after(applied.number(), applied.digest());
      world.witness().applied(epoch(), applied, lineage);
      report(applied, steps - skipped, skipped);
    }

    private void report(BatchRow applied, int steps, int skipped) {
      call(
          request ->
              new Input.BatchApplied(
                  request,
                  epoch(),
                  applied.number(),
                  applied.digest(),
                  steps,
                  skipped,
                  10L * applied.number().value(),
                  applied.gold().map(gold -> gold.count()).orElse(2)),
          effect -> {
            if (effect instanceof Effect.Acknowledge) {
              if (world.faultyChance(0.05)) {
                report(applied, steps, skipped);
              } else if (applied.publish()) {
                publish(applied.durable(), this::goOn);
              } else if (world.faultyChance(0.03)) {
                publish(world.time().chance(0.5), this::goOn);
              } else {
                goOn();
              }
            } else {
              refused(effect);
            }
          });
    }

    private void goOn() {
      isBusy = false;
      link.ifPresent(known -> known.credit(1));
      work();
    }

    private void publish(boolean durable, Runnable then) {
      var manifest =
          new Manifest(
              next,
              step,
              batch,
              Edge.uri(next.value(), step, epoch()),
              List.of(new Manifest.CheckpointFile("model.safetensors", 1, "0".repeat(64))),
              lineage,
              durable);
      if (!world.store().has(manifest.uri())) {
        world.store().write(manifest.uri(), epoch());
      }
      announce(manifest, parent, then);
    }

    private void announce(Manifest manifest, PolicyVersion from, Runnable then) {
      call(
          request -> new Input.PolicyPublished(request, epoch(), manifest, from),
          effect -> {
            if (effect instanceof Effect.AnswerPublish answer) {
              world.witness().published(epoch(), manifest, answer.version());
              parent = answer.version();
              next = answer.nextVersion();
              hasBase = true;
              if (world.faultyChance(0.05)) {
                announce(manifest, from, then);
              } else {
                then.run();
              }
            } else {
              refused(effect);
            }
          });
    }

    /// A learner that does nothing wrong is refused only where it is not the learner any more.
    private void refused(Effect effect) {
      if (effect instanceof Effect.Refuse refusal) {
        if (refusal.reason().equals("RUN_ENDED")) {
          isOver();
          return;
        }
        Violation.unless(
            (refusal.reason().equals("LEARNER_FENCED") && isOverrun())
                || world.coordinator().wasDoubled(),
            "G3: the learner of %s is refused: %s",
            epoch,
            refusal);
        isFenced();
        return;
      }
      throw new IllegalStateException("a learner is answered by " + effect);
    }

    void isFenced() {
      boolean wasCurrent = current.filter(session -> session == this).isPresent();
      die(false);
      if (wasCurrent) {
        restart(false, false);
      }
    }

    void isCutOff(LearnerLink broken) {
      if (!isDead && link.filter(known -> known == broken).isPresent()) {
        after(
            world.time().millis(10, 500),
            () -> {
              // What was under way goes on; the stream begins again behind it.
              if (link.filter(known -> known == broken).isPresent()) {
                if (isBusy) {
                  isCutOff(broken);
                } else {
                  listen();
                }
              }
            });
      }
    }

    void isOver() {
      isDead = true;
      isOver = true;
    }

    private void die(boolean isNoticed) {
      isDead = true;
      link.ifPresent(known -> known.breakOff(isNoticed));
    }

    private void after(Duration delay, Runnable body) {
      world
          .time()
          .after(
              delay,
              () -> {
                if (!isDead) {
                  body.run();
                }
              });
    }

    /// Asks until it is answered.
    private void call(Function<RequestId, Input> input, Consumer<Effect> answered) {
      boolean[] isAnswered = {false};
      world
          .edge()
          .ask(
              input,
              answer -> {
                if (isDead || isAnswered[0]) {
                  return;
                }
                isAnswered[0] = true;
                if (answer.isPresent()) {
                  answered.accept(answer.get());
                } else {
                  after(world.time().millis(20, 300), () -> call(input, answered));
                }
              });
      after(
          RETRY,
          () -> {
            if (!isAnswered[0]) {
              isAnswered[0] = true;
              call(input, answered);
            }
          });
    }
  }

  /// What was applied in one session, for people.
  List<String> describe() {
    var lines = new ArrayList<String>();
    current.ifPresent(session ->
        lines.add(
            "%s: epoch %s, batch %s, %s"
                .formatted(
                    id.value(), session.epoch, session.batch, session.isBusy ? "busy" : "idle")));
    return lines;
  }
}
