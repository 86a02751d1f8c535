package io.gradus.coordinator.edge;

import akka.actor.NoSerializationVerificationNeeded;
import akka.actor.typed.ActorRef;
import akka.actor.typed.Behavior;
import akka.actor.typed.javadsl.ActorContext;
import akka.actor.typed.javadsl.Behaviors;
import akka.actor.typed.javadsl.TimerScheduler;
import io.gradus.coordinator.pool.PoolAnswer;
import io.gradus.coordinator.pool.PoolCommand;
import io.gradus.coordinator.pool.PoolEntity;
import io.gradus.coordinator.run.RunCommand;
import io.gradus.coordinator.run.RunRegistry;
import io.gradus.coordinator.run.ToWorker;
import io.gradus.coordinator.spec.RunPlanMapper;
import io.gradus.core.group.GroupId;
import io.gradus.core.group.GroupPurpose;
import io.gradus.core.group.LeaseId;
import io.gradus.core.group.SessionId;
import io.gradus.core.group.WorkerId;
import io.gradus.core.policy.PolicyVersion;
import io.gradus.core.pool.FairShare;
import io.gradus.core.run.Effect;
import io.gradus.rollout.v1.Lease;
import io.gradus.rollout.v1.LeasesGranted;
import io.gradus.rollout.v1.LeasesRevoked;
import io.gradus.rollout.v1.PayloadEncoding;
import io.gradus.rollout.v1.RunAssigned;
import io.gradus.rollout.v1.RunClosed;
import io.gradus.rollout.v1.VersionPublished;
import io.gradus.rollout.v1.WorkResponse;
import io.gradus.run.v1.RunSpec;
import io.gradus.run.v1.Schedule;
import io.grpc.StatusRuntimeException;
import java.time.Duration;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletionStage;
import java.util.function.Function;
import java.util.function.LongSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// One worker's stream on this node: a session with every active run.
///
/// A worker offers credits, not credits for a run. Its pool says how many of its slots each run
/// gets, and the stream splits the credits so; until it has heard from the pool it splits them
/// evenly. It has a session with the runs that got slots. Sessions are soft: an incarnation that
/// does not know one says so, and the stream joins again with what the worker said last.
final class WorkerStream {

  /// What the stream is told.
  sealed interface Message extends NoSerializationVerificationNeeded {}

  record Beat(int credits, Map<String, List<RunCommand.LeaseProgress>> leases) implements Message {}

  record Loaded(String runId, PolicyVersion version) implements Message {}

  record Failed(String runId, GroupId group, LeaseId lease) implements Message {}

  record FromRun(ToWorker message) implements Message {}

  record Active(List<String> runs) implements Message {}

  record SpecRead(String runId, RunSpec spec) implements Message {}

  record SpecUnread(String runId) implements Message {}

  record Ready() implements Message {}

  record Check() implements Message {}

  record Offer() implements Message {}

  record FromPool(PoolAnswer answer) implements Message {}

  /// The worker ended its side, or is gone.
  record Ended(Optional<StatusRuntimeException> refusal, boolean isGone) implements Message {}

  /// What the stream knows of a run.
  private static final class Link {
    private Optional<RunSpec> spec = Optional.empty();
    private boolean isReadingSpec;
    private boolean isAssigned;
    private long epoch;
    private Optional<SessionId> session = Optional.empty();
  }

  private static final Logger log = LoggerFactory.getLogger(WorkerStream.class);

  /// For a worker without a run.
  private static final Duration SILENT_AFTER = Duration.ofSeconds(15);

  private final ActorContext<Message> context;
  private final Outlet<WorkResponse> outlet;
  private final WorkerId worker;
  private final int slots;
  private final String pool;
  private final Runs runs;
  private final Function<String, CompletionStage<RunSpec>> specs;
  private final Duration slowConsumerTimeout;
  private final LongSupplier nanoTime;
  private final ActorRef<ToWorker> fromRuns;
  private final ActorRef<PoolAnswer> fromPool;
  private final Map<String, Link> links = new LinkedHashMap<>();
  private final Set<String> ended = new HashSet<>();
  private Optional<Beat> lastBeat = Optional.empty();

  /// When the worker was heard last, and whether it was told since that it is silent.
  private long heardAt;

  private boolean isSilent;

  /// Slots by run, as the pool said last.
  private Optional<Map<String, Integer>> allotted = Optional.empty();

