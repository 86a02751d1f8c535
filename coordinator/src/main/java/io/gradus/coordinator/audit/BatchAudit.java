package io.gradus.coordinator.audit;

import io.gradus.coordinator.ledger.RunScan.BatchFile;
import io.gradus.coordinator.ledger.RunScan.DrawnUse;
import io.gradus.coordinator.ledger.Scanned;
import io.gradus.core.batch.BatchDigest;
import io.gradus.core.batch.BatchPlace;
import io.gradus.core.batch.BatchState;
import io.gradus.core.batch.Use;
import io.gradus.core.group.PayloadDigest;
import io.gradus.core.ledger.BatchRow;
import io.gradus.core.ledger.GroupRow;
import io.gradus.core.ledger.UseRow;
import io.gradus.core.run.RunPlan;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/// Checks the bindings of batches one after the other, with their uses, and counts them.
final class BatchAudit {

  private final AuditedRun run;
  private final DrawAudit draws;
  private final GoldAudit gold;
  private final LineAudit line;
  private final Map<String, Long> states = new TreeMap<>();
  private long uses;
  private long steps;
  private long tokensTrained;
  private long sequencesTrained;
  private int lastRound;

  BatchAudit(AuditedRun run) {
    this.run = run;
    this.draws = new DrawAudit(run);
    this.gold = new GoldAudit(run);
    this.line = new LineAudit(run);
  }

  void check(BatchFile file) {
    switch (file.batch()) {
      case Scanned.Absent<BatchRow>() -> {
        for (DrawnUse drawn : file.uses()) {
          run.findings().add(Rule.USE_IS_LEGAL, drawn.use().name(), "there is no such binding");
        }
      }
      case Scanned.Broken<BatchRow>(var message) -> {
        line.follow(file.name(), file.number(), file.binding(), Optional.empty());
        run.findings().add(Rule.ROW_IS_READABLE, file.name(), "%s", message);
      }
      case Scanned.Sound<BatchRow>(var batch) -> {
        line.follow(file.name(), file.number(), file.binding(), Optional.of(batch));
        check(file.name(), batch, file.uses());
      }
    }
  }

  private static boolean isTrained(BatchRow batch) {
    return batch.state() == BatchState.APPLIED || batch.state() == BatchState.SETTLED;
  }

  private void check(String name, BatchRow batch, List<DrawnUse> drawn) {
    states.merge(batch.state().name(), 1L, Long::sum);
    lastRound = Math.max(lastRound, batch.round());
    if (batch.state() != BatchState.VOID) {
      uses += drawn.size();
    }
    if (isTrained(batch)) {
      steps += batch.steps();
      tokensTrained += batch.completionTokens();
      sequencesTrained += sequencesOf(batch, drawn.size());
    }
    place(name, batch);
    draws.check(name, batch, drawn);
    gold.check(name, batch);
    digest(name, batch, drawn);
    counts(name, batch, drawn);
    steps(name, batch);
  }

  private long sequencesOf(BatchRow batch, int units) {
    if (batch.gold().isPresent()) {
      return batch.gold().get().count();
    }
    return run.plan().unit() == RunPlan.Unit.TRAJECTORY
        ? units
        : (long) units * run.plan().rollout().groupSize();
  }

  private void place(String name, BatchRow batch) {
    BatchPlace expected = BatchPlace.of(run.plan(), batch.number());
    var found =
        new BatchPlace(
            batch.gold(),
            batch.round(),
            batch.indexInRound(),
            batch.batchesInRound(),
            batch.restartFromBase(),
            batch.publish(),
            batch.durable());
    if (!found.equals(expected)) {
      run.findings()
          .add(Rule.BATCH_PLACE, name, "is %s, but the plan of the run says %s", found, expected);
    }
  }

  private void digest(String name, BatchRow batch, List<DrawnUse> drawn) {
    Optional<BatchDigest> expected =
        batch.gold().isPresent()
            ? Optional.of(BatchDigest.ofGold(batch.number(), batch.gold().get()))
            : ofReplay(batch, drawn);
    if (expected.isPresent() && !expected.get().equals(batch.digest())) {
      run.findings()
          .add(
              Rule.BATCH_DIGEST,
              name,
              "its digest is %s, but what it holds makes %s",
              batch.digest().hex(),
              expected.get().hex());
    }
  }

