package io.gradus.core.run.simulation;

import io.gradus.core.batch.BatchDigest;
import io.gradus.core.batch.BatchNumber;
import io.gradus.core.batch.BatchState;
import io.gradus.core.batch.GoldRange;
import io.gradus.core.batch.Use;
import io.gradus.core.group.GroupId;
import io.gradus.core.group.GroupPurpose;
import io.gradus.core.group.GroupState;
import io.gradus.core.group.Outcome;
import io.gradus.core.group.PayloadDigest;
import io.gradus.core.group.StateReason;
import io.gradus.core.group.Verdict;
import io.gradus.core.ledger.BatchRow;
import io.gradus.core.ledger.GroupRow;
import io.gradus.core.ledger.UseRow;
import io.gradus.core.policy.LearnerEpoch;
import io.gradus.core.run.Input;
import io.gradus.core.run.RunPlan;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;

/// G3 and G4, as far as batches and their uses show them.
final class BatchLaws {

  /// What a put of a batch does.
  enum Kind {
    BOUND,
    SETTLED,
    OTHER
  }

  /// Sessions in which a batch may fail.
  private static final int MOST_FAILURES = 3;

  private final SimulatedRun world;
  private final RunPlan plan;
  private final ModelLedger rows;
  private final Staleness staleness;

  BatchLaws(SimulatedRun world, ModelLedger rows) {
    this.world = world;
    this.plan = world.plan();
    this.rows = rows;
    this.staleness = new Staleness(rows);
  }

  /// A row is about to be put.
  Kind put(BatchRow row, Input input) {
    Optional<BatchRow> found = rows.batch(ModelLedger.BindingKey.of(row));
    if (found.isEmpty()) {
      bound(row);
      return Kind.BOUND;
    }
    BatchRow before = found.get();
    Violation.unless(
        isSame(before, row), "G3: %s is bound but its contents become %s", before, row);
    if (before.state() == row.state()) {
      Violation.unless(
          before.state() == BatchState.BOUND && row.failures() == before.failures() + 1,
          "G3: %s becomes %s without a transition",
          before,
          row);
      return Kind.OTHER;
    }
    Violation.unless(
        isLegal(before.state(), row.state()),
        "G3: %s becomes %s, which is no legal transition",
        before,
        row);
    switch (row.state()) {
      case APPLIED -> applied(row);
      case BOUND ->
          Violation.unless(
              input instanceof Input.LearnerJoined && row.appliedBy().isEmpty(),
              "G3: %s is to be applied again although no learner has joined",
              row);
      case SETTLED -> {
        return Kind.SETTLED;
      }
      case VOID -> {
        boolean isPoison = before.state() == BatchState.BOUND && row.failures() == MOST_FAILURES;
        Violation.unless(
            isPoison
                ? world.witness().sessions(row) >= MOST_FAILURES
                : row.reason().contains("the run ended"),
            "G3: %s is void after %d sessions had it",
            row,
            world.witness().sessions(row));
      }
    }
    return Kind.OTHER;
  }

  private static boolean isSame(BatchRow a, BatchRow b) {
    return a.gold().equals(b.gold())
        && a.digest().equals(b.digest())
        && a.groups() == b.groups()
        && a.round() == b.round()
        && a.indexInRound() == b.indexInRound()
        && a.batchesInRound() == b.batchesInRound()
        && a.restartFromBase() == b.restartFromBase()
        && a.publish() == b.publish()
        && a.durable() == b.durable()
        && (a.gold().isPresent() || a.completionTokens() == b.completionTokens());
  }

  private static boolean isLegal(BatchState from, BatchState to) {
    return switch (from) {
      case BOUND -> to == BatchState.APPLIED || to == BatchState.VOID;
      case APPLIED -> to == BatchState.SETTLED || to == BatchState.BOUND || to == BatchState.VOID;
      case SETTLED, VOID -> false;
    };
  }

