package io.gradus.coordinator.run;

import akka.actor.typed.ActorRef;
import io.gradus.coordinator.ledger.CommitFailure;
import io.gradus.coordinator.ledger.CommitListener;
import io.gradus.coordinator.ledger.Incarnation;
import io.gradus.coordinator.ledger.Payload;
import io.gradus.coordinator.ledger.StoredRun;
import io.gradus.coordinator.ledger.Takeover;
import io.gradus.coordinator.pool.PoolCommand;
import io.gradus.coordinator.pool.PoolEntity;
import io.gradus.coordinator.pool.PoolShare;
import io.gradus.core.group.GroupId;
import io.gradus.core.group.LeaseId;
import io.gradus.core.group.SessionId;
import io.gradus.core.group.StateReason;
import io.gradus.core.group.WorkerId;
import io.gradus.core.ledger.GroupRow;
import io.gradus.core.ledger.LearnerRow;
import io.gradus.core.ledger.RunState;
import io.gradus.core.ledger.VersionRow;
import io.gradus.core.ledger.Write;
import io.gradus.core.policy.LearnerEpoch;
import io.gradus.core.policy.Manifest;
import io.gradus.core.policy.PolicyVersion;
import io.gradus.core.run.Admission;
import io.gradus.core.run.Decider;
import io.gradus.core.run.Decision;
import io.gradus.core.run.Effect;
import io.gradus.core.run.Input;
import io.gradus.core.run.MonotonicTime;
import io.gradus.core.run.RequestId;
import io.gradus.core.run.RunView;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.RejectedExecutionException;
import java.util.function.LongConsumer;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/*
 * Decisions are pipelined. The decider goes on while earlier commits are under way; each decision
 * with writes becomes one append with a ticket, and everything that follows from a decision waits in
 * the outbox until the commit of its ticket, or of the last ticket before it, is durable. Commits of
 * a run become durable in order, so the outbox is a queue. When a commit fails the decider has seen
 * things that never happened: it is dropped with the whole outbox, and a new one is recovered.
 */

/// One incarnation of a run: its decider, and who waits for what. Owned by the entity's thread.
final class ActiveRun {

  private static final Logger log = LoggerFactory.getLogger(ActiveRun.class);

  /// What follows from a command for the entity.
  sealed interface Next {
    record Stay() implements Next {}

    /// Too many commits are under way: keep the command.
    record Later(RunCommand command) implements Next {}

    /// There is room for commands that were kept.
    record Room() implements Next {}

    /// The incarnation is at its end.
    record Dropped(boolean isFenced, int attempt) implements Next {}

    /// The run is over, durably.
    record Ended(RunAnswer.Progress progress) implements Next {}
  }

  private static final Next STAY = new Next.Stay();

  private record Outgoing(long ticket, List<LongConsumer> releases) {}

  private record Session(WorkerId worker, ActorRef<ToWorker> stream) {}

  /// Groups of one call, answered together.
  private static final class Submit {
    private final ActorRef<RunAnswer> replyTo;
    private final RunAnswer.GroupOutcome[] outcomes;
    private int open;

    private Submit(ActorRef<RunAnswer> replyTo, int groups) {
      this.replyTo = replyTo;
      this.outcomes = new RunAnswer.GroupOutcome[groups];
      this.open = groups;
    }
  }

  private sealed interface Waiting {
    record One(ActorRef<RunAnswer> replyTo) implements Waiting {}

    record Group(Submit submit, int index, GroupId group, LeaseId lease) implements Waiting {}
  }

  private final RunEntity entity;
  private final StoredRun run;
  private final PoolShare share;
  private final Incarnation incarnation;
  private final Decider decider;
  private final LearnerWindow learnerWindow = new LearnerWindow();

  /// What follows from decisions whose commits are under way, in order.
  private final ArrayDeque<Outgoing> outbox = new ArrayDeque<>();

  private final Map<RequestId, Waiting> waiting = new HashMap<>();
  private final TreeMap<SessionId, Session> sessions = new TreeMap<>();
  private final Map<WorkerId, SessionId> sessionOf = new HashMap<>();
  private Optional<LearnerEpoch> learner;
  private Optional<ActorRef<ToLearner>> learnerStream = Optional.empty();