  /// Empty where a use or its group is missing, which is a finding of its own.
  private static Optional<BatchDigest> ofReplay(BatchRow batch, List<DrawnUse> drawn) {
    var held = new ArrayList<Use>(drawn.size());
    var payloads = new ArrayList<PayloadDigest>(drawn.size());
    for (DrawnUse one : drawn) {
      one.use().row().sound().map(UseRow::use).ifPresent(held::add);
      one.admitted().sound().map(GroupRow.Admitted::digest).ifPresent(payloads::add);
    }
    return held.size() == drawn.size() && payloads.size() == drawn.size()
        ? Optional.of(BatchDigest.ofReplay(batch.number(), held, payloads))
        : Optional.empty();
  }

  private void counts(String name, BatchRow batch, List<DrawnUse> drawn) {
    List<Use> held =
        drawn.stream().flatMap(one -> one.use().row().sound().stream()).map(UseRow::use).toList();
    if (batch.gold().isEmpty()) {
      run.findings()
          .expect(
              Rule.BATCH_COUNTS,
              name,
              "completion_tokens",
              batch.completionTokens(),
              held.stream().mapToLong(Use::tokens).sum());
      run.findings()
          .expect(Rule.BATCH_COUNTS, name, "its uses", drawn.size(), run.plan().batch().units());
    } else {
      run.findings().expect(Rule.BATCH_COUNTS, name, "its uses", drawn.size(), 0);
    }
    run.findings()
        .expect(
            Rule.BATCH_COUNTS,
            name,
            "groups_drawn",
            batch.groups(),
            held.stream().map(Use::group).distinct().count());
  }

  private void steps(String name, BatchRow batch) {
    boolean isTrained = isTrained(batch);
    if (batch.state() != BatchState.VOID && isTrained != batch.appliedBy().isPresent()) {
      run.findings()
          .add(
              Rule.BATCH_STEPS,
              name,
              "is %s, %s",
              batch.state(),
              isTrained ? "but by no session" : "but was applied by a session");
    }
    if (batch.state() != BatchState.VOID) {
      run.findings()
          .expect(
              Rule.BATCH_STEPS,
              name,
              "steps and skipped_steps together",
              (long) batch.steps() + batch.skippedSteps(),
              isTrained ? stepsOf(run.plan(), batch) : 0);
    }
    if (batch.steps() < 0 || batch.skippedSteps() < 0) {
      run.findings()
          .add(
              Rule.BATCH_STEPS,
              name,
              "has %d steps and %d skipped ones",
              batch.steps(),
              batch.skippedSteps());
    }
  }

  /// Optimizer steps that a batch is worth: each pass has at most one for a unit.
  static long stepsOf(RunPlan plan, BatchRow batch) {
    return batch.gold().isPresent()
        ? 1
        : (long) Math.min(plan.batch().minibatches(), plan.batch().units()) * plan.batch().epochs();
  }

  /// Compares the sums with the run row.
  void finish() {
    line.finish();
    Findings findings = run.findings();
    long bound = run.row().batchesBound();
    long warmUp = Math.min(bound, BatchPlace.warmUpBatches(run.plan()));
    findings.expect(Rule.RUN_COUNTS, "run", "warm_up_batches", run.row().warmUpBatches(), warmUp);
    findings.expect(
        Rule.RUN_COUNTS, "run", "tokens_trained", run.row().tokensTrained(), tokensTrained);
    findings.expect(
        Rule.RUN_COUNTS,
        "run",
        "sequences_trained",
        run.row().sequencesTrained(),
        sequencesTrained);
    if (run.row().round() < lastRound) {
      findings.add(
          Rule.RUN_COUNTS,
          "run",
          "round is %d, but a batch of round %d is bound",
          run.row().round(),
          lastRound);
    }
  }

  /// Every batch up to this one is settled.
  long settled() {
    return line.settled();
  }

  Map<String, Long> states() {
    return states;
  }

  long uses() {
    return uses;
  }

  long steps() {
    return steps;
  }
}