  private void bound(BatchRow row) {
    Violation.unless(
        row.state() == BatchState.BOUND && row.appliedBy().isEmpty() && row.failures() == 0,
        "G3: a binding begins as %s",
        row);
    Violation.unless(
        row.number().equals(rows.nextNumber()),
        "G3: %s is bound where %s is next",
        row,
        rows.nextNumber());
    Violation.unless(
        row.binding() <= MOST_FAILURES, "G3: %s follows three poisonous ones in a row", row);
    int bindings = rows.binding(row.number()).map(BatchRow::binding).orElse(0);
    Violation.unless(row.binding() == bindings + 1, "G3: %s follows binding %d", row, bindings);
    Violation.unless(
        plan.stop().batches().map(last -> row.number().value() <= last).orElse(true),
        "G3: %s is bound beyond stop, which is %s",
        row,
        plan.stop().batches());
    long warmUp = plan.warmUp().map(RunPlan.WarmUp::batches).orElse(0);
    long index = row.number().value() - warmUp;
    Violation.unless(
        row.gold().isPresent() == index <= 0, "G3: warm-up has %d batches, and %s", warmUp, row);
    if (row.gold().isPresent()) {
      Violation.unless(
          row.digest().equals(BatchDigest.ofGold(row.number(), row.gold().get()))
              && row.gold().get().lastStratum() <= plan.warmUp().orElseThrow().lastStratum()
              && row.gold().get().seed() == plan.seed(),
          "G3: %s is no warm-up batch of the plan",
          row);
      rows.batches()
          .values()
          .forEach(other ->
              Violation.unless(
                  other.number().equals(row.number())
                      || other.gold().filter(gold -> overlap(gold, row.gold().get())).isEmpty(),
                  "G3: %s shows the text of %s again",
                  row,
                  other));
    } else {
      Violation.unless(
          (index % plan.publication().every() != 0 || row.publish())
              && (index % plan.publication().durableEvery() != 0 || row.durable()),
          "G4: nothing is published after %s, but %s",
          row,
          plan.publication());
    }
    Violation.unless(!row.durable() || row.publish(), "G7: %s is durable but not published", row);
    Violation.unless(
        !plan.stop().batches().filter(last -> last == row.number().value()).isPresent()
            || row.durable(),
        "G3: the last batch is not durable: %s",
        row);
  }

  private static boolean overlap(GoldRange a, GoldRange b) {
    return a.generator().equals(b.generator())
        && a.firstIndex() < b.firstIndex() + b.count()
        && b.firstIndex() < a.firstIndex() + a.count();
  }

  /// After a decision that bound a batch.
  void hasUses(BatchRow row) {
    Violation.unless(
        row.gold().isPresent() == rows.uses(ModelLedger.BindingKey.of(row)).isEmpty(),
        "G3: %s has uses: %s",
        row,
        rows.uses(ModelLedger.BindingKey.of(row)));
  }

  /// The uses of a batch are put: they are what they should be.
  void isWhole(BatchRow row) {
    List<UseRow> uses = rows.uses(ModelLedger.BindingKey.of(row));
    Violation.unless(
        uses.size() == plan.batch().units(),
        "G4: %s has %d uses where a batch has %d",
        row,
        uses.size(),
        plan.batch().units());
    var units = new HashSet<List<Long>>();
    var payloads = uses.stream().map(use -> used(row, use.use())).toList();
    for (UseRow use : uses) {
      Violation.unless(
          units.add(List.of(use.use().group().value(), (long) use.use().member())),
          "G3: %s has a unit twice: %s",
          row,
          use);
    }
    Violation.unless(
        row.digest()
            .equals(
                BatchDigest.ofReplay(
                    row.number(), uses.stream().map(UseRow::use).toList(), payloads)),
        "G3: the digest of %s is not that of its uses",
        row);
    Violation.unless(
        row.completionTokens() == uses.stream().mapToLong(use -> use.use().tokens()).sum()
            && row.groups() == uses.stream().map(use -> use.use().group()).distinct().count(),
        "G6: %s does not sum up its uses",
        row);
    if (plan.draw() == RunPlan.Draw.OLDEST_FIRST) {
      isOldestFirst(row, uses);
    }
    if (plan.draw() == RunPlan.Draw.UNIFORM) {
      isUniform(row, uses);
    }
  }

