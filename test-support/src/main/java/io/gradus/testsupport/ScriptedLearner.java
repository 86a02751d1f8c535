package io.gradus.testsupport;

import io.gradus.core.batch.BatchNumber;
import io.gradus.core.ledger.BatchRow;
import io.gradus.core.policy.LearnerEpoch;
import io.gradus.core.policy.LearnerId;
import io.gradus.core.policy.Lineage;
import io.gradus.core.policy.Manifest;
import io.gradus.core.policy.PolicyVersion;
import io.gradus.core.run.Effect;
import io.gradus.core.run.Input;
import io.gradus.core.run.RequestId;
import io.gradus.core.run.RunPlan;
import java.util.ArrayDeque;
import java.util.List;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.Supplier;
import java.util.random.RandomGenerator;

/// Applies batches by counting: it joins, publishes what it loaded, works batch after batch, and
/// publishes where a batch says so.
final class ScriptedLearner {

  private static final int CREDITS = 3;
  private static final LearnerId ID = new LearnerId("learner-1");

  private final RunPlan plan;
  private final RandomGenerator random;
  private final Supplier<RequestId> requests;
  private final TreeMap<Long, BatchRow> released = new TreeMap<>();
  private final ArrayDeque<Input> todo = new ArrayDeque<>();

  /// Numbers that fail in every session until they are bound anew.
  private Optional<Long> poisonous = Optional.empty();

  private Optional<LearnerEpoch> epoch = Optional.empty();
  private long step;
  private long batch;
  private Lineage lineage = Lineage.root();
  private PolicyVersion parent = new PolicyVersion(0);
  private PolicyVersion next = new PolicyVersion(1);
  private boolean isWaiting;

  ScriptedLearner(RunPlan plan, RandomGenerator random, Supplier<RequestId> requests) {
    this.plan = plan;
    this.random = random;
    this.requests = requests;
  }

  void poison(long number) {
    poisonous = Optional.of(number);
  }

  /// The process dies: what it did since its last durable checkpoint is lost.
  Optional<Input> die() {
    Optional<Input> left = epoch.map(Input.LearnerLeft::new);
    epoch = Optional.empty();
    isWaiting = false;
    todo.clear();
    released.clear();
    return left;
  }

  /// The coordinator is another incarnation: the stream is opened again.
  void reconnect() {
    isWaiting = false;
    todo.clear();
    released.clear();
    epoch.ifPresent(_ -> want());
  }

  /// What it says next; empty while it waits.
  Optional<Input> act() {
    if (isWaiting) {
      return Optional.empty();
    }
    if (epoch.isEmpty()) {
      isWaiting = true;
      return Optional.of(new Input.LearnerJoined(requests.get(), ID, List.of()));
    }
    Optional<Input> queued = Optional.ofNullable(todo.poll());
    if (queued.isPresent()) {
      isWaiting = !(queued.get() instanceof Input.BatchesWanted);
      return queued;
    }
    return Optional.ofNullable(released.remove(batch + 1)).map(this::work);
  }

  private Input work(BatchRow row) {
    LearnerEpoch session = epoch.orElseThrow();
    isWaiting = true;
    if (poisonous.filter(number -> number == row.number().value()).isPresent()) {
      if (row.failures() == 2) {
        poisonous = Optional.empty();
      }
      var failure =
          new Input.BatchFailed(requests.get(), session, row.number(), "it makes the loss NaN");
      epoch = Optional.empty();
      released.clear();
      return failure;
    }
    int worth =
        row.gold().isPresent()
            ? 1
            : Math.min(plan.batch().minibatches(), plan.batch().units()) * plan.batch().epochs();
    int skipped = random.nextInt(20) == 0 ? 1 : 0;
    step += worth - skipped;
    batch = row.number().value();
    lineage = lineage.after(row.number(), row.digest());
    if (row.publish()) {
      publish(row.durable());
    }
    want();
    return new Input.BatchApplied(
        requests.get(), session, row.number(), row.digest(), worth - skipped, skipped, 700, 70);
  }

  private void publish(boolean durable) {
    var manifest =
        new Manifest(
            next,
            step,
            batch == 0 ? Optional.empty() : Optional.of(new BatchNumber(batch)),
            "file:///checkpoints/v%d-e%d".formatted(next.value(), epoch.orElseThrow().value()),
            List.of(new Manifest.CheckpointFile("model.safetensors", 7, "0".repeat(64))),
            lineage,
            durable);
    todo.add(new Input.PolicyPublished(requests.get(), epoch.orElseThrow(), manifest, parent));
  }

  private void want() {
    todo.add(new Input.BatchesWanted(epoch.orElseThrow(), new BatchNumber(batch + 1), CREDITS));
  }

  void hear(Effect effect) {
    switch (effect) {
      case Effect.AnswerJoin join -> {
        isWaiting = false;
        epoch = Optional.of(join.epoch());
        next = join.nextVersion();
        Optional<Manifest> loaded = join.checkpoint().map(row -> row.manifest());
        step = loaded.map(Manifest::step).orElse(0L);
        batch = loaded.map(Manifest::batchOrZero).orElse(0L);
        lineage = loaded.map(Manifest::lineage).orElse(Lineage.root());
        parent = loaded.map(Manifest::version).orElse(new PolicyVersion(0));
        publish(true);
        want();
      }
      case Effect.ReleaseBatch release -> {
        if (epoch.equals(Optional.of(release.epoch()))) {
          released.putIfAbsent(release.batch().number().value(), release.batch());
        }
      }
      case Effect.AnswerPublish published -> {
        isWaiting = false;
        parent = published.version();
        next = published.nextVersion();
      }
      case Effect.Acknowledge _ -> isWaiting = false;
      case Effect.GrantLeases _,
          Effect.RevokeLeases _,
          Effect.EndSession _,
          Effect.AnnounceVersion _,
          Effect.AnswerSubmit _,
          Effect.Refuse _,
          Effect.DeleteCheckpoints _,
          Effect.EndRun _ -> {}
    }
  }
}
