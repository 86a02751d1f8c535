package io.gradus.coordinator.edge;

import akka.actor.typed.ActorRef;
import akka.actor.typed.ActorSystem;
import akka.actor.typed.Props;
import io.gradus.coordinator.ledger.Ledger;
import io.gradus.coordinator.ledger.Payload;
import io.gradus.coordinator.ledger.RunKey;
import io.gradus.coordinator.ledger.StoredRun;
import io.gradus.coordinator.run.PayloadStaging;
import io.gradus.coordinator.run.RunAnswer;
import io.gradus.coordinator.run.RunCommand;
import io.gradus.coordinator.run.RunCommand.Place;
import io.gradus.coordinator.run.RunRegistry;
import io.gradus.coordinator.spec.RunPlanMapper;
import io.gradus.core.group.GroupId;
import io.gradus.core.group.LeaseId;
import io.gradus.core.group.WorkerId;
import io.gradus.core.policy.PolicyVersion;
import io.gradus.core.worker.WorkerProtocol;
import io.gradus.rollout.v1.Admission;
import io.gradus.rollout.v1.GroupOutcome;
import io.gradus.rollout.v1.GroupPart;
import io.gradus.rollout.v1.Heartbeat;
import io.gradus.rollout.v1.LeaseProgress;
import io.gradus.rollout.v1.Register;
import io.gradus.rollout.v1.RolloutServiceGrpc;
import io.gradus.rollout.v1.SubmitGroupsRequest;
import io.gradus.rollout.v1.SubmitGroupsResponse;
import io.gradus.rollout.v1.WorkRequest;
import io.gradus.rollout.v1.WorkResponse;
import io.gradus.run.v1.RunSpec;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import java.io.ByteArrayOutputStream;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Function;
import java.util.function.LongSupplier;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Hands groups to workers and takes finished ones back.
final class RolloutService extends RolloutServiceGrpc.RolloutServiceImplBase {

  private static final Logger log = LoggerFactory.getLogger(RolloutService.class);

  /// Messages that a worker may leave unread; leases are bounded by its credits anyway.
  private static final int OUTLET_CAPACITY = 4096;

  /// How long a run is taken to be on another node after it was found there.
  private static final Duration BELIEVED_ELSEWHERE = Duration.ofSeconds(5);

  private final ActorSystem<?> system;
  private final Runs runs;
  private final ActorRef<RunRegistry.Message> registry;
  private final Ledger ledger;
  private final PayloadStaging staging;
  private final Function<String, CompletionStage<RunSpec>> specs;
  private final SchemaRules rules;
  private final PayloadReader payloads;
  private final EdgeConfig config;
  private final Executor blocking;
  private final LongSupplier nanoTime;

  /// Runs that are decided on another node, and until when that is believed: a payload and its
  /// decision share a transaction on the run's own node alone.
  private final Map<String, Long> elsewhere = new ConcurrentHashMap<>();

  /// Names of stream actors; any number that was not used yet will do.
  private final AtomicLong streams = new AtomicLong();

  RolloutService(
      ActorSystem<?> system,
      Runs runs,
      ActorRef<RunRegistry.Message> registry,
      Ledger ledger,
      PayloadStaging staging,
      Function<String, CompletionStage<RunSpec>> specs,
      SchemaRules rules,
      EdgeConfig config,
      Executor blocking,
      LongSupplier nanoTime) {
    this.system = system;
    this.runs = runs;
    this.registry = registry;
    this.ledger = ledger;
    this.staging = staging;
    this.specs = specs;
    this.rules = rules;
    this.payloads = new PayloadReader(rules, config.payloadMaxBytes());
    this.config = config;
    this.blocking = blocking;
    this.nanoTime = nanoTime;
  }

  @Override
  public StreamObserver<WorkRequest> work(StreamObserver<WorkResponse> responses) {
    var call = (ServerCallStreamObserver<WorkResponse>) responses;
    var stream = new WorkCall(call);
    call.setOnReadyHandler(stream::onReady);
    call.setOnCancelHandler(stream::onCancel);
    return stream;
  }

  /// The receiving side of a worker's stream; called by one thread at a time.
  private final class WorkCall implements StreamObserver<WorkRequest> {

    private final ServerCallStreamObserver<WorkResponse> call;

