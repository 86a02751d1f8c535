package io.gradus.core.run.simulation;

import io.gradus.core.batch.BatchNumber;
import io.gradus.core.group.GroupId;
import io.gradus.core.group.LeaseId;
import io.gradus.core.group.SessionId;
import io.gradus.core.group.WorkerId;
import io.gradus.core.ledger.LearnerRow;
import io.gradus.core.ledger.Write;
import io.gradus.core.policy.LearnerEpoch;
import io.gradus.core.policy.PolicyVersion;
import io.gradus.core.run.Admission;
import io.gradus.core.run.Decider;
import io.gradus.core.run.Decision;
import io.gradus.core.run.Effect;
import io.gradus.core.run.Input;
import io.gradus.core.run.MonotonicTime;
import io.gradus.core.run.RequestId;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.Consumer;
import java.util.function.Function;

/// One incarnation of the run, as the coordinator's shell runs it: a decider, decisions pipelined
/// into commits, and effects that wait for the commit of their decision.
final class Incarnation {

  /// What follows from decisions whose commits are under way.
  private record Outgoing(long ticket, List<Runnable> releases) {}

  private record Session(WorkerId worker, WorkerLink link) {}

  private final SimulatedRun world;
  private final Coordinator coordinator;
  private final long epoch;
  private final long clockOffset;
  private final Laws laws;
  private final Decider decider;
  private final CommitQueue commits;
  private final ArrayDeque<Outgoing> outbox = new ArrayDeque<>();
  private final Map<RequestId, Consumer<Optional<Effect>>> waiting = new LinkedHashMap<>();
  private final TreeMap<SessionId, Session> sessions = new TreeMap<>();
  private Optional<LearnerEpoch> learner;
  private Optional<LearnerLink> learnerLink = Optional.empty();
  private long lastTicket;
  private long lastRequest;
  private long lastSession;
  private boolean isDropped;

  Incarnation(SimulatedRun world, Coordinator coordinator, SharedLedger.Takeover takeover) {
    this.world = world;
    this.coordinator = coordinator;
    this.epoch = takeover.epoch();
    this.clockOffset = world.time().bits() >> 8;
    this.learner = takeover.image().learner().map(LearnerRow::epoch);
    this.commits = new CommitQueue(world, takeover.epoch(), takeover.commitSeq(), this);
    this.decider = world.deciders().open(world.plan(), takeover.image(), now());
    this.laws = new Laws(world, takeover.rows());
    laws.opened(decider.view(now()));
  }

  long epoch() {
    return epoch;
  }

  boolean isDropped() {
    return isDropped;
  }

  /// Whether so many commits are under way that commands have to wait.
  boolean isFull() {
    return outbox.size() >= world.faults().commitsInFlight();
  }

  private MonotonicTime now() {
    return new MonotonicTime(world.time().nanos() + clockOffset);
  }

  // Commands.

  void tick() {
    if (!isFull()) {
      decide(List.of(new Input.Tick()), List.of());
    }
  }

  void joinWorker(WorkerLink link) {
    var inputs = new ArrayList<Input>();
    for (var entry : new TreeMap<>(sessions).entrySet()) {
      if (entry.getValue().worker().equals(link.worker())) {
        if (entry.getValue().link() == link) {
          link.admitted(epoch, entry.getKey());
          return;
        }
        entry.getValue().link().superseded();
        sessions.remove(entry.getKey());
        inputs.add(new Input.WorkerLeft(entry.getKey(), Input.Departure.MOVED));
      }
    }
    var session = new SessionId(++lastSession);
    sessions.put(session, new Session(link.worker(), link));
    link.admitted(epoch, session);
    inputs.add(new Input.WorkerJoined(session, link.worker(), link.slots()));
    decide(inputs, List.of());
  }