  /// Where the learner's session serves checkpoints. Not in the ledger and not the decider's: it
  /// decides nothing, and it changes with the host that the learner happens to be on. The learner
  /// repeats it with every wish for batches, so a new incarnation has it back within a moment.
  private Optional<String> chunkServer = Optional.empty();

  /// Chunk servers of learners whose joining is under way, by the request that waits.
  private final Map<RequestId, Optional<String>> joining = new HashMap<>();

  /// What workers were told of and still lies in the store, to be told again when the files can be
  /// had from elsewhere: the newest version, and those that evaluations pin.
  private final TreeMap<PolicyVersion, Manifest> announced = new TreeMap<>();

  private long lastTicket;
  private long lastRequest;
  private long lastSession;
  private long revision;
  private Optional<MonotonicTime> claimed = Optional.empty();
  private int attempt;
  private boolean isStalled;
  private Optional<Next> end = Optional.empty();

  /// The run that was taken over.
  ///
  /// @param share of a pool that it draws on
  ActiveRun(RunEntity entity, Takeover takeover, Decider decider, PoolShare share, int attempt) {
    this.entity = entity;
    this.share = share;
    this.run = takeover.run();
    this.incarnation = takeover.incarnation();
    this.decider = decider;
    this.attempt = attempt;
    this.revision = takeover.run().commitSeq();
    this.learner = takeover.image().learner().map(LearnerRow::epoch);
  }

  Next on(RunCommand command) {
    try {
      return switch (command) {
        case RunEntity.Internal internal -> onInternal(internal);
        case RunCommand.FromEdge outer -> {
          if (outbox.size() >= entity.surroundings().config().commitsInFlight()) {
            isStalled = true;
            yield new Next.Later(command);
          }
          onEdge(outer);
          yield end.orElse(STAY);
        }
        default ->
            throw new IllegalStateException("no run understands " + command.getClass().getName());
      };
    } catch (RuntimeException broken) {
      // A broken invariant of the decider: its state cannot be trusted any more.
      log.atError()
          .addKeyValue("run", entity.runId())
          .addKeyValue("command", command.getClass().getSimpleName())
          .setCause(broken)
          .log("decider broke; the run recovers from the ledger");
      entity.refuse(
          command,
          RunAnswer.Refused.RECOVERING,
          "run %s recovers; come again".formatted(entity.runId()));
      return new Next.Dropped(false, attempt);
    }
  }

  private Next onInternal(RunEntity.Internal internal) {
    switch (internal) {
      case RunEntity.Tick() -> {
        if (outbox.size() < entity.surroundings().config().commitsInFlight()) {
          decide(List.of(new Input.Tick()));
        }
        claimSlots();
      }
      case RunEntity.Committed(var epoch, var ticket, var commitSeq) -> {
        if (epoch == incarnation.epoch()) {
          attempt = 1;
          onCommitted(ticket, commitSeq);
          if (end.isEmpty() && isStalled) {
            isStalled = false;
            return new Next.Room();
          }
        }
      }
      case RunEntity.CommitFailed(var epoch, var failure, var message) -> {
        if (epoch == incarnation.epoch()) {
          log.atWarn()
              .addKeyValue("run", entity.runId())
              .addKeyValue("failure", failure)
              .addKeyValue("reason", message)
              .log("commit failed; the decider is dropped");
          return new Next.Dropped(failure == CommitFailure.FENCED, attempt);
        }
      }
      case RunEntity.WorkerStreamEnded(var epoch, var session) -> {
        if (epoch == incarnation.epoch() && forget(session)) {
          decide(List.of(new Input.WorkerLeft(session, Input.Departure.LOST)));
        }
      }
      case RunEntity.LearnerStreamEnded(var epoch, var left, var stream) -> {
        if (epoch == incarnation.epoch() && learnerStream.filter(stream::equals).isPresent()) {
          learnerStream = Optional.empty();
          decide(List.of(new Input.LearnerLeft(left)));
        }
      }
      case RunEntity.Recover(),
          RunEntity.Recovered _,
          RunEntity.RecoveryFailed _,
          RunEntity.HandOver(),
          RunEntity.HandOverIsLate() -> {}
    }
    return end.orElse(STAY);
  }