    /// Set by the first request, read by handlers that gRPC calls after it.
    private volatile @Nullable ActorRef<WorkerStream.Message> actor;

    private WorkCall(ServerCallStreamObserver<WorkResponse> call) {
      this.call = call;
    }

    private void onReady() {
      tell(new WorkerStream.Ready());
    }

    private void onCancel() {
      tell(new WorkerStream.Ended(Optional.empty(), true));
    }

    private void tell(WorkerStream.Message message) {
      ActorRef<WorkerStream.Message> known = actor;
      if (known != null) {
        known.tell(message);
      }
    }

    @Override
    public void onNext(WorkRequest request) {
      try {
        rules.require(request);
        if (actor == null) {
          if (!request.hasRegister()) {
            throw Refusals.invalid("register", "is missing; it is the first request of a stream");
          }
          register(request.getRegister());
          return;
        }
        switch (request.getKindCase()) {
          case REGISTER -> throw Refusals.invalid("register", "was sent before; once is enough");
          case HEARTBEAT -> tell(beat(request.getHeartbeat()));
          case LOADED ->
              tell(
                  new WorkerStream.Loaded(
                      request.getLoaded().getRunId(),
                      new PolicyVersion(request.getLoaded().getPolicyVersion())));
          case GROUP_FAILED ->
              tell(
                  new WorkerStream.Failed(
                      request.getGroupFailed().getRunId(),
                      new GroupId(request.getGroupFailed().getGroupId()),
                      new LeaseId(request.getGroupFailed().getLeaseId())));
          case KIND_NOT_SET -> throw Refusals.invalid("kind", "is missing");
        }
      } catch (StatusRuntimeException refusal) {
        refuse(refusal);
      }
    }

    private void refuse(StatusRuntimeException refusal) {
      if (actor == null) {
        call.onError(refusal);
      } else {
        // The actor owns the sending side.
        tell(new WorkerStream.Ended(Optional.of(refusal), false));
      }
    }

    private void register(Register register) {
      var worker = new WorkerId(Texts.identifier("register.worker_id", register.getWorkerId()));
      requireProtocol(worker, register.getProtocol());
      log.atInfo()
          .addKeyValue("worker", worker.value())
          .addKeyValue("pool", RunPlanMapper.poolOf(register.getPool()))
          .addKeyValue("slots", register.getSlots())
          .addKeyValue("engine", register.getEngine())
          .addKeyValue("labels", labels(register))
          .log("a worker has registered");
      actor =
          system.systemActorOf(
              WorkerStream.create(
                  new Outlet<>(call, OUTLET_CAPACITY, nanoTime),
                  worker,
                  register.getSlots(),
                  RunPlanMapper.poolOf(register.getPool()),
                  runs,
                  registry,
                  specs,
                  config,
                  nanoTime),
              "gradus-worker-stream-" + streams.incrementAndGet(),
              Props.empty());
    }

    @Override
    public void onError(Throwable gone) {
      tell(new WorkerStream.Ended(Optional.empty(), true));
    }

    @Override
    public void onCompleted() {
      if (actor == null) {
        call.onCompleted();
      } else {
        tell(new WorkerStream.Ended(Optional.empty(), false));
      }
    }
  }

  /// Refuses a worker that this build does not understand.
  private static void requireProtocol(WorkerId worker, int spoken) {
    switch (WorkerProtocol.standing(spoken, WorkerProtocol.OLDEST, WorkerProtocol.CURRENT)) {
      case WorkerProtocol.Standing.Same() -> {}
      case WorkerProtocol.Standing.Older() ->
          log.atInfo()
              .addKeyValue("worker", worker.value())
              .addKeyValue("protocol", spoken)
              .addKeyValue("coordinator_protocol", WorkerProtocol.CURRENT)
              .log("an older worker registers; it is understood, and to be upgraded some day");
      case WorkerProtocol.Standing.Unknown(var remedy) -> {
        log.atWarn()
            .addKeyValue("worker", worker.value())
            .addKeyValue("protocol", spoken)
            .addKeyValue("oldest_understood", WorkerProtocol.OLDEST)
            .addKeyValue("coordinator_protocol", WorkerProtocol.CURRENT)
            .log("a worker of another version is refused and gets no leases; " + remedy);
        throw Refusals.failedPrecondition(
            "PROTOCOL_VERSION",
            "worker %s speaks protocol %d and this coordinator %d to %d; %s"
                .formatted(
                    worker.value(), spoken, WorkerProtocol.OLDEST, WorkerProtocol.CURRENT, remedy),
            Map.of("worker_id", worker.value(), "protocol", Integer.toString(spoken)));
      }
    }
  }

