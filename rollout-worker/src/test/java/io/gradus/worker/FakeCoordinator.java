package io.gradus.worker;

import com.google.protobuf.ByteString;
import com.google.protobuf.Duration;
import com.google.protobuf.InvalidProtocolBufferException;
import io.gradus.core.group.PayloadEncoding;
import io.gradus.rollout.v1.Admission;
import io.gradus.rollout.v1.GroupFailed;
import io.gradus.rollout.v1.GroupOutcome;
import io.gradus.rollout.v1.GroupPart;
import io.gradus.rollout.v1.GroupPayload;
import io.gradus.rollout.v1.GroupPurpose;
import io.gradus.rollout.v1.Heartbeat;
import io.gradus.rollout.v1.Lease;
import io.gradus.rollout.v1.LeasesGranted;
import io.gradus.rollout.v1.LeasesRevoked;
import io.gradus.rollout.v1.Loaded;
import io.gradus.rollout.v1.PolicyManifest;
import io.gradus.rollout.v1.Register;
import io.gradus.rollout.v1.RolloutServiceGrpc;
import io.gradus.rollout.v1.RunAssigned;
import io.gradus.rollout.v1.RunClosed;
import io.gradus.rollout.v1.SubmitGroupsRequest;
import io.gradus.rollout.v1.SubmitGroupsResponse;
import io.gradus.rollout.v1.VersionPublished;
import io.gradus.rollout.v1.WorkRequest;
import io.gradus.rollout.v1.WorkResponse;
import io.gradus.run.v1.RunSpec;
import io.grpc.Status;
import io.grpc.stub.StreamObserver;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.CopyOnWriteArrayList;
import org.jspecify.annotations.Nullable;

/// A coordinator with one run and one worker: grants what the worker has credits for, checks what
/// it submits, and breaks when told to.
final class FakeCoordinator extends RolloutServiceGrpc.RolloutServiceImplBase {

  static final String RUN = "run-1";

  final List<Register> registered = new CopyOnWriteArrayList<>();
  final List<Heartbeat> heartbeats = new CopyOnWriteArrayList<>();
  final List<Loaded> loaded = new CopyOnWriteArrayList<>();
  final List<GroupFailed> failed = new CopyOnWriteArrayList<>();
  final List<GroupPayload> payloads = new CopyOnWriteArrayList<>();

  /// Sizes of the payloads as they came.
  final List<Integer> payloadBytes = new CopyOnWriteArrayList<>();

  volatile List<io.gradus.rollout.v1.PayloadEncoding> payloadEncodings = List.of();

  /// Digests of every submit by lease, repetitions included.
  private final Map<Long, List<ByteString>> digests = new TreeMap<>();

  private final RunSpec spec;
  private final int ttlMillis;
  private final List<PolicyManifest> versions = new ArrayList<>();
  private final ArrayList<Lease> toGrant = new ArrayList<>();
  private final Set<Long> outstanding = new TreeSet<>();
  private final List<WorkResponse> onRegister = new ArrayList<>();
  private @Nullable StreamObserver<WorkResponse> stream;
  private int unavailableAfterStoring;
  private int unavailable;
  private boolean refuseStreams;
  private Status refuseWith = Status.UNAVAILABLE;
  private Admission admission = Admission.ADMISSION_ACCEPTED;

  FakeCoordinator(RunSpec spec, int ttlMillis) {
    this.spec = spec;
    this.ttlMillis = ttlMillis;
  }

  synchronized void publish(long version) {
    PolicyManifest manifest =
        PolicyManifest.newBuilder()
            .setPolicyVersion(version)
            .setUri("file:///nowhere/v" + version)
            .setLineage("0".repeat(64))
            .build();
    versions.add(manifest);
    send(versionPublished(manifest));
  }

  /// Announces a version whose files are at `sources`, or announces it again.
  synchronized void publish(PolicyManifest manifest, List<String> sources) {
    send(
        WorkResponse.newBuilder()
            .setVersionPublished(
                VersionPublished.newBuilder()
                    .setRunId(RUN)
                    .setManifest(manifest)
                    .addAllSources(sources))
            .build());
  }