  private WorkerStream(
      ActorContext<Message> context,
      Outlet<WorkResponse> outlet,
      WorkerId worker,
      int slots,
      String pool,
      Runs runs,
      Function<String, CompletionStage<RunSpec>> specs,
      Duration slowConsumerTimeout,
      LongSupplier nanoTime) {
    this.context = context;
    this.outlet = outlet;
    this.worker = worker;
    this.slots = slots;
    this.pool = pool;
    this.runs = runs;
    this.specs = specs;
    this.slowConsumerTimeout = slowConsumerTimeout;
    this.nanoTime = nanoTime;
    this.heardAt = nanoTime.getAsLong();
    this.fromRuns = context.messageAdapter(ToWorker.class, FromRun::new);
    this.fromPool = context.messageAdapter(PoolAnswer.class, FromPool::new);
  }

  static Behavior<Message> create(
      Outlet<WorkResponse> outlet,
      WorkerId worker,
      int slots,
      String pool,
      Runs runs,
      ActorRef<RunRegistry.Message> registry,
      Function<String, CompletionStage<RunSpec>> specs,
      EdgeConfig config,
      LongSupplier nanoTime) {
    return Behaviors.setup(context ->
        Behaviors.withTimers((TimerScheduler<Message> timers) -> {
          var stream =
              new WorkerStream(
                  context,
                  outlet,
                  worker,
                  slots,
                  pool,
                  runs,
                  specs,
                  config.slowConsumerTimeout(),
                  nanoTime);
          registry.tell(
              new RunRegistry.Subscribe(
                  context.messageAdapter(
                      RunRegistry.ActiveRuns.class, active -> new Active(active.runs()))));
          timers.startTimerWithFixedDelay(new Check(), config.sessionCheck());
          timers.startTimerWithFixedDelay(new Offer(), Duration.ZERO, PoolEntity.REPEATED_EVERY);
          return Behaviors.receive(Message.class).onMessage(Message.class, stream::on).build();
        }));
  }