  private void onEdge(RunCommand.FromEdge command) {
    switch (command) {
      case RunCommand.Wake() -> {}
      case RunCommand.JoinWorker(var worker, var slots, var stream) ->
          joinWorker(worker, slots, stream);
      case RunCommand.Heartbeat heartbeat -> {
        if (isKnown(heartbeat.epoch(), heartbeat.session(), heartbeat.stream())) {
          decide(
              List.of(
                  new Input.Heartbeat(
                      heartbeat.session(),
                      heartbeat.credits(),
                      heartbeat.leases().stream()
                          .collect(
                              Collectors.toMap(
                                  RunCommand.LeaseProgress::lease,
                                  RunCommand.LeaseProgress::progress,
                                  Math::max,
                                  TreeMap::new)))));
        }
      }
      case RunCommand.LeaveWorker(var epoch, var session, var stream) -> {
        Session there = sessions.get(session);
        if (epoch == incarnation.epoch() && there != null && there.stream().equals(stream)) {
          decide(List.of(new Input.LeaveRequested(session)));
        }
      }
      case RunCommand.CheckSession(var epoch, var session, var stream) -> {
        var _ = isKnown(epoch, session, stream);
      }
      case RunCommand.LoadVersion(var epoch, var session, var version) -> {
        if (epoch == incarnation.epoch() && sessions.containsKey(session)) {
          decide(List.of(new Input.VersionLoaded(session, version)));
        }
      }
      case RunCommand.FailGroup(var epoch, var session, var group, var lease) -> {
        if (epoch == incarnation.epoch() && sessions.containsKey(session)) {
          decide(List.of(new Input.GroupFailed(session, group, lease)));
        }
      }
      case RunCommand.SubmitGroups submit -> submit(submit);
      case RunCommand.JoinLearner(var learnerId, var damaged, var servedAt, var replyTo) -> {
        RequestId request = await(replyTo);
        joining.put(request, servedAt);
        decide(List.of(new Input.LearnerJoined(request, learnerId, damaged)));
      }
      case RunCommand.WantBatches want -> wantBatches(want);
      case RunCommand.ReportBatch report -> {
        if (learner.filter(report.epoch()::equals).isPresent()) {
          learnerWindow.add(report.figures());
        }
        decide(
            List.of(
                new Input.BatchApplied(
                    await(report.replyTo()),
                    report.epoch(),
                    report.batch(),
                    report.digest(),
                    report.steps(),
                    report.skippedSteps(),
                    report.figures().tokens(),
                    report.figures().sequences())));
      }
      case RunCommand.FailBatch(var epoch, var batch, var message, var replyTo) ->
          decide(List.of(new Input.BatchFailed(await(replyTo), epoch, batch, message)));
      case RunCommand.PublishPolicy(
              var epoch,
              var manifest,
              var parent,
              var seconds,
              var replyTo) -> {
        learnerWindow.published(seconds);
        decide(List.of(new Input.PolicyPublished(await(replyTo), epoch, manifest, parent)));
      }
      case RunCommand.Pause(var revokes, var replyTo) ->
          decide(List.of(new Input.PauseRequested(await(replyTo), revokes)));
      case RunCommand.Resume(var replyTo) ->
          decide(List.of(new Input.ResumeRequested(await(replyTo))));
      case RunCommand.Cancel(var reason, var replyTo) ->
          decide(List.of(new Input.CancelRequested(await(replyTo), reason)));
      case RunCommand.GetProgress(var replyTo) -> {
        var view = decider.view(entity.now());
        release(seq ->
            replyTo.tell(
                new RunAnswer.Progress(
                    entity.runId(), seq, run.submitted(), view, learnerWindow.summary())));
      }
    }
  }

  /// Tells the run's pool every second how many groups it would have sampled at once; a pool that
  /// hears nothing for a while gives the slots to others.
  private void claimSlots() {
    MonotonicTime now = entity.now();
    if (claimed.isPresent() && now.since(claimed.get()).compareTo(PoolEntity.REPEATED_EVERY) < 0) {
      return;
    }
    claimed = Optional.of(now);
    RunView view = decider.view(now);
    boolean isRunning = view.run().state() == RunState.RUNNING;
    entity
        .surroundings()
        .pools()
        .accept(
            share.pool(),
            isRunning
                ? new PoolCommand.ClaimSlots(
                    entity.runId(), share.share(), Math.max(1, view.running() + view.capacity()))
                : new PoolCommand.WithdrawClaim(entity.runId()));
  }