  private static WorkResponse versionPublished(PolicyManifest manifest) {
    return WorkResponse.newBuilder()
        .setVersionPublished(VersionPublished.newBuilder().setRunId(RUN).setManifest(manifest))
        .build();
  }

  /// Leases to grant at once to whoever registers, whatever its credits.
  synchronized void grantOnRegister(Lease... leases) {
    onRegister.clear();
    if (leases.length > 0) {
      onRegister.add(
          WorkResponse.newBuilder()
              .setLeasesGranted(
                  LeasesGranted.newBuilder().setRunId(RUN).addAllLeases(List.of(leases)))
              .build());
    }
  }

  /// Leases to grant as credits come in.
  synchronized void offer(Lease... leases) {
    toGrant.addAll(List.of(leases));
  }

  static Lease lease(long id, int stratum, GroupPurpose purpose, int members) {
    var lease =
        Lease.newBuilder()
            .setGroupId(id)
            .setLeaseId(1000 + id)
            .setStratum(stratum)
            .setTaskIndex(id)
            .setPurpose(purpose);
    for (int member = 0; member < members; member++) {
      lease.addMembers(member);
    }
    return lease.build();
  }

  synchronized void grantNow(List<Lease> leases) {
    leases.forEach(lease -> outstanding.add(lease.getLeaseId()));
    send(
        WorkResponse.newBuilder()
            .setLeasesGranted(LeasesGranted.newBuilder().setRunId(RUN).addAllLeases(leases))
            .build());
  }

  synchronized void revoke(long... leases) {
    var revoked = LeasesRevoked.newBuilder().setRunId(RUN);
    for (long lease : leases) {
      outstanding.remove(lease);
      revoked.addLeaseIds(lease);
    }
    send(WorkResponse.newBuilder().setLeasesRevoked(revoked).build());
  }

  synchronized void closeRun() {
    send(WorkResponse.newBuilder().setRunClosed(RunClosed.newBuilder().setRunId(RUN)).build());
  }

  /// The next submits are stored, but their answer is lost.
  synchronized void loseAnswers(int submits) {
    unavailableAfterStoring = submits;
  }

  /// The next submits fail before anything is stored.
  synchronized void failSubmits(int submits) {
    unavailable = submits;
  }

  synchronized void admitAs(Admission outcome) {
    admission = outcome;
  }

  synchronized void breakStream(Status status) {
    StreamObserver<WorkResponse> broken = stream;
    stream = null;
    if (broken != null) {
      broken.onError(status.asRuntimeException());
    }
  }

  synchronized void refuseStreams(boolean refuse, Status status) {
    refuseStreams = refuse;
    refuseWith = status;
  }

  synchronized Map<Long, List<ByteString>> digests() {
    return new TreeMap<>(digests);
  }

  private synchronized void send(WorkResponse response) {
    if (stream != null) {
      stream.onNext(response);
    }
  }

  @Override
  public StreamObserver<WorkRequest> work(StreamObserver<WorkResponse> responses) {
    return new StreamObserver<>() {
      @Override
      public void onNext(WorkRequest request) {
        handle(request, responses);
      }

      @Override
      public void onError(Throwable failure) {}

      @Override
      public void onCompleted() {
        responses.onCompleted();
      }
    };
  }

