package io.gradus.coordinator;

import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.ErrorInfo;
import io.gradus.coordinator.edge.Inbox;
import io.gradus.coordinator.run.TinyDecider;
import io.gradus.coordinator.spec.Specs;
import io.gradus.core.worker.WorkerProtocol;
import io.gradus.learner.v1.JoinRunRequest;
import io.gradus.learner.v1.JoinRunResponse;
import io.gradus.learner.v1.LearnerServiceGrpc;
import io.gradus.rollout.v1.GroupOutcome;
import io.gradus.rollout.v1.GroupPart;
import io.gradus.rollout.v1.Heartbeat;
import io.gradus.rollout.v1.Lease;
import io.gradus.rollout.v1.Register;
import io.gradus.rollout.v1.RolloutServiceGrpc;
import io.gradus.rollout.v1.SubmitGroupsRequest;
import io.gradus.rollout.v1.SubmitGroupsResponse;
import io.gradus.rollout.v1.WorkRequest;
import io.gradus.rollout.v1.WorkResponse;
import io.gradus.run.v1.CancelRunRequest;
import io.gradus.run.v1.RunServiceGrpc;
import io.gradus.run.v1.SubmitRunRequest;
import io.grpc.ManagedChannel;
import io.grpc.Status;
import io.grpc.inprocess.InProcessChannelBuilder;
import io.grpc.protobuf.StatusProto;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Clock;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import org.assertj.core.api.Assertions;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;

/// A coordinator in this JVM whose decider is a [TinyDecider], with clients that do no more than
/// talk.
public final class Node implements AutoCloseable {

  private final Coordinator coordinator;
  private final ManagedChannel channel;
  private final List<String> runs = new ArrayList<>();

  private Node(Coordinator coordinator, ManagedChannel channel) {
    this.coordinator = coordinator;
    this.channel = channel;
  }

  /// Starts on the ledger in `directory`.
  public static Node start(Path directory) throws IOException {
    String name = "node-" + UUID.randomUUID();
    CoordinatorConfig config =
        CoordinatorConfig.embedded(
            directory.resolve("ledger.db"), directory.resolve("checkpoints"), name);
    Coordinator coordinator =
        Coordinator.start(
            config,
            Optional.of(ClusterNode.starting(config.akka())),
            (plan, image, _) -> new TinyDecider(plan, image),
            Clock.systemUTC(),
            System::nanoTime);
    return new Node(coordinator, InProcessChannelBuilder.forName(name).build());
  }

  /// A coordinator that was started otherwise, and a channel to it.
  static Node over(Coordinator coordinator, ManagedChannel channel) {
    return new Node(coordinator, channel);
  }

  public ManagedChannel channel() {
    return channel;
  }

  public Coordinator coordinator() {
    return coordinator;
  }

  /// Submits a run that ends after three batches.
  public String newRun() {
    String runId = "run-" + UUID.randomUUID().toString().substring(0, 8);
    runs.add(runId);
    var _ =
        runs()
            .submitRun(
                SubmitRunRequest.newBuilder()
                    .setRunId(runId)
                    .setSpec(Specs.star("tasks { addition {} } stop { batches: 3 }"))
                    .build());
    return runId;
  }

  /// Ends the runs that were submitted here, so that workers of the next test get none of them.
  public void cancelRuns() {
    runs.forEach(this::cancel);
    runs.clear();
  }

  public void cancel(String runId) {
    var _ = runs().cancelRun(CancelRunRequest.newBuilder().setRunId(runId).build());
  }

  public RunServiceGrpc.RunServiceBlockingStub runs() {
    return RunServiceGrpc.newBlockingStub(channel);
  }

  public LearnerServiceGrpc.LearnerServiceBlockingStub learners() {
    return LearnerServiceGrpc.newBlockingStub(channel);
  }

  /// Joins a run as `learner-1`.
  public JoinRunResponse join(String runId) {
    return learners()
        .joinRun(
            JoinRunRequest.newBuilder()
                .setRunId(runId)
                .setLearnerId("learner-1")
                .setWorld(1)
                .build());
  }

  /// A worker's stream.
  public record Worker(StreamObserver<WorkRequest> out, Inbox<WorkResponse> in) {

    public void heartbeat(int credits) {
      out.onNext(
          WorkRequest.newBuilder()
              .setHeartbeat(Heartbeat.newBuilder().setCredits(credits))
              .build());
    }

    /// Asks for groups and waits for them.
    public List<Lease> leases(int groups) throws InterruptedException {
      heartbeat(groups);
      return in.next(WorkResponse::hasLeasesGranted).getLeasesGranted().getLeasesList();
    }
  }

  public Worker worker(String id) {
    return worker(
        Register.newBuilder()
            .setWorkerId(id)
            .setSlots(8)
            .setProtocol(WorkerProtocol.CURRENT)
            .build());
  }

  /// Opens a stream and registers.
  public Worker worker(Register register) {
    var in = new Inbox<WorkResponse>();
    StreamObserver<WorkRequest> out = RolloutServiceGrpc.newStub(channel).work(in);
    out.onNext(WorkRequest.newBuilder().setRegister(register).build());
    return new Worker(out, in);
  }

  /// Submits parts in one call.
  public List<GroupOutcome> submit(List<GroupPart> parts) throws InterruptedException {
    return submission(parts).next().getOutcomesList();
  }

  /// Submits parts in one call, one request each.
  public Inbox<SubmitGroupsResponse> submission(List<GroupPart> parts) {
    var answer = new Inbox<SubmitGroupsResponse>();
    StreamObserver<SubmitGroupsRequest> call =
        RolloutServiceGrpc.newStub(channel).submitGroups(answer);
    for (GroupPart part : parts) {
      call.onNext(SubmitGroupsRequest.newBuilder().addParts(part).build());
    }
    call.onCompleted();
    return answer;
  }

  /// How a call was refused: `CODE/REASON`.
  public static String refusal(ThrowingCallable call) {
    return refusal(Assertions.catchThrowable(call));
  }

  public static String refusal(Throwable failure) {
    com.google.rpc.Status status = status(failure);
    String reason = "-";
    for (var detail : status.getDetailsList()) {
      if (detail.is(ErrorInfo.class)) {
        try {
          reason = detail.unpack(ErrorInfo.class).getReason();
        } catch (InvalidProtocolBufferException impossible) {
          throw new IllegalStateException(impossible);
        }
      }
    }
    return Status.fromCodeValue(status.getCode()).getCode() + "/" + reason;
  }

  /// The status with its details.
  public static com.google.rpc.Status status(Throwable failure) {
    return Optional.ofNullable(StatusProto.fromThrowable(failure))
        .orElseThrow(() -> new AssertionError("not refused by a status", failure));
  }

  @Override
  public void close() {
    channel.shutdownNow();
    coordinator.close();
  }
}