  private void joinWorker(WorkerId worker, int slots, ActorRef<ToWorker> stream) {
    var inputs = new ArrayList<Input>();
    SessionId older = sessionOf.get(worker);
    Session there = older == null ? null : sessions.get(older);
    if (older != null && there != null) {
      if (there.stream().equals(stream)) {
        stream.tell(new ToWorker.Admitted(entity.runId(), incarnation.epoch(), older));
        return;
      }
      entity.context().unwatch(there.stream());
      there.stream().tell(new ToWorker.Superseded(entity.runId(), incarnation.epoch()));
      var _ = forget(older);
      inputs.add(new Input.WorkerLeft(older, Input.Departure.MOVED));
    }
    var session = new SessionId(++lastSession);
    sessions.put(session, new Session(worker, stream));
    sessionOf.put(worker, session);
    entity
        .context()
        .watchWith(stream, new RunEntity.WorkerStreamEnded(incarnation.epoch(), session));
    stream.tell(new ToWorker.Admitted(entity.runId(), incarnation.epoch(), session));
    inputs.add(new Input.WorkerJoined(session, worker, slots));
    decide(inputs);
  }

  /// Forgets a session; whether it was here.
  private boolean forget(SessionId session) {
    Session there = sessions.remove(session);
    return there != null && sessionOf.remove(there.worker(), session);
  }

  private boolean isKnown(long epoch, SessionId session, ActorRef<ToWorker> stream) {
    boolean isKnown = epoch == incarnation.epoch() && sessions.containsKey(session);
    if (!isKnown) {
      stream.tell(new ToWorker.UnknownSession(entity.runId(), incarnation.epoch()));
    }
    return isKnown;
  }

  private void submit(RunCommand.SubmitGroups command) {
    List<RunCommand.SubmittedGroup> groups = command.groups();
    if (groups.isEmpty()) {
      command.replyTo().tell(new RunAnswer.Submitted(List.of()));
      return;
    }
    var submit = new Submit(command.replyTo(), groups.size());
    var inputs = new ArrayList<Input>(groups.size());
    for (int index = 0; index < groups.size(); index++) {
      RunCommand.SubmittedGroup group = groups.get(index);
      if (command.place() == RunCommand.Place.STAGED && !isStaged(group)) {
        // It was staged on another node, or the call that brought it timed out; admitting it would
        // contradict the ledger.
        settle(
            submit,
            index,
            new RunAnswer.GroupOutcome(
                group.group(),
                group.lease(),
                RunAnswer.GroupOutcome.Kind.ABSENT,
                "its payload was withdrawn; submit it again"));
        continue;
      }
      var request = new RequestId(++lastRequest);
      waiting.put(request, new Waiting.Group(submit, index, group.group(), group.lease()));
      inputs.add(
          new Input.GroupSubmitted(
              request,
              group.group(),
              group.lease(),
              group.digest(),
              group.oldestVersion(),
              group.outcomes()));
    }
    decide(inputs);
  }

  private boolean isStaged(RunCommand.SubmittedGroup group) {
    return entity
        .surroundings()
        .staging()
        .find(entity.runId(), group.group(), group.lease(), group.digest())
        .isPresent();
  }

  private void wantBatches(RunCommand.WantBatches want) {
    if (learner.filter(want.epoch()::equals).isEmpty()) {
      want.stream()
          .tell(
              new ToLearner.Fenced(
                  "learner epoch %d is not the session of run %s, which is %s; join the run again"
                      .formatted(
                          want.epoch().value(),
                          entity.runId(),
                          learner.map(epoch -> Long.toString(epoch.value())).orElse("none"))));
      return;
    }
    if (learnerStream.filter(want.stream()::equals).isEmpty()) {
      learnerStream.ifPresent(older -> {
        entity.context().unwatch(older);
        older.tell(new ToLearner.Fenced("a newer stream of the same session took over"));
      });
      learnerStream = Optional.of(want.stream());
      entity
          .context()
          .watchWith(
              want.stream(),
              new RunEntity.LearnerStreamEnded(incarnation.epoch(), want.epoch(), want.stream()));
    }
    serveFrom(want.chunkServer());
    decide(List.of(new Input.BatchesWanted(want.epoch(), want.from(), want.credits())));
  }