  private PayloadDigest used(BatchRow batch, Use use) {
    GroupRow group =
        rows.group(use.group()).orElseThrow(() -> new IllegalStateException("no group " + use));
    GroupRow.Admitted admitted =
        group.admitted().orElseThrow(() -> new IllegalStateException("not admitted " + group));
    Violation.unless(
        group.state() == GroupState.ACCEPTED && group.reason() == StateReason.NONE,
        "G3: %s uses %s, which has left replay",
        batch,
        group);
    Violation.unless(
        group.purpose() == GroupPurpose.TRAINING
            || (group.purpose() == GroupPurpose.RATIONALIZATION
                && plan.unit() == RunPlan.Unit.TRAJECTORY),
        "G5: %s uses %s",
        batch,
        group);
    Violation.unless(
        use.lease().equals(admitted.lease())
            && rows.payload(group.id(), admitted.lease()).isPresent(),
        "G2: %s uses %s, whose payload is not there",
        batch,
        use);
    Violation.unless(
        rows.liveUses(use.group(), use.member()) <= plan.replay().maxUses(),
        "G3: %s is the use %d of a unit, at most %d are allowed: %s",
        batch,
        rows.liveUses(use.group(), use.member()),
        plan.replay().maxUses(),
        use);
    List<Outcome> outcomes = admitted.outcomes();
    long right = outcomes.stream().filter(o -> o.verdict() == Verdict.RIGHT).count();
    Violation.unless(
        Math.abs(use.passRate() - (double) right / outcomes.size()) < 1e-9,
        "G6: %s of %s has a wrong pass rate",
        use,
        group);
    switch (plan.unit()) {
      case GROUP ->
          Violation.unless(
              use.member() == Use.WHOLE_GROUP
                  && use.tokens() == outcomes.stream().mapToInt(Outcome::tokens).sum(),
              "G3: %s of %s is not the whole group",
              use,
              group);
      case TRAJECTORY ->
          Violation.unless(
              outcomes.stream()
                  .anyMatch(o ->
                      o.member() == use.member()
                          && o.verdict() == Verdict.RIGHT
                          && o.tokens() == use.tokens()),
              "G3: %s of %s is no verified trajectory",
              use,
              group);
    }
    long stale = staleness.of(admitted.oldestVersion(), batch.number().value() - 1);
    Violation.unless(
        use.staleness() == stale
            || (use.staleness() > stale && staleness.isForgotten(admitted.oldestVersion())),
        "G4: %s of %s has staleness %d",
        use,
        group,
        stale);
    Violation.unless(
        plan.unit() == RunPlan.Unit.TRAJECTORY || stale <= plan.rollout().maxStaleness(),
        "G4: %s of %s in %s is past max_staleness %d",
        use,
        group,
        batch,
        plan.rollout().maxStaleness());
    return admitted.digest();
  }

  /// No bias to short completions: what is left behind was leased later.
  private void isOldestFirst(BatchRow row, List<UseRow> uses) {
    GroupId newest =
        uses.stream().map(use -> use.use().group()).max(GroupId::compareTo).orElseThrow();
    for (GroupId id : rows.openGroups().headSet(newest)) {
      GroupRow group = rows.group(id).orElseThrow();
      Violation.unless(
          group.state() != GroupState.ACCEPTED
              || group.reason() != StateReason.NONE
              || rows.liveUses(id, Use.WHOLE_GROUP) > 0,
          "G4: %s uses %s although %s is older",
          row,
          newest,
          group);
    }
    Violation.unless(
        uses.stream().allMatch(use -> use.use().probability() == 1),
        "G6: nothing is drawn at random in %s",
        row);
  }

  /// Draw i falls on each of the n - i units that are left alike.
  private static void isUniform(BatchRow row, List<UseRow> uses) {
    double units = 1 / uses.getFirst().use().probability();
    for (UseRow use : uses) {
      Violation.unless(
          Math.abs(1 / use.use().probability() - (units - use.ordinal())) < 1e-6,
          "G6: %s has probability %s in draw %d from %s units",
          row,
          use.use().probability(),
          use.ordinal(),
          units);
    }
  }

  private void applied(BatchRow row) {
    Optional<LearnerEpoch> newest = rows.learners().keySet().stream().reduce((_, last) -> last);
    Violation.unless(
        row.appliedBy().isPresent() && row.appliedBy().equals(newest),
        "G3: %s is applied by another session than %s",
        row,
        newest);
    Violation.unless(
        world.witness().hasApplied(row.appliedBy().orElseThrow(), row.number(), row.digest()),
        "G3: nobody has applied %s",
        row);
    if (row.number().value() > 1) {
      BatchRow previous = rows.binding(new BatchNumber(row.number().value() - 1)).orElseThrow();
      Violation.unless(
          previous.state() == BatchState.APPLIED || previous.state() == BatchState.SETTLED,
          "G3: %s is applied after %s",
          row,
          previous);
    }
  }

  /// After a decision that settled a batch: no learner goes back behind it.
  void isSettled(BatchRow row, boolean isOver) {
    Violation.unless(
        row.number().value() <= (isOver ? rows.publishedBatch() : rows.rollbackFloor()),
        "G3: %s is settled, but a learner may go back to batch %d",
        row,
        rows.rollbackFloor());
  }
}
