package io.gradus.core.run.simulation;

import io.gradus.core.group.GroupState;
import io.gradus.core.ledger.BatchRow;
import io.gradus.core.ledger.EvaluationRow;
import io.gradus.core.ledger.GroupRow;
import io.gradus.core.ledger.Write;
import io.gradus.core.run.Decision;
import io.gradus.core.run.Effect;
import io.gradus.core.run.Input;
import io.gradus.core.run.RunPlan;
import io.gradus.core.run.RunView;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;
import java.util.function.Supplier;

/// What must hold after every decision and every effect of one incarnation, by the design alone.
///
/// Holds the rows as this incarnation has decided them, whether they are durable yet or not. A
/// decision is checked row by row, each against the row before it, then as a whole.
final class Laws {

  /// Decisions between two looks at the view, which costs more than a decision.
  private static final int VIEWED_EVERY = 8;

  private final ModelLedger rows;
  private final SimulatedRun world;
  private final StragglerLaws stragglers;
  private final GroupLaws groups;
  private final BatchLaws batches;
  private final VersionLaws versions;
  private final StratumLaws strata;
  private final EvaluationLaws evaluations;
  private final LearnerLaws learners;
  private final AdmissionLaws admissions;
  private final LeaseLaws leases;
  private final PaceLaws pace;
  private final RunLaws run;
  private final EffectLaws effects;
  private long decisions;

  /// @param rows what recovery could have read, all of it
  Laws(SimulatedRun world, ModelLedger rows) {
    this.world = world;
    this.rows = rows;
    this.stragglers = new StragglerLaws(world, rows);
    this.groups = new GroupLaws(world, rows, stragglers);
    this.batches = new BatchLaws(world, rows);
    this.versions = new VersionLaws(rows, world.plan().rollout().lockstep());
    this.strata = new StratumLaws(world.plan(), rows);
    this.evaluations = new EvaluationLaws(world.plan(), rows);
    this.learners = new LearnerLaws(world, rows);
    this.admissions = new AdmissionLaws(world.plan(), rows);
    this.leases = new LeaseLaws(world, rows);
    this.pace = new PaceLaws(world.plan(), rows);
    this.run = new RunLaws(world, rows);
    this.effects = new EffectLaws(world);
  }

  /// A decider was opened on the image of the rows.
  void opened(RunView view) {
    run.viewed(view);
  }

  /// The edge has written a payload, or found it there.
  void stored(Submission payload) {
    world
        .ledger()
        .rows()
        .payload(payload.group(), payload.lease())
        .ifPresent(digest -> rows.putPayload(payload.group(), payload.lease(), digest));
  }

  /// @param payloads that travel with the writes
  void decided(Input input, Decision decision, List<Submission> payloads, Supplier<RunView> view) {
    payloads.forEach(
        payload -> rows.putPayload(payload.group(), payload.lease(), payload.digest()));
    groups.heard(input);
    versions.heard(input);
    leases.heard(input);
    learners.decided(input, decision);
    admissions.decided(input, decision);
    if (!decision.writes().isEmpty()) {
      written(input, decision, view);
    } else {
      versions.end(input, decision, false);
    }
    run.asked(input);
    decisions++;
    if (decisions % VIEWED_EVERY == 0 && !isOver()) {
      run.viewed(view.get());
    }
    if (world.plan().unit() == RunPlan.Unit.GROUP && !isOver()) {
      stragglers.decided(view, learners, leases.pausedNanos());
    }
    if (input instanceof Input.Tick && !isOver()) {
      leases.ticked();
      pace.moves(view.get(), learners);
    }
  }

  private boolean isOver() {
    return rows.run().filter(row -> row.state().isFinal()).isPresent();
  }

  private void written(Input input, Decision decision, Supplier<RunView> view) {
    strata.begin();
    var strataBefore = new TreeMap<>(rows.strata());
    var touched = new ArrayList<GroupRow>();
    var bound = new ArrayList<BatchRow>();
    var settled = new ArrayList<BatchRow>();
    var evaluated = new ArrayList<EvaluationRow>();
    int granted = 0;
    boolean isCreating = false;
    boolean isRunWritten = false;
    for (Write write : decision.writes()) {
      switch (write) {
        case Write.PutRun(var row) -> {
          run.put(row);
          isRunWritten = true;
        }
        case Write.PutGroup(var row) -> {
          groups.put(row, input);
          strata.put(row);
          touched.add(row);
          if (row.state() == GroupState.LEASED) {
            pace.grants(row, granted);
            granted++;
            leases.granted(row);
            isCreating |= row.attempts() == 1 && row.purpose().isTraining();
          }
        }
        case Write.PutBatch(var row) -> {
          switch (batches.put(row, input)) {
            case BOUND -> {
              pace.binds(row);
              bound.add(row);
              strata.bound(row);
              stragglers.bound(row);
            }
            case SETTLED -> settled.add(row);
            case OTHER -> {}
          }
        }
        case Write.PutVersion(var row) -> versions.put(row);
        case Write.PutEvaluation(var row) -> {
          evaluations.put(row);
          evaluated.add(row);
        }
        case Write.PutLearner(var row) -> learners.put(row);
        case Write.SweepPayloads(var ids) -> ids.forEach(groups::sweep);
        case Write.RequirePayload _, Write.PutLease _, Write.PutUses _, Write.PutStratum _ -> {}
      }
      rows.apply(write);
      if (write instanceof Write.PutUses(var uses) && !uses.isEmpty()) {
        batches.isWhole(rows.batch(ModelLedger.BindingKey.of(uses.getFirst())).orElseThrow());
      }
    }
    run.end(isRunWritten);
    boolean isOver = isOver();
    touched.forEach(groups::isWhole);
    for (BatchRow row : bound) {
      batches.hasUses(row);
      if (row.binding() == 1 && row.gold().isEmpty()) {
        pace.bound();
      }
    }
    for (BatchRow row : settled) {
      batches.isSettled(row, isOver);
      groups.settled(row);
    }
    evaluated.forEach(evaluations::isWhole);
    strata.end(strataBefore);
    versions.end(input, decision, isOver);
    run.begun(granted, bound.size());
    run.isSummedUp();
    if (granted > 0) {
      pace.granted(isCreating, view.get());
    }
    if (isOver) {
      Audit.of(world.plan(), rows);
    }
  }

  /// An effect is about to leave.
  void released(Effect effect) {
    effects.released(effect);
  }
}