  private RequestId await(ActorRef<RunAnswer> replyTo) {
    var request = new RequestId(++lastRequest);
    waiting.put(request, new Waiting.One(replyTo));
    return request;
  }

  /// Feeds inputs that belong together: their writes are one append.
  private void decide(List<Input> inputs) {
    var writes = new ArrayList<Write>();
    var releases = new ArrayList<LongConsumer>();
    for (Input input : inputs) {
      Decision decision = decider.decide(input, entity.now());
      writes.addAll(decision.writes());
      for (Effect effect : decision.effects()) {
        releases.add(seq -> release(effect, seq));
      }
    }
    if (writes.isEmpty()) {
      releases.forEach(this::release);
      return;
    }
    for (Write write : writes) {
      if (write instanceof Write.PutGroup(var group) && group.reason() == StateReason.POISON_TASK) {
        releases.add(_ -> tellOfPoison(group));
      }
    }
    long ticket = ++lastTicket;
    outbox.add(new Outgoing(ticket, releases));
    ActorRef<RunCommand> self = entity.context().getSelf();
    long epoch = incarnation.epoch();
    entity
        .surroundings()
        .ledger()
        .append(
            incarnation,
            writes,
            staged(writes),
            new CommitListener() {
              @Override
              public void committed(long commitSeq) {
                self.tell(new RunEntity.Committed(epoch, ticket, commitSeq));
              }

              @Override
              public void failed(CommitFailure failure, String message) {
                self.tell(new RunEntity.CommitFailed(epoch, failure, message));
              }
            });
  }

  private void tellOfPoison(GroupRow group) {
    log.atWarn()
        .addKeyValue("run", entity.runId())
        .addKeyValue("group", group.id().value())
        .addKeyValue("source", group.task().source())
        .addKeyValue("stratum", group.task().stratum())
        .addKeyValue("task_index", group.task().index())
        .addKeyValue("leases", group.attempts())
        .addKeyValue("last_worker", group.worker().value())
        .log("a task has killed the workers that sampled it; it is set aside as POISON_TASK");
  }

  /// Payloads that wait on this node for the admissions among `writes`.
  private List<Payload> staged(List<Write> writes) {
    var payloads = new ArrayList<Payload>();
    for (Write write : writes) {
      if (write instanceof Write.RequirePayload(var group, var lease, var digest)) {
        entity
            .surroundings()
            .staging()
            .find(entity.runId(), group, lease, digest)
            .ifPresent(payloads::add);
      }
    }
    return payloads;
  }

  /// Runs `body` once everything decided so far is durable.
  private void release(LongConsumer body) {
    Outgoing last = outbox.peekLast();
    if (last == null) {
      body.accept(revision);
    } else {
      last.releases().add(body);
    }
  }

  private void onCommitted(long ticket, long commitSeq) {
    revision = commitSeq;
    while (!outbox.isEmpty() && outbox.element().ticket() <= ticket) {
      // Effects may end the run, but none of them decides: the queue does not change underneath.
      outbox.remove().releases().forEach(body -> body.accept(commitSeq));
    }
  }