  void leaveWorker(WorkerLink link) {
    sessions.entrySet().stream()
        .filter(entry -> entry.getValue().link() == link)
        .map(Map.Entry::getKey)
        .findFirst()
        .ifPresent(session -> {
          sessions.remove(session);
          decide(List.of(new Input.WorkerLeft(session, Input.Departure.LOST)), List.of());
        });
  }

  void heartbeat(
      WorkerLink link, long atEpoch, SessionId session, int credits, Map<LeaseId, Long> progress) {
    if (atEpoch != epoch || !sessions.containsKey(session)) {
      link.unknown(epoch);
      return;
    }
    decide(List.of(new Input.Heartbeat(session, credits, new TreeMap<>(progress))), List.of());
  }

  void loadVersion(long atEpoch, SessionId session, PolicyVersion version) {
    if (atEpoch == epoch && sessions.containsKey(session)) {
      decide(List.of(new Input.VersionLoaded(session, version)), List.of());
    }
  }

  void failGroup(long atEpoch, SessionId session, GroupId group, LeaseId lease) {
    if (atEpoch == epoch && sessions.containsKey(session)) {
      decide(List.of(new Input.GroupFailed(session, group, lease)), List.of());
    }
  }

  /// @param isStaged whether the payload goes into the transaction that admits it
  void submit(Submission submission, boolean isStaged, Consumer<Optional<Effect>> replyTo) {
    if (!isStaged) {
      laws.stored(submission);
    }
    decide(
        List.of(
            new Input.GroupSubmitted(
                await(replyTo),
                submission.group(),
                submission.lease(),
                submission.digest(),
                submission.oldestVersion(),
                submission.outcomes())),
        isStaged ? List.of(submission) : List.of());
  }

  void ask(Function<RequestId, Input> input, Consumer<Optional<Effect>> replyTo) {
    decide(List.of(input.apply(await(replyTo))), List.of());
  }

  void wantBatches(LearnerLink link, LearnerEpoch of, BatchNumber from, int credits) {
    if (learner.filter(of::equals).isEmpty()) {
      link.fenced();
      return;
    }
    if (learnerLink.filter(known -> known == link).isEmpty()) {
      learnerLink.ifPresent(LearnerLink::fenced);
      learnerLink = Optional.of(link);
    }
    decide(List.of(new Input.BatchesWanted(of, from, credits)), List.of());
  }

  void leaveLearner(LearnerLink link, LearnerEpoch of) {
    if (learnerLink.filter(known -> known == link).isPresent()) {
      learnerLink = Optional.empty();
      decide(List.of(new Input.LearnerLeft(of)), List.of());
    }
  }

  private RequestId await(Consumer<Optional<Effect>> replyTo) {
    var request = new RequestId(++lastRequest);
    waiting.put(request, replyTo);
    return request;
  }

  // Decisions.

  private void decide(List<Input> inputs, List<Submission> staged) {
    var writes = new ArrayList<Write>();
    var releases = new ArrayList<Runnable>();
    for (Input input : inputs) {
      world.time().note(() -> "e%d <- %s".formatted(epoch, input));
      Decision decision = decider.decide(input, now());
      decision
          .writes()
          .forEach(write -> world.time().note(() -> "e%d    %s".formatted(epoch, write)));
      laws.decided(
          input, decision, travelling(staged, decision.writes()), () -> decider.view(now()));
      writes.addAll(decision.writes());
      for (Effect effect : decision.effects()) {
        releases.add(() -> release(effect));
      }
    }
    world.countDecision();
    if (!writes.isEmpty()) {
      long ticket = ++lastTicket;
      outbox.add(new Outgoing(ticket, releases));
      commits.append(ticket, writes, travelling(staged, writes));
    } else if (outbox.isEmpty()) {
      releases.forEach(Runnable::run);
    } else {
      outbox.getLast().releases().addAll(releases);
    }
  }

  /// Staged payloads that a transaction requires; what is not admitted is never written.
  private static List<Submission> travelling(List<Submission> staged, List<Write> writes) {
    return staged.stream()
        .filter(payload ->
            writes.contains(
                new Write.RequirePayload(payload.group(), payload.lease(), payload.digest())))
        .toList();
  }