  /// Labels for the log, of characters that cannot break it.
  private static String labels(Register register) {
    return register.getLabelsList().stream()
        .map(label ->
            Texts.identifier("register.labels.name", label.getName())
                + "="
                + Texts.identifier("register.labels.value", label.getValue()))
        .collect(Collectors.joining(","));
  }

  private static WorkerStream.Beat beat(Heartbeat heartbeat) {
    var leases = new LinkedHashMap<String, List<RunCommand.LeaseProgress>>();
    for (LeaseProgress lease : heartbeat.getLeasesList()) {
      if (lease.getLeaseId() < 1) {
        throw Refusals.invalid("heartbeat.leases.lease_id", "is %d".formatted(lease.getLeaseId()));
      }
      leases
          .computeIfAbsent(lease.getRunId(), _ -> new ArrayList<>())
          .add(new RunCommand.LeaseProgress(new LeaseId(lease.getLeaseId()), lease.getProgress()));
    }
    return new WorkerStream.Beat(heartbeat.getCredits(), leases);
  }

  @Override
  public StreamObserver<SubmitGroupsRequest> submitGroups(
      StreamObserver<SubmitGroupsResponse> response) {
    var call = (ServerCallStreamObserver<SubmitGroupsResponse>) response;
    call.disableAutoRequest();
    call.request(1);
    return new SubmitCall(call);
  }

  /// The groups of one call, gathered until it ends; called by one thread at a time.
  private final class SubmitCall implements StreamObserver<SubmitGroupsRequest> {

    private final ServerCallStreamObserver<SubmitGroupsResponse> call;
    private final List<PayloadReader.Read> groups = new ArrayList<>();
    private Optional<GroupPart> first = Optional.empty();
    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    private long receivedBytes;
    private boolean isOver;

    private SubmitCall(ServerCallStreamObserver<SubmitGroupsResponse> call) {
      this.call = call;
    }

    @Override
    public void onNext(SubmitGroupsRequest request) {
      if (isOver) {
        return;
      }
      try {
        rules.require(request);
        for (GroupPart part : request.getPartsList()) {
          onPart(part);
        }
        call.request(1);
      } catch (RuntimeException refusal) {
        isOver = true;
        call.onError(Answers.statusOf(refusal));
      }
    }

    private void onPart(GroupPart part) {
      if (first.isEmpty()) {
        first = Optional.of(part);
      } else if (!isOfSameGroup(first.get(), part)) {
        throw Refusals.invalid(
            "parts",
            "begin group %d before the last part of group %d, which has its sha256"
                .formatted(part.getGroupId(), first.get().getGroupId()));
      }
      receivedBytes += part.getData().size();
      if (bytes.size() + part.getData().size() > config.payloadMaxBytes()) {
        throw Refusals.invalid(
            "parts.data",
            "of group %d is larger than %d bytes"
                .formatted(part.getGroupId(), config.payloadMaxBytes()));
      }
      if (receivedBytes > config.stagingMaxBytes()) {
        throw Refusals.exhausted(
            "TOO_MUCH_AT_ONCE",
            "one call may carry %d bytes; send fewer groups in a call"
                .formatted(config.stagingMaxBytes()));
      }
      bytes.writeBytes(part.getData().toByteArray());
      if (!part.getSha256().isEmpty()) {
        if (groups.size() == config.groupsPerCall()) {
          throw Refusals.invalid(
              "parts", "are of more than %d groups".formatted(config.groupsPerCall()));
        }
        groups.add(
            payloads.read(
                part.getRunId(),
                part.getGroupId(),
                part.getLeaseId(),
                bytes.toByteArray(),
                part.getSha256()));
        bytes.reset();
        first = Optional.empty();
      }
    }

    @Override
    public void onError(Throwable gone) {
      isOver = true;
    }

