package io.gradus.coordinator.run;

import io.gradus.core.batch.BatchDigest;
import io.gradus.core.batch.BatchNumber;
import io.gradus.core.batch.BatchState;
import io.gradus.core.batch.Use;
import io.gradus.core.group.GroupId;
import io.gradus.core.group.GroupPurpose;
import io.gradus.core.group.GroupState;
import io.gradus.core.group.LeaseId;
import io.gradus.core.group.SessionId;
import io.gradus.core.group.StateReason;
import io.gradus.core.group.WorkerId;
import io.gradus.core.ledger.BatchRow;
import io.gradus.core.ledger.GroupRow;
import io.gradus.core.ledger.LearnerRow;
import io.gradus.core.ledger.LeaseRow;
import io.gradus.core.ledger.RunImage;
import io.gradus.core.ledger.RunRow;
import io.gradus.core.ledger.RunState;
import io.gradus.core.ledger.UseRow;
import io.gradus.core.ledger.VersionRow;
import io.gradus.core.ledger.Write;
import io.gradus.core.policy.LearnerEpoch;
import io.gradus.core.policy.PolicyVersion;
import io.gradus.core.run.Admission;
import io.gradus.core.run.Decider;
import io.gradus.core.run.Decision;
import io.gradus.core.run.Effect;
import io.gradus.core.run.Input;
import io.gradus.core.run.MonotonicTime;
import io.gradus.core.run.RunPlan;
import io.gradus.core.run.RunView;
import io.gradus.core.task.Task;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/// A decider for tests of the shell: it leases as many groups as a worker takes, binds a batch of
/// two as soon as a learner wants one, and ends the run at the batches of its plan. It knows no
/// curriculum, no staleness and no time.
public final class TinyDecider implements Decider {

  private static final int UNITS = 2;

  private final RunPlan plan;
  private final TreeMap<GroupId, GroupRow> groups = new TreeMap<>();
  private final TreeMap<BatchNumber, BatchRow> batches = new TreeMap<>();
  private final TreeMap<BatchNumber, List<Use>> uses = new TreeMap<>();
  private final TreeMap<PolicyVersion, VersionRow> versions = new TreeMap<>();
  private final TreeMap<SessionId, WorkerId> sessions = new TreeMap<>();
  private RunState state = RunState.RUNNING;
  private String reason = "";
  private long created;
  private long bound;
  private int wanted;
  private Optional<LearnerEpoch> learner;
  private List<Write> writes = new ArrayList<>();
  private List<Effect> effects = new ArrayList<>();

  public TinyDecider(RunPlan plan, RunImage image) {
    this.plan = plan;
    image.openGroups().forEach(group -> groups.put(group.id(), group));
    image.openBatches().forEach(batch -> batches.put(batch.number(), batch));
    image
        .openUses()
        .forEach(use -> uses.computeIfAbsent(use.batch(), _ -> new ArrayList<>()).add(use.use()));
    image.versions().forEach(version -> versions.put(version.manifest().version(), version));
    learner = image.learner().map(LearnerRow::epoch);
    image
        .run()
        .ifPresent(row -> {
          created = row.groupsCreated();
          bound = row.batchesBound();
          state = row.state();
          reason = row.reason();
        });
  }