  private Behavior<Message> on(Message message) {
    switch (message) {
      case Beat beat -> {
        lastBeat = Optional.of(beat);
        isHeard();
        sendBeats();
      }
      case Loaded(var runId, var version) ->
          withSession(
              runId,
              (link, session) ->
                  runs.get(runId).tell(new RunCommand.LoadVersion(link.epoch, session, version)));
      case Failed(var runId, var group, var lease) ->
          withSession(
              runId,
              (link, session) ->
                  runs.get(runId)
                      .tell(new RunCommand.FailGroup(link.epoch, session, group, lease)));
      case FromRun(var fromRun) -> {
        return onRun(fromRun);
      }
      case Offer() -> runs.pool(pool).tell(new PoolCommand.OfferWorker(worker, slots, fromPool));
      case FromPool(PoolAnswer.Allotted(var slotsByRun)) -> {
        allotted = Optional.of(slotsByRun);
        check();
        sendBeats();
      }
      case Active(var active) -> onActive(active);
      case SpecRead(var runId, var spec) -> {
        Link link = links.get(runId);
        if (link != null) {
          link.spec = Optional.of(spec);
          joinOrClose(runId, link);
        }
      }
      case SpecUnread(var runId) -> {
        Link link = links.get(runId);
        if (link != null) {
          link.isReadingSpec = false;
        }
      }
      case Ready() -> outlet.drain();
      case Check() -> {
        if (outlet.isStuck(slowConsumerTimeout)) {
          outlet.fail(Outlet.tooSlow());
          return Behaviors.stopped();
        }
        check();
        watchSilence();
      }
      case Ended(var refusal, var isGone) -> {
        if (isGone) {
          log.atWarn()
              .addKeyValue("worker", worker.value())
              .addKeyValue("leases", leases())
              .log("the stream of a worker broke; its groups are granted to others at once");
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

  private void isHeard() {
    if (isSilent) {
      log.atInfo()
          .addKeyValue("worker", worker.value())
          .addKeyValue("silent_seconds", silence().toSeconds())
          .log("a silent worker is back; it gets leases again");
    }
    isSilent = false;
    heardAt = nanoTime.getAsLong();
  }

  /// Says once that a worker is silent, as soon as its leases run out.
  private void watchSilence() {
    if (!isSilent && silence().compareTo(leaseTtl()) >= 0) {
      isSilent = true;
      log.atWarn()
          .addKeyValue("worker", worker.value())
          .addKeyValue("silent_seconds", silence().toSeconds())
          .addKeyValue("leases", leases())
          .log(
              "a worker is silent although its connection stands; its leases run out, their groups"
                  + " are granted to others, and it gets none before it is heard again");
    }
  }

  private Duration silence() {
    return Duration.ofNanos(nanoTime.getAsLong() - heardAt);
  }

  /// The shortest of the runs that the worker samples for.
  private Duration leaseTtl() {
    return links.values().stream()
        .filter(link -> link.session.isPresent())
        .flatMap(link -> link.spec.stream())
        .map(spec -> spec.getRollout().getLeaseTtl())
        .map(ttl -> Duration.ofSeconds(ttl.getSeconds(), ttl.getNanos()))
        .min(Comparator.naturalOrder())
        .orElse(SILENT_AFTER);
  }

  /// Leases that the worker named last.
  private int leases() {
    return lastBeat.stream()
        .flatMap(beat -> beat.leases().values().stream())
        .mapToInt(List::size)
        .sum();
  }

  private void onActive(List<String> active) {
    for (String runId : active) {
      if (!ended.contains(runId)) {
        links.computeIfAbsent(runId, _ -> new Link());
        readSpec(runId);
      }
    }
    // A run that is no longer listed and that this stream never had a session with is forgotten;
    // the
    // others say themselves that they are over.
    links
        .entrySet()
        .removeIf(entry -> !active.contains(entry.getKey()) && entry.getValue().session.isEmpty());
  }

  private void readSpec(String runId) {
    Link link = links.get(runId);
    if (link == null || link.spec.isPresent() || link.isReadingSpec) {
      return;
    }
    link.isReadingSpec = true;
    context.pipeToSelf(
        specs.apply(runId),
        (spec, failure) -> failure == null ? new SpecRead(runId, spec) : new SpecUnread(runId));
  }

  /// Opens a session with a run for which the worker samples, or still holds leases; or tells the
  /// worker that it is none of those.
  private void joinOrClose(String runId, Link link) {
    if (serves(runId, link) || !held(runId).isEmpty()) {
      runs.get(runId).tell(new RunCommand.JoinWorker(worker, slots, fromRuns));
    } else if (link.isAssigned) {
      link.isAssigned = false;
      send(WorkResponse.newBuilder().setRunClosed(RunClosed.newBuilder().setRunId(runId)).build());
    }
  }

  /// Whether the worker samples for the run: it does for every run of its pool until the pool says
  /// otherwise.
  private boolean serves(String runId, Link link) {
    return allotted
        .map(slotsByRun -> slotsByRun.containsKey(runId))
        .orElseGet(() ->
            link.spec.map(spec -> RunPlanMapper.shareOf(spec).pool().equals(pool)).orElse(false));
  }

  private void check() {
    links.forEach((runId, link) -> {
      if (link.spec.isEmpty()) {
        readSpec(runId);
      } else if (link.session.isEmpty()) {
        joinOrClose(runId, link);
      } else {
        SessionId session = link.session.get();
        if (!serves(runId, link) && held(runId).isEmpty()) {
          // A grant may be on its way: the run decides whether the session is over.
          runs.get(runId).tell(new RunCommand.LeaveWorker(link.epoch, session, fromRuns));
        }
        runs.get(runId).tell(new RunCommand.CheckSession(link.epoch, session, fromRuns));
      }
    });
  }

  /// Leases of a run that the worker named last.
  private List<RunCommand.LeaseProgress> held(String runId) {
    return lastBeat.map(beat -> beat.leases().getOrDefault(runId, List.of())).orElse(List.of());
  }

  private Behavior<Message> onRun(ToWorker message) {
    Link link = links.get(message.runId());
    if (link == null) {
      return Behaviors.same();
    }
    boolean isPresent = message.epoch() == link.epoch && link.session.isPresent();
    switch (message) {
      case ToWorker.Admitted(var runId, var epoch, var session) -> {
        if (epoch >= link.epoch) {
          link.epoch = epoch;
          link.session = Optional.of(session);
          if (!link.isAssigned) {
            link.isAssigned = true;
            RunSpec spec = link.spec.orElseThrow();
            send(
                WorkResponse.newBuilder()
                    .setRunAssigned(
                        RunAssigned.newBuilder()
                            .setRunId(runId)
                            .setSpec(spec)
                            .setLeaseTtl(spec.getRollout().getLeaseTtl())
                            .addPayloadEncodings(PayloadEncoding.PAYLOAD_ENCODING_ZLIB))
                    .build());
          }
          sendBeats();
        }
      }
      case ToWorker.UnknownSession(var runId, var epoch) -> {
        if (epoch >= link.epoch) {
          link.session = Optional.empty();
          joinOrClose(runId, link);
        }
      }
      case ToWorker.Granted(var runId, _, var grants) -> {
        if (isPresent) {
          send(
              WorkResponse.newBuilder()
                  .setLeasesGranted(
                      LeasesGranted.newBuilder()
                          .setRunId(runId)
                          .addAllLeases(grants.stream().map(WorkerStream::lease).toList()))
                  .build());
        }
      }
      case ToWorker.Revoked(var runId, _, var leases, var text) -> {
        if (isPresent) {
          send(
              WorkResponse.newBuilder()
                  .setLeasesRevoked(
                      LeasesRevoked.newBuilder()
                          .setRunId(runId)
                          .addAllLeaseIds(leases.stream().map(LeaseId::value).toList())
                          .setMessage(text))
                  .build());
        }
      }
      case ToWorker.VersionAnnounced(var runId, _, var manifest, var sources) -> {
        if (isPresent) {
          send(
              WorkResponse.newBuilder()
                  .setVersionPublished(
                      VersionPublished.newBuilder()
                          .setRunId(runId)
                          .setManifest(PolicyMapper.toProto(manifest))
                          .addAllSources(sources))
                  .build());
        }
      }
      case ToWorker.RunEnded(var runId, _) -> {
        links.remove(runId);
        ended.add(runId);
        send(
            WorkResponse.newBuilder().setRunClosed(RunClosed.newBuilder().setRunId(runId)).build());
        sendBeats();
      }
      case ToWorker.Superseded(var runId, _) -> {
        outlet.fail(
            Refusals.failedPrecondition(
                "REGISTERED_ELSEWHERE",
                ("worker %s has opened a newer stream, and this one ends; two processes must not have"
                        + " the same worker_id")
                    .formatted(worker.value()),
                Map.of("worker_id", worker.value(), "run_id", runId)));
        return Behaviors.stopped();
      }
    }
    return Behaviors.same();
  }

  private void send(WorkResponse response) {
    if (!outlet.send(response)) {
      outlet.fail(Outlet.tooSlow());
      context.getSelf().tell(new Ended(Optional.empty(), true));
    }
  }

  private interface SessionAction {
    void accept(Link link, SessionId session);
  }

  private void withSession(String runId, SessionAction action) {
    Link link = links.get(runId);
    if (link != null && link.session.isPresent()) {
      action.accept(link, link.session.get());
    }
  }

  /// Tells each run what the worker said last, with its share of the credits.
  private void sendBeats() {
    if (lastBeat.isEmpty()) {
      return;
    }
    Beat beat = lastBeat.get();
    List<String> present =
        links.entrySet().stream()
            .filter(entry -> entry.getValue().session.isPresent())
            .map(Map.Entry::getKey)
            .toList();
    Map<String, Integer> share = new HashMap<>();
    present.forEach(runId ->
        share.put(runId, allotted.map(slotsByRun -> slotsByRun.getOrDefault(runId, 0)).orElse(1)));
    Map<String, Integer> heldByRun = new HashMap<>();
    beat.leases().forEach((runId, leases) -> heldByRun.put(runId, leases.size()));
    Map<String, Integer> credits = FairShare.split(beat.credits(), heldByRun, share);
    for (String runId : present) {
      Link link = links.get(runId);
      if (link == null) {
        continue;
      }
      boolean takesBlocks = link.spec.map(WorkerStream::isLockstep).orElse(false);
      runs.get(runId)
          .tell(
              new RunCommand.Heartbeat(
                  link.epoch,
                  link.session.orElseThrow(),
                  // A block needs the whole worker, for as long as it takes.
                  takesBlocks && share.getOrDefault(runId, 0) > 0
                      ? beat.credits()
                      : credits.getOrDefault(runId, 0),
                  held(runId),
                  fromRuns));
    }
  }

  private static boolean isLockstep(RunSpec spec) {
    return spec.getRollout().getSchedule() == Schedule.SCHEDULE_LOCKSTEP;
  }

  private static Lease lease(Effect.Grant grant) {
    return Lease.newBuilder()
        .setGroupId(grant.group().value())
        .setLeaseId(grant.lease().value())
        .setSource(grant.task().source())
        .setStratum(grant.task().stratum())
        .setTaskIndex(grant.task().index())
        .setPurpose(purpose(grant.purpose()))
        .addAllMembers(grant.members())
        .setPolicyVersion(grant.version().map(PolicyVersion::value).orElse(0L))
        .build();
  }

  private static io.gradus.rollout.v1.GroupPurpose purpose(GroupPurpose purpose) {
    return switch (purpose) {
      case TRAINING -> io.gradus.rollout.v1.GroupPurpose.GROUP_PURPOSE_TRAINING;
      case RATIONALIZATION -> io.gradus.rollout.v1.GroupPurpose.GROUP_PURPOSE_RATIONALIZATION;
      case EVALUATION -> io.gradus.rollout.v1.GroupPurpose.GROUP_PURPOSE_EVALUATION;
      case CONFIRMATION -> io.gradus.rollout.v1.GroupPurpose.GROUP_PURPOSE_CONFIRMATION;
    };
  }
}