    @Override
    public void onCompleted() {
      if (isOver) {
        return;
      }
      isOver = true;
      if (first.isPresent()) {
        call.onError(
            Refusals.invalid(
                "parts",
                "end without the last part of group %d".formatted(first.get().getGroupId())));
        return;
      }
      Answers.unary(call, submit(groups));
    }
  }

  private static boolean isOfSameGroup(GroupPart first, GroupPart part) {
    return first.getRunId().equals(part.getRunId())
        && first.getGroupId() == part.getGroupId()
        && first.getLeaseId() == part.getLeaseId();
  }

  /// Submits groups, run by run; the outcomes come in the order of the groups.
  private CompletionStage<SubmitGroupsResponse> submit(List<PayloadReader.Read> groups) {
    var outcomes = new GroupOutcome[groups.size()];
    var byRun = new LinkedHashMap<String, List<Integer>>();
    for (int index = 0; index < groups.size(); index++) {
      byRun.computeIfAbsent(groups.get(index).runId(), _ -> new ArrayList<>()).add(index);
    }
    var answers = new ArrayList<CompletableFuture<Void>>();
    byRun.forEach((runId, indices) ->
        answers.add(submit(runId, groups, indices, outcomes).toCompletableFuture()));
    return CompletableFuture.allOf(answers.toArray(CompletableFuture[]::new))
        .thenApply(
            _ -> SubmitGroupsResponse.newBuilder().addAllOutcomes(List.of(outcomes)).build());
  }

  private CompletionStage<Void> submit(
      String runId,
      List<PayloadReader.Read> groups,
      List<Integer> indices,
      GroupOutcome[] outcomes) {
    var staged = new ArrayList<Integer>(indices.size());
    for (int index : indices) {
      PayloadReader.Read read = groups.get(index);
      switch (staging.offer(runId, read.payload())) {
        case STAGED -> staged.add(index);
        case CONFLICT -> outcomes[index] = otherPayload(read);
        case FULL -> {
          release(runId, groups, staged);
          return CompletableFuture.failedFuture(
              Refusals.exhausted(
                  "STAGING_FULL",
                  "%d bytes of payloads wait for their decision; come again"
                      .formatted(config.stagingMaxBytes())));
        }
      }
    }
    return decide(runId, groups, staged, outcomes)
        .whenComplete((_, _) -> release(runId, groups, staged));
  }

  /// Has staged groups decided: at once where the run is on this node, otherwise once their
  /// payloads are in the ledger. Where it is, only asking tells; the answer is believed for a
  /// while.
  private CompletionStage<Void> decide(
      String runId,
      List<PayloadReader.Read> groups,
      List<Integer> staged,
      GroupOutcome[] outcomes) {
    Long until = elsewhere.get(runId);
    if (until != null && nanoTime.getAsLong() - until < 0) {
      return decideElsewhere(runId, groups, staged, outcomes);
    }
    return ask(runId, groups, staged, Place.STAGED, outcomes)
        .thenCompose(absent -> {
          if (absent.isEmpty()) {
            elsewhere.remove(runId);
            return CompletableFuture.completedFuture(null);
          }
          elsewhere.put(runId, nanoTime.getAsLong() + BELIEVED_ELSEWHERE.toNanos());
          return decideElsewhere(runId, groups, absent, outcomes);
        });
  }

  private CompletionStage<Void> decideElsewhere(
      String runId,
      List<PayloadReader.Read> groups,
      List<Integer> indices,
      GroupOutcome[] outcomes) {
    return store(runId, groups, indices, outcomes)
        .thenCompose(stored -> ask(runId, groups, stored, Place.STORED, outcomes))
        .thenAccept(_ -> {});
  }

  private void release(String runId, List<PayloadReader.Read> groups, List<Integer> staged) {
    for (int index : staged) {
      Payload payload = groups.get(index).payload();
      staging.release(runId, payload.group(), payload.lease());
    }
  }