  @Override
  public Decision decide(Input input, MonotonicTime now) {
    switch (input) {
      case Input.Tick() -> {}
      case Input.WorkerJoined(var session, var worker, _) -> {
        sessions.put(session, worker);
        if (!versions.isEmpty()) {
          effects.add(
              new Effect.AnnounceVersion(
                  Optional.of(session), versions.lastEntry().getValue().manifest()));
        }
      }
      case Input.WorkerLeft(var session, _) -> sessions.remove(session);
      case Input.LeaveRequested(var session) -> {
        if (groups.values().stream().noneMatch(group -> group.state() == GroupState.LEASED)) {
          sessions.remove(session);
          effects.add(new Effect.EndSession(session));
        }
      }
      case Input.Heartbeat(var session, var credits, _) -> grant(session, credits);
      case Input.VersionLoaded _ -> {}
      case Input.GroupSubmitted submitted -> submit(submitted);
      case Input.GroupFailed _ -> {}
      case Input.LearnerJoined joined -> {
        var epoch = learner.map(LearnerEpoch::next).orElse(new LearnerEpoch(1));
        learner = Optional.of(epoch);
        wanted = 0;
        writes.add(new Write.PutLearner(new LearnerRow(epoch, joined.learner())));
        effects.add(
            new Effect.AnswerJoin(
                joined.request(),
                epoch,
                Optional.ofNullable(versions.isEmpty() ? null : versions.lastEntry().getValue()),
                Optional.empty(),
                new BatchNumber(1),
                nextVersion()));
      }
      case Input.LearnerLeft _ -> wanted = 0;
      case Input.BatchesWanted(var epoch, var from, var credits) -> {
        wanted = credits;
        batches.tailMap(from, true).values().stream()
            .filter(_ -> wanted > 0)
            .forEach(batch -> {
              wanted--;
              effects.add(
                  new Effect.ReleaseBatch(
                      epoch, batch, uses.getOrDefault(batch.number(), List.of())));
            });
        bind();
      }
      case Input.BatchApplied applied -> apply(applied);
      case Input.BatchFailed(var request, _, _, _) -> effects.add(new Effect.Acknowledge(request));
      case Input.PolicyPublished published -> publish(published);
      case Input.PauseRequested(var request, _) -> {
        state = RunState.PAUSED;
        writes.add(new Write.PutRun(row()));
        effects.add(new Effect.Acknowledge(request));
      }
      case Input.ResumeRequested(var request) -> {
        state = RunState.RUNNING;
        writes.add(new Write.PutRun(row()));
        effects.add(new Effect.Acknowledge(request));
      }
      case Input.CancelRequested(var request, var why) -> {
        end(RunState.CANCELLED, why);
        effects.add(effects.size() - 1, new Effect.Acknowledge(request));
      }
    }
    var decision = new Decision(writes, effects);
    writes = new ArrayList<>();
    effects = new ArrayList<>();
    return decision;
  }

  private void grant(SessionId session, int credits) {
    if (state != RunState.RUNNING) {
      return;
    }
    var grants = new ArrayList<Effect.Grant>();
    for (int count = 0; count < credits; count++) {
      created++;
      var row =
          new GroupRow(
              new GroupId(created),
              GroupPurpose.TRAINING,
              new Task(0, 1, created),
              1,
              GroupState.LEASED,
              StateReason.NONE,
              1,
              new LeaseId(created),
              sessions.getOrDefault(session, new WorkerId("unknown")),
              Optional.empty(),
              Optional.empty());
      groups.put(row.id(), row);
      writes.add(new Write.PutGroup(row));
      writes.add(new Write.PutLease(new LeaseRow(row.lease(), row.id(), row.worker())));
      grants.add(
          new Effect.Grant(
              row.id(), row.lease(), row.purpose(), row.task(), List.of(0), Optional.empty()));
    }
    if (!grants.isEmpty()) {
      writes.add(new Write.PutRun(row()));
      effects.add(new Effect.GrantLeases(session, grants));
    }
  }

  private void submit(Input.GroupSubmitted submitted) {
    GroupRow row = groups.get(submitted.group());
    Admission admission;
    if (row == null || !row.lease().equals(submitted.lease())) {
      admission =
          submitted.group().value() <= created
              ? new Admission.Duplicate()
              : new Admission.Refused("group was never granted");
    } else if (row.state() != GroupState.LEASED) {
      admission = new Admission.Duplicate();
    } else {
      GroupRow accepted =
          with(
              row,
              GroupState.ACCEPTED,
              Optional.of(
                  new GroupRow.Admitted(
                      submitted.lease(),
                      submitted.digest(),
                      submitted.oldestVersion(),
                      submitted.outcomes())));
      groups.put(row.id(), accepted);
      writes.add(
          new Write.RequirePayload(submitted.group(), submitted.lease(), submitted.digest()));
      writes.add(new Write.PutGroup(accepted));
      writes.add(new Write.PutRun(row()));
      admission = new Admission.Accepted();
    }
    effects.add(
        new Effect.AnswerSubmit(
            submitted.request(), submitted.group(), submitted.lease(), admission));
    bind();
  }