  /// Everything up to this ticket is durable.
  void committed(long ticket) {
    while (!isDropped && !outbox.isEmpty() && outbox.element().ticket() <= ticket) {
      outbox.remove().releases().forEach(Runnable::run);
    }
    if (!isDropped) {
      coordinator.hasRoom(this);
    }
  }

  /// A commit failed: what the decider has seen since never happened.
  void failed(boolean isFenced) {
    coordinator.lost(this, isFenced);
  }

  private void release(Effect effect) {
    world.time().note(() -> "e%d -> %s".formatted(epoch, effect));
    laws.released(effect);
    switch (effect) {
      case Effect.GrantLeases(var session, var grants) ->
          link(session).ifPresent(link -> link.granted(epoch, grants));
      case Effect.RevokeLeases(var session, var leases, _) ->
          link(session).ifPresent(link -> link.revoked(epoch, leases));
      case Effect.EndSession(var session) -> {
        Session ended = sessions.remove(session);
        if (ended != null) {
          ended.link().unknown(epoch);
        }
      }
      case Effect.AnnounceVersion(var session, var manifest) -> {
        if (session.isPresent()) {
          link(session.get()).ifPresent(link -> link.announced(epoch, manifest, false));
        } else {
          sessions.values().forEach(worker -> worker.link().announced(epoch, manifest, true));
        }
      }
      case Effect.AnswerSubmit answer -> answer(answer.request(), answer);
      case Effect.AnswerJoin answer -> {
        learner = Optional.of(answer.epoch());
        world.store().sweep(world.ledger().rows(), answer.epoch());
        answer(answer.request(), answer);
      }
      case Effect.ReleaseBatch(var of, var batch, var uses) -> {
        if (learner.filter(of::equals).isPresent()) {
          learnerLink.ifPresent(link -> link.released(batch, uses));
        }
      }
      case Effect.AnswerPublish answer -> answer(answer.request(), answer);
      case Effect.Acknowledge answer -> answer(answer.request(), answer);
      case Effect.Refuse answer -> answer(answer.request(), answer);
      case Effect.DeleteCheckpoints(var versions) ->
          versions.forEach(version -> world.store().delete(version));
      case Effect.EndRun _ -> {
        sessions.values().forEach(worker -> worker.link().ended());
        learnerLink.ifPresent(LearnerLink::ended);
        coordinator.ended(this);
      }
    }
  }

  private Optional<WorkerLink> link(SessionId session) {
    return Optional.ofNullable(sessions.get(session)).map(Session::link);
  }

  private void answer(RequestId request, Effect effect) {
    Optional.ofNullable(waiting.remove(request))
        .orElseThrow(() -> Violation.of("simulation: nobody waits for %s", effect))
        .accept(Optional.of(effect));
  }

  /// The run was dropped or its process is gone.
  ///
  /// @param isHeard whether those who wait for something learn of it
  void drop(boolean isHeard) {
    isDropped = true;
    outbox.clear();
    if (isHeard) {
      List.copyOf(waiting.values()).forEach(replyTo -> replyTo.accept(Optional.empty()));
      sessions.values().forEach(session -> session.link().unknown(epoch));
      learnerLink.ifPresent(LearnerLink::askAgain);
    }
    waiting.clear();
    sessions.clear();
    learnerLink = Optional.empty();
  }

  /// After calm nothing may stay unanswered: who waits.
  int waitingRequests() {
    return waiting.size();
  }

  /// Where the decider stands, for people.
  String describe() {
    return "epoch %d: %s".formatted(epoch, decider.view(now()));
  }

  /// What is answered to a submit that the edge itself refuses.
  static Effect refused(Submission submission, String message) {
    return new Effect.AnswerSubmit(
        new RequestId(0), submission.group(), submission.lease(), new Admission.Refused(message));
  }
}