  private synchronized void handle(WorkRequest request, StreamObserver<WorkResponse> responses) {
    switch (request.getKindCase()) {
      case REGISTER -> {
        if (refuseStreams) {
          responses.onError(refuseWith.asRuntimeException());
          return;
        }
        registered.add(request.getRegister());
        stream = responses;
        outstanding.clear();
        send(
            WorkResponse.newBuilder()
                .setRunAssigned(
                    RunAssigned.newBuilder()
                        .setRunId(RUN)
                        .setSpec(spec)
                        .addAllPayloadEncodings(payloadEncodings)
                        .setLeaseTtl(
                            Duration.newBuilder()
                                .setSeconds(ttlMillis / 1000)
                                .setNanos(ttlMillis % 1000 * 1_000_000)))
                .build());
        versions.forEach(manifest -> send(versionPublished(manifest)));
        onRegister.forEach(this::send);
      }
      case HEARTBEAT -> {
        heartbeats.add(request.getHeartbeat());
        // Credits count from the leases that the heartbeat names; what was granted since it was
        // written is not among them and uses them up.
        Heartbeat beat = request.getHeartbeat();
        int room = beat.getCredits() + beat.getLeasesCount() - outstanding.size();
        int count = Math.min(Math.max(0, room), toGrant.size());
        if (count > 0 && responses.equals(stream)) {
          grantNow(List.copyOf(toGrant.subList(0, count)));
          toGrant.subList(0, count).clear();
        }
      }
      case LOADED -> loaded.add(request.getLoaded());
      case GROUP_FAILED -> {
        failed.add(request.getGroupFailed());
        outstanding.remove(request.getGroupFailed().getLeaseId());
      }
      case KIND_NOT_SET -> throw new IllegalStateException("empty request");
    }
  }

  @Override
  public StreamObserver<SubmitGroupsRequest> submitGroups(
      StreamObserver<SubmitGroupsResponse> responses) {
    return new StreamObserver<>() {
      private final Map<Long, ByteArrayOutputStream> data = new LinkedHashMap<>();
      private final List<GroupPart> lasts = new ArrayList<>();

      @Override
      public void onNext(SubmitGroupsRequest request) {
        for (GroupPart part : request.getPartsList()) {
          if (part.getData().size() > 1 << 20) {
            throw new IllegalStateException("a part has %d bytes".formatted(part.getData().size()));
          }
          data.computeIfAbsent(part.getLeaseId(), _ -> new ByteArrayOutputStream())
              .writeBytes(part.getData().toByteArray());
          if (!part.getSha256().isEmpty()) {
            lasts.add(part);
          }
        }
      }

      @Override
      public void onError(Throwable failure) {}

      @Override
      public void onCompleted() {
        settle(responses, data, lasts);
      }
    };
  }

  private synchronized void settle(
      StreamObserver<SubmitGroupsResponse> responses,
      Map<Long, ByteArrayOutputStream> data,
      List<GroupPart> lasts) {
    if (unavailable > 0) {
      unavailable--;
      responses.onError(Status.UNAVAILABLE.asRuntimeException());
      return;
    }
    var response = SubmitGroupsResponse.newBuilder();
    for (GroupPart last : lasts) {
      byte[] bytes =
          data.getOrDefault(last.getLeaseId(), new ByteArrayOutputStream()).toByteArray();
      if (!last.getSha256().equals(sha256(bytes))) {
        throw new IllegalStateException("digest of lease %d".formatted(last.getLeaseId()));
      }
      List<ByteString> known = digests.computeIfAbsent(last.getLeaseId(), _ -> new ArrayList<>());
      known.add(last.getSha256());
      outstanding.remove(last.getLeaseId());
      if (known.size() == 1) {
        payloads.add(parsed(bytes));
        payloadBytes.add(bytes.length);
      }
      response.addOutcomes(
          GroupOutcome.newBuilder()
              .setGroupId(last.getGroupId())
              .setLeaseId(last.getLeaseId())
              .setAdmission(known.size() == 1 ? admission : Admission.ADMISSION_DUPLICATE));
    }
    if (unavailableAfterStoring > 0) {
      unavailableAfterStoring--;
      responses.onError(Status.UNAVAILABLE.asRuntimeException());
      return;
    }
    responses.onNext(response.build());
    responses.onCompleted();
  }

  private static GroupPayload parsed(byte[] bytes) {
    try {
      return GroupPayload.parseFrom(PayloadEncoding.message(ByteBuffer.wrap(bytes)));
    } catch (PayloadEncoding.PayloadEncodingException | InvalidProtocolBufferException e) {
      throw new IllegalStateException(e);
    }
  }

  private static ByteString sha256(byte[] bytes) {
    try {
      return ByteString.copyFrom(MessageDigest.getInstance("SHA-256").digest(bytes));
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }
}