  /// Writes payloads before their decision, for a run that may be on another node.
  ///
  /// @return the indices of those that are in the ledger now
  private CompletionStage<List<Integer>> store(
      String runId,
      List<PayloadReader.Read> groups,
      List<Integer> indices,
      GroupOutcome[] outcomes) {
    return CompletableFuture.supplyAsync(
            () -> ledger.reader().findRun(runId).orElseThrow(() -> Refusals.noSuchRun(runId)).key(),
            blocking)
        .thenCompose(run -> {
          List<CompletableFuture<Boolean>> writes =
              indices.stream()
                  .map(index ->
                      ledger.storePayload(run, groups.get(index).payload()).toCompletableFuture())
                  .toList();
          return CompletableFuture.allOf(writes.toArray(CompletableFuture[]::new))
              .thenApply(_ -> {
                var stored = new ArrayList<Integer>();
                for (int position = 0; position < indices.size(); position++) {
                  int index = indices.get(position);
                  if (writes.get(position).join()) {
                    stored.add(index);
                  } else {
                    outcomes[index] = otherPayload(groups.get(index));
                  }
                }
                return stored;
              });
        });
  }

  /// Asks the run to decide about groups.
  ///
  /// @return those whose payload is not where it was said to be
  private CompletionStage<List<Integer>> ask(
      String runId,
      List<PayloadReader.Read> groups,
      List<Integer> asked,
      Place place,
      GroupOutcome[] outcomes) {
    if (asked.isEmpty()) {
      return CompletableFuture.completedFuture(List.of());
    }
    return runs.ask(
            runId,
            RunAnswer.Submitted.class,
            replyTo ->
                new RunCommand.SubmitGroups(
                    asked.stream().map(index -> groups.get(index).group()).toList(),
                    place,
                    replyTo))
        .thenCompose(submitted -> {
          var duplicates = new ArrayList<Integer>();
          var absent = new ArrayList<Integer>();
          for (int position = 0; position < asked.size(); position++) {
            int index = asked.get(position);
            RunAnswer.GroupOutcome outcome = submitted.outcomes().get(position);
            outcomes[index] =
                GroupOutcome.newBuilder()
                    .setGroupId(outcome.group().value())
                    .setLeaseId(outcome.lease().value())
                    .setAdmission(admission(outcome.kind()))
                    .setMessage(outcome.message())
                    .build();
            switch (outcome.kind()) {
              case DUPLICATE -> duplicates.add(index);
              case ABSENT -> absent.add(index);
              default -> {}
            }
          }
          CompletionStage<Void> told =
              duplicates.isEmpty()
                  ? CompletableFuture.completedFuture(null)
                  : CompletableFuture.runAsync(
                      () -> tellConflicts(runId, groups, duplicates, outcomes), blocking);
          return told.thenApply(_ -> absent);
        });
  }

  /// A repeated submit is a duplicate only if it repeats the same bytes.
  private void tellConflicts(
      String runId,
      List<PayloadReader.Read> groups,
      List<Integer> duplicates,
      GroupOutcome[] outcomes) {
    Optional<RunKey> run = ledger.reader().findRun(runId).map(StoredRun::key);
    for (int index : duplicates) {
      Payload payload = groups.get(index).payload();
      boolean isOther =
          run.flatMap(key -> ledger.digestOf(key, payload.group(), payload.lease()))
              .filter(digest -> !digest.equals(payload.digest()))
              .isPresent();
      if (isOther) {
        outcomes[index] = otherPayload(groups.get(index));
      }
    }
  }

  private static GroupOutcome otherPayload(PayloadReader.Read read) {
    return GroupOutcome.newBuilder()
        .setGroupId(read.payload().group().value())
        .setLeaseId(read.payload().lease().value())
        .setAdmission(Admission.ADMISSION_REFUSED)
        .setMessage(
            "another payload was submitted for this group under this lease; payloads are immutable")
        .build();
  }

  private static Admission admission(RunAnswer.GroupOutcome.Kind kind) {
    return switch (kind) {
      case ACCEPTED -> Admission.ADMISSION_ACCEPTED;
      case FILTERED -> Admission.ADMISSION_FILTERED;
      case STALE -> Admission.ADMISSION_STALE;
      case DUPLICATE -> Admission.ADMISSION_DUPLICATE;
      case EVALUATED -> Admission.ADMISSION_EVALUATED;
      case INCOMPLETE -> Admission.ADMISSION_INCOMPLETE;
      case REFUSED, ABSENT -> Admission.ADMISSION_REFUSED;
    };
  }
}