  private void release(Effect effect, long commitSeq) {
    switch (effect) {
      case Effect.GrantLeases(var session, var grants) ->
          tell(session, new ToWorker.Granted(entity.runId(), incarnation.epoch(), grants));
      case Effect.RevokeLeases(var session, var leases, var message) ->
          tell(session, new ToWorker.Revoked(entity.runId(), incarnation.epoch(), leases, message));
      case Effect.EndSession(var session) -> {
        Session worker = sessions.get(session);
        if (worker != null) {
          entity.context().unwatch(worker.stream());
          var _ = forget(session);
          worker.stream().tell(new ToWorker.UnknownSession(entity.runId(), incarnation.epoch()));
        }
      }
      case Effect.AnnounceVersion(var session, var manifest) -> {
        announced.put(manifest.version(), manifest);
        ToWorker.VersionAnnounced announcement = announcement(manifest);
        if (session.isPresent()) {
          tell(session.get(), announcement);
        } else {
          sessions.values().forEach(worker -> worker.stream().tell(announcement));
        }
      }
      case Effect.AnswerSubmit(var request, var group, var lease, var admission) ->
          answerSubmit(
              request,
              new RunAnswer.GroupOutcome(group, lease, kindOf(admission), messageOf(admission)));
      case Effect.AnswerJoin join -> {
        learner = Optional.of(join.epoch());
        serveFrom(joining.getOrDefault(join.request(), Optional.empty()));
        answer(
            join.request(),
            new RunAnswer.LearnerJoined(
                join.epoch(),
                join.checkpoint(),
                join.base(),
                join.nextBatch(),
                join.nextVersion()));
        sweepCheckpoints(join.epoch());
      }
      case Effect.ReleaseBatch(var epoch, var batch, var uses) -> {
        if (learner.filter(epoch::equals).isPresent()) {
          learnerStream.ifPresent(stream -> stream.tell(new ToLearner.BatchReleased(batch, uses)));
        }
      }
      case Effect.AnswerPublish(var request, var version, var nextVersion) ->
          answer(request, new RunAnswer.Published(version, nextVersion));
      case Effect.Acknowledge(var request) -> answer(request, new RunAnswer.Acknowledged());
      case Effect.Refuse(var request, var reason, var message, var details) -> {
        Waiting asker = waiting.get(request);
        if (asker instanceof Waiting.Group(var submit, var index, var group, var lease)) {
          // A submit is answered by its outcomes alone, so that one group harms no other.
          waiting.remove(request);
          settle(
              submit,
              index,
              new RunAnswer.GroupOutcome(
                  group, lease, RunAnswer.GroupOutcome.Kind.REFUSED, message));
        } else {
          var allDetails = new HashMap<>(details);
          allDetails.putIfAbsent("run_id", entity.runId());
          answer(request, new RunAnswer.Refused(reason, message, allDetails));
        }
      }
      case Effect.DeleteCheckpoints(var versions) -> {
        versions.forEach(row -> announced.remove(row.manifest().version()));
        deleteCheckpoints(versions);
      }
      case Effect.EndRun(var state, var reason) -> {
        entity
            .surroundings()
            .pools()
            .accept(share.pool(), new PoolCommand.WithdrawClaim(entity.runId()));
        log.atInfo()
            .addKeyValue("run", entity.runId())
            .addKeyValue("state", state)
            .addKeyValue("reason", reason)
            .log("run ended");
        sessions
            .values()
            .forEach(worker ->
                worker.stream().tell(new ToWorker.RunEnded(entity.runId(), incarnation.epoch())));
        learnerStream.ifPresent(stream -> stream.tell(new ToLearner.RunEnded()));
        end =
            Optional.of(
                new Next.Ended(
                    new RunAnswer.Progress(
                        entity.runId(),
                        commitSeq,
                        run.submitted(),
                        decider.view(entity.now()),
                        learnerWindow.summary())));
      }
    }
  }

  private void tell(SessionId session, ToWorker message) {
    Session worker = sessions.get(session);
    if (worker != null) {
      worker.stream().tell(message);
    }
  }

  private ToWorker.VersionAnnounced announcement(Manifest manifest) {
    // One source so far; workers that pass on what they have will come before it in the list.
    List<String> sources =
        chunkServer.map(base -> List.of(base + "/" + directoryOf(manifest))).orElse(List.of());
    return new ToWorker.VersionAnnounced(entity.runId(), incarnation.epoch(), manifest, sources);
  }

  /// The name of the checkpoint's directory in its store.
  private static String directoryOf(Manifest manifest) {
    String uri = manifest.uri();
    int end = uri.endsWith("/") ? uri.length() - 1 : uri.length();
    return uri.substring(uri.lastIndexOf('/', end - 1) + 1, end);
  }

  /// The learner serves checkpoints from there now. Workers hear of their versions again: one that
  /// could not have the newest from the old address tries the new one at once.
  private void serveFrom(Optional<String> base) {
    if (base.equals(chunkServer)) {
      return;
    }
    chunkServer = base;
    announced
        .values()
        .forEach(manifest -> {
          ToWorker.VersionAnnounced again = announcement(manifest);
          sessions.values().forEach(worker -> worker.stream().tell(again));
        });
  }

  private void answer(RequestId request, RunAnswer answer) {
    joining.remove(request);
    if (waiting.remove(request) instanceof Waiting.One(var replyTo)) {
      replyTo.tell(answer);
    }
  }