  private void bind() {
    if (learner.isEmpty() || state != RunState.RUNNING) {
      return;
    }
    while (wanted > 0 && bound < plan.stop().batches().orElse(Long.MAX_VALUE)) {
      List<GroupRow> fresh =
          groups.values().stream()
              .filter(group -> group.state() == GroupState.ACCEPTED)
              .filter(group ->
                  uses.values().stream()
                      .flatMap(List::stream)
                      .noneMatch(use -> use.group().equals(group.id())))
              .limit(UNITS)
              .toList();
      if (fresh.size() < UNITS) {
        return;
      }
      wanted--;
      bound++;
      var number = new BatchNumber(bound);
      List<Use> drawn =
          fresh.stream()
              .map(group -> new Use(group.id(), group.lease(), Use.WHOLE_GROUP, 1, 1, 0, 2))
              .toList();
      var batch =
          new BatchRow(
              number,
              1,
              BatchState.BOUND,
              "",
              Optional.empty(),
              BatchDigest.ofReplay(
                  number,
                  drawn,
                  fresh.stream().map(group -> group.admitted().orElseThrow().digest()).toList()),
              4,
              UNITS,
              0,
              0,
              0,
              false,
              true,
              true,
              0,
              Optional.empty(),
              0,
              0,
              Optional.empty());
      batches.put(number, batch);
      uses.put(number, drawn);
      writes.add(new Write.PutBatch(batch));
      var rows = new ArrayList<UseRow>();
      for (int ordinal = 0; ordinal < drawn.size(); ordinal++) {
        rows.add(new UseRow(number, 1, ordinal, drawn.get(ordinal)));
      }
      writes.add(new Write.PutUses(rows));
      writes.add(new Write.PutRun(row()));
      effects.add(new Effect.ReleaseBatch(learner.get(), batch, drawn));
    }
  }

  private void apply(Input.BatchApplied applied) {
    BatchRow batch = batches.get(applied.batch());
    if (batch == null || !batch.digest().equals(applied.digest())) {
      effects.add(
          new Effect.Refuse(
              applied.request(), "BATCH_MISMATCH", "not the batch that was bound", Map.of()));
      return;
    }
    batches.put(batch.number(), with(batch, BatchState.APPLIED, applied));
    writes.add(new Write.PutBatch(batches.get(batch.number())));
    effects.add(new Effect.Acknowledge(applied.request()));
  }

  private void publish(Input.PolicyPublished published) {
    var version =
        new VersionRow(
            published.manifest(),
            published.parent(),
            published.epoch(),
            bound,
            bound,
            false,
            false);
    versions.put(published.manifest().version(), version);
    writes.add(new Write.PutVersion(version));
    effects.add(
        new Effect.AnswerPublish(
            published.request(), published.manifest().version(), nextVersion()));
    effects.add(new Effect.AnnounceVersion(Optional.empty(), published.manifest()));
    boolean isDone =
        plan.stop().batches().filter(limit -> batches.size() >= limit).isPresent()
            && batches.values().stream().allMatch(b -> b.state() == BatchState.APPLIED);
    if (isDone) {
      end(RunState.STOPPED, "stop.batches reached");
    }
  }

  private void end(RunState how, String why) {
    state = how;
    reason = why;
    groups.replaceAll((_, group) -> {
      if (group.state().isFinal()) {
        return group;
      }
      var last =
          with(
              group,
              group.state() == GroupState.ACCEPTED ? GroupState.TRAINED : GroupState.CANCELLED,
              group.admitted());
      writes.add(new Write.PutGroup(last));
      return last;
    });
    writes.add(new Write.PutRun(row()));
    effects.add(new Effect.EndRun(how, why));
  }

  private PolicyVersion nextVersion() {
    return new PolicyVersion(versions.isEmpty() ? 1 : versions.lastKey().value() + 1);
  }

  private static GroupRow with(
      GroupRow row, GroupState state, Optional<GroupRow.Admitted> admitted) {
    return new GroupRow(
        row.id(),
        row.purpose(),
        row.task(),
        row.size(),
        state,
        row.reason(),
        row.attempts(),
        row.lease(),
        row.worker(),
        row.pinnedVersion(),
        admitted);
  }

  private static BatchRow with(BatchRow row, BatchState state, Input.BatchApplied applied) {
    return new BatchRow(
        row.number(),
        row.binding(),
        state,
        row.reason(),
        row.gold(),
        row.digest(),
        row.completionTokens(),
        row.groups(),
        row.round(),
        row.indexInRound(),
        row.batchesInRound(),
        row.restartFromBase(),
        row.publish(),
        row.durable(),
        row.failures(),
        Optional.of(applied.epoch()),
        applied.steps(),
        applied.skippedSteps(),
        row.failedBy());
  }

  private RunRow row() {
    return new RunRow(
        state,
        reason,
        Map.of(),
        created,
        created + 1,
        1,
        bound,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        Duration.ZERO);
  }

  @Override
  public RunView view(MonotonicTime now) {
    var counts = new TreeMap<String, Long>();
    groups.values().forEach(group -> counts.merge(group.state().name(), 1L, Long::sum));
    return new RunView(
        row(),
        counts,
        0,
        batches.values().stream().filter(b -> b.state() == BatchState.APPLIED).count(),
        0,
        0,
        0,
        0,
        List.of(),
        List.of(),
        List.of(),
        Optional.ofNullable(versions.isEmpty() ? null : versions.lastEntry().getValue()),
        Optional.empty(),
        List.of(),
        learner.isPresent());
  }
}