  private void answerSubmit(RequestId request, RunAnswer.GroupOutcome outcome) {
    if (waiting.remove(request) instanceof Waiting.Group(var submit, var index, _, _)) {
      settle(submit, index, outcome);
    }
  }

  private static void settle(Submit submit, int index, RunAnswer.GroupOutcome outcome) {
    submit.outcomes[index] = outcome;
    if (--submit.open == 0) {
      submit.replyTo.tell(new RunAnswer.Submitted(List.of(submit.outcomes)));
    }
  }

  private static RunAnswer.GroupOutcome.Kind kindOf(Admission admission) {
    return switch (admission) {
      case Admission.Accepted() -> RunAnswer.GroupOutcome.Kind.ACCEPTED;
      case Admission.Filtered _ -> RunAnswer.GroupOutcome.Kind.FILTERED;
      case Admission.Stale _ -> RunAnswer.GroupOutcome.Kind.STALE;
      case Admission.Duplicate() -> RunAnswer.GroupOutcome.Kind.DUPLICATE;
      case Admission.Evaluated() -> RunAnswer.GroupOutcome.Kind.EVALUATED;
      case Admission.Incomplete() -> RunAnswer.GroupOutcome.Kind.INCOMPLETE;
      case Admission.Refused _ -> RunAnswer.GroupOutcome.Kind.REFUSED;
    };
  }

  private static String messageOf(Admission admission) {
    return switch (admission) {
      case Admission.Accepted(), Admission.Duplicate(), Admission.Evaluated() -> "";
      case Admission.Incomplete() -> "members are missing";
      case Admission.Filtered(var reason) -> reason.name();
      case Admission.Stale(var staleness, var max) ->
          "its version is %d batches old, but at most %d are allowed".formatted(staleness, max);
      case Admission.Refused(var message) -> message;
    };
  }

  private void sweepCheckpoints(LearnerEpoch epoch) {
    RunSurroundings around = entity.surroundings();
    inBackground(() -> {
      Set<String> named =
          around.ledger().reader().checkpoints(run.key()).stream()
              .map(row -> row.manifest().uri())
              .collect(Collectors.toSet());
      around.checkpoints().sweep(entity.runId(), named, epoch);
    });
  }

  private void deleteCheckpoints(List<VersionRow> versions) {
    RunSurroundings around = entity.surroundings();
    inBackground(
        () -> versions.forEach(version -> around.checkpoints().delete(entity.runId(), version)));
  }

  /// Garbage that is not collected now is collected when the next learner joins.
  private void inBackground(Runnable body) {
    try {
      entity.surroundings().blocking().execute(body);
    } catch (RejectedExecutionException full) {
      log.atWarn().addKeyValue("run", entity.runId()).log("checkpoints are swept later");
    }
  }

  /// Whether everything decided is durable and told.
  boolean isIdle() {
    return outbox.isEmpty();
  }

  /// Refuses everybody who waits, and sends sessions to the next incarnation.
  void drop() {
    var recovering =
        new RunAnswer.Refused(
            RunAnswer.Refused.RECOVERING,
            "run %s recovers from the ledger; send it again".formatted(entity.runId()),
            Map.of("run_id", entity.runId()));
    var askers = new ArrayList<ActorRef<RunAnswer>>();
    for (Waiting asker : waiting.values()) {
      ActorRef<RunAnswer> replyTo =
          switch (asker) {
            case Waiting.One(var one) -> one;
            case Waiting.Group(var submit, _, _, _) -> submit.replyTo;
          };
      if (!askers.contains(replyTo)) {
        askers.add(replyTo);
      }
    }
    askers.forEach(replyTo -> replyTo.tell(recovering));
    waiting.clear();
    joining.clear();
    outbox.clear();
    sessions
        .values()
        .forEach(worker -> {
          entity.context().unwatch(worker.stream());
          worker.stream().tell(new ToWorker.UnknownSession(entity.runId(), incarnation.epoch()));
        });
    sessions.clear();
    sessionOf.clear();
    learnerStream.ifPresent(stream -> {
      entity.context().unwatch(stream);
      stream.tell(new ToLearner.AskAgain());
    });
    learnerStream = Optional.empty();
  }
}
