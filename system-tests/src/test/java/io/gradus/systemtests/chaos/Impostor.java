package io.gradus.systemtests.chaos;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.google.protobuf.ByteString;
import io.gradus.core.group.PayloadEncoding;
import io.gradus.rollout.v1.Admission;
import io.gradus.rollout.v1.FinishReason;
import io.gradus.rollout.v1.GroupFailed;
import io.gradus.rollout.v1.GroupOutcome;
import io.gradus.rollout.v1.GroupPart;
import io.gradus.rollout.v1.GroupPayload;
import io.gradus.rollout.v1.Heartbeat;
import io.gradus.rollout.v1.Lease;
import io.gradus.rollout.v1.LeaseProgress;
import io.gradus.rollout.v1.Register;
import io.gradus.rollout.v1.RolloutServiceGrpc;
import io.gradus.rollout.v1.SubmitGroupsRequest;
import io.gradus.rollout.v1.SubmitGroupsResponse;
import io.gradus.rollout.v1.Trajectory;
import io.gradus.rollout.v1.Verdict;
import io.gradus.rollout.v1.VersionSpan;
import io.gradus.rollout.v1.WorkRequest;
import io.gradus.rollout.v1.WorkResponse;
import io.gradus.systemtests.LedgerTables;
import io.grpc.Channel;
import io.grpc.Status;
import io.grpc.stub.StreamObserver;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;

/// A simulated worker that speaks the real protocol and misbehaves: it has no engine.
final class Impostor implements AutoCloseable {

  private static final Duration HEARS_WITHIN = Duration.ofSeconds(30);
  private static final Duration ANSWER_WITHIN = Duration.ofSeconds(60);
  private static final int SLOTS = 4;
  private static final int PART_BYTES = 1 << 20;

  private final RolloutServiceGrpc.RolloutServiceStub stub;
  private final List<Lease> granted = new CopyOnWriteArrayList<>();
  private final List<Long> revoked = new CopyOnWriteArrayList<>();
  private final CompletableFuture<Status> end = new CompletableFuture<>();
  private final StreamObserver<WorkRequest> stream;

  Impostor(Channel channel) {
    stub = RolloutServiceGrpc.newStub(channel);
    stream = stub.work(new Heard());
    stream.onNext(
        WorkRequest.newBuilder()
            .setRegister(
                Register.newBuilder()
                    .setWorkerId("impostor")
                    .setSlots(SLOTS)
                    .setEngine("simulated"))
            .build());
  }

  private final class Heard implements StreamObserver<WorkResponse> {
    @Override
    public void onNext(WorkResponse response) {
      granted.addAll(response.getLeasesGranted().getLeasesList());
      revoked.addAll(response.getLeasesRevoked().getLeaseIdsList());
    }

    @Override
    public void onError(Throwable failure) {
      end.complete(Status.fromThrowable(failure));
    }

    @Override
    public void onCompleted() {
      end.complete(Status.OK);
    }
  }

  /// Says that it lives, what it takes, and which leases it holds; they get no further.
  void beat(int credits, List<Lease> held) {
    var heartbeat = Heartbeat.newBuilder().setCredits(credits);
    held.forEach(lease ->
        heartbeat.addLeases(
            LeaseProgress.newBuilder().setRunId(Site.RUN).setLeaseId(lease.getLeaseId())));
    stream.onNext(WorkRequest.newBuilder().setHeartbeat(heartbeat).build());
  }

  /// Takes leases, as many as it can.
  List<Lease> takeLeases() {
    await("an impostor gets leases")
        .atMost(HEARS_WITHIN)
        .pollInterval(Duration.ofMillis(200))
        .until(() -> {
          beat(SLOTS - granted.size(), granted);
          return !granted.isEmpty() || end.isDone();
        });
    return List.copyOf(granted);
  }

  /// Whether it was told that it lost all of these.
  boolean lost(List<Lease> leases) {
    return revoked.containsAll(leases.stream().map(Lease::getLeaseId).toList());
  }

  /// Whether the coordinator has ended its stream.
  boolean isGone() {
    return end.isDone();
  }

  // ---- nonsense

  /// Submits every kind of nonsense for a lease; none is taken.
  ///
  /// @param other a lease that somebody else holds
  void talkNonsense(Lease lease, Lease other) throws Exception {
    GroupPayload sound = payload(lease, 1);
    Trajectory trajectory = sound.getTrajectories(0);
    refused(
        "logprobs for half of the tokens",
        with(
            sound,
            trajectory.toBuilder().setLogprobs(trajectory.getLogprobs().substring(4)).build()));
    refused(
        "a logprob that is no number",
        with(sound, trajectory.toBuilder().setLogprobs(floats(Float.NaN, -1)).build()));
    refused(
        "a version that was never published",
        with(
            sound,
            trajectory.toBuilder()
                .setSpans(0, VersionSpan.newBuilder().setPolicyVersion(1L << 40).setEnd(2))
                .build()));
    refused(
        "spans beyond the completion",
        with(
            sound,
            trajectory.toBuilder()
                .setSpans(0, VersionSpan.newBuilder().setPolicyVersion(1).setEnd(7))
                .build()));
    refused(
        "a token that no vocabulary has",
        with(sound, trajectory.toBuilder().setCompletionIds(ints(-5, 3)).build()));
    refused(
        "a member that was not asked for",
        with(sound, trajectory.toBuilder().setMember(900).build()));
    refused(
        "a reward that is no number",
        with(sound, trajectory.toBuilder().setReward(Float.NaN).build()));
    refused("somebody else's lease", payload(other, 1));
    refused(
        "a lease that was never granted",
        sound.toBuilder().setLeaseId(lease.getLeaseId() + (1L << 40)).build());
    refused(
        "a group that does not exist",
        sound.toBuilder().setGroupId(lease.getGroupId() + (1L << 40)).build());
    refused("a run with NUL characters", sound.toBuilder().setRunId("\0\0").build());
    refused("no payload at all", lease, new byte[] {0x7f, 'E', 'L', 'F', 0, -1, -1});
    refused("a hundred megabytes", lease, new byte[100 << 20]);
    byte[] bytes = sound.toByteArray();
    assertThat(submit(parts(lease, bytes, sha256(new byte[] {1}))).admitted)
        .as("a digest that is of something else")
        .isEmpty();
    stream.onNext(
        WorkRequest.newBuilder()
            .setGroupFailed(
                GroupFailed.newBuilder()
                    .setRunId(Site.RUN)
                    .setGroupId(lease.getGroupId())
                    .setLeaseId(lease.getLeaseId())
                    .setMessage("\0".repeat(4000)))
            .build());
  }

  private static GroupPayload with(GroupPayload payload, Trajectory trajectory) {
    return payload.toBuilder().setTrajectories(0, trajectory).build();
  }

  /// A payload that an edge takes for sound.
  private static GroupPayload payload(Lease lease, long version) {
    return GroupPayload.newBuilder()
        .setRunId(Site.RUN)
        .setGroupId(lease.getGroupId())
        .setLeaseId(lease.getLeaseId())
        .setPromptIds(ints(13, 1))
        .setTemperature(1)
        .addTrajectories(
            Trajectory.newBuilder()
                .setMember(0)
                .setCompletionIds(ints(1, 12))
                .setLogprobs(floats(-1, -1))
                .addSpans(VersionSpan.newBuilder().setPolicyVersion(version).setEnd(2))
                .setFinishReason(FinishReason.FINISH_REASON_EOS)
                .setVerdict(Verdict.VERDICT_WRONG))
        .build();
  }

  private static ByteString ints(int... values) {
    ByteBuffer bytes =
        ByteBuffer.allocate(Integer.BYTES * values.length).order(ByteOrder.LITTLE_ENDIAN);
    for (int value : values) {
      bytes.putInt(value);
    }
    return ByteString.copyFrom(bytes.flip());
  }

  private static ByteString floats(float... values) {
    ByteBuffer bytes =
        ByteBuffer.allocate(Float.BYTES * values.length).order(ByteOrder.LITTLE_ENDIAN);
    for (float value : values) {
      bytes.putFloat(value);
    }
    return ByteString.copyFrom(bytes.flip());
  }

  private void refused(String what, GroupPayload payload) throws Exception {
    Lease named =
        Lease.newBuilder()
            .setGroupId(payload.getGroupId())
            .setLeaseId(payload.getLeaseId())
            .build();
    refused(what, named, payload.toByteArray());
  }

  private void refused(String what, Lease lease, byte[] bytes) throws Exception {
    assertThat(submit(parts(lease, bytes, sha256(bytes))).admitted).as(what).isEmpty();
  }

  // ---- submits

  /// What became of a call.
  ///
  /// @param admitted outcomes by which something was taken
  record Answer(Status status, List<GroupOutcome> outcomes, List<GroupOutcome> admitted) {}

  /// Sends payloads of the past once more, in the opposite order and each of them twice: nothing is
  /// taken a second time, and with a changed byte nothing is taken at all.
  static void repeat(Channel channel, LedgerTables ledger) throws Exception {
    var parts = new ArrayList<GroupPart>();
    var changed = new ArrayList<GroupPart>();
    for (String row :
        ledger.rows(
            """
            select p.group_id, p.lease_id, encode(p.bytes, 'hex')
            from payload p join rollout_group g
              on g.run_key = p.run_key and g.group_id = p.group_id and g.admitted_lease = p.lease_id
            order by p.group_id desc limit 20\
            """)) {
      Lease lease = lease(row);
      byte[] bytes = HexFormat.of().parseHex(row.substring(row.lastIndexOf(' ') + 1));
      parts.addAll(parts(lease, bytes, sha256(bytes)));
      GroupPayload payload =
          GroupPayload.parseFrom(PayloadEncoding.message(ByteBuffer.wrap(bytes)));
      byte[] other =
          payload.toBuilder().setTemperature(payload.getTemperature() + 1).build().toByteArray();
      changed.addAll(parts(lease, other, sha256(other)));
    }
    assertThat(parts).as("payloads of the past").isNotEmpty();
    Collections.reverse(parts);
    parts.addAll(List.copyOf(parts));
    Answer again = submit(RolloutServiceGrpc.newStub(channel), parts);
    assertThat(again.admitted()).as("payloads that were sent again: %s", again.status()).isEmpty();
    Answer altered = submit(RolloutServiceGrpc.newStub(channel), changed);
    assertThat(altered.admitted()).as("payloads that were changed: %s", altered.status()).isEmpty();
  }

  /// A lease from a row that begins with its group and its number.
  static Lease lease(String row) {
    String[] columns = row.split(" ", -1);
    return Lease.newBuilder()
        .setGroupId(Long.parseLong(columns[0]))
        .setLeaseId(Long.parseLong(columns[1]))
        .build();
  }

  private static List<GroupPart> parts(Lease lease, byte[] bytes, byte[] sha256) {
    var parts = new ArrayList<GroupPart>();
    for (int from = 0; from < bytes.length; from += PART_BYTES) {
      int length = Math.min(PART_BYTES, bytes.length - from);
      parts.add(
          GroupPart.newBuilder()
              .setRunId(Site.RUN)
              .setGroupId(lease.getGroupId())
              .setLeaseId(lease.getLeaseId())
              .setData(ByteString.copyFrom(bytes, from, length))
              .setSha256(
                  from + length == bytes.length ? ByteString.copyFrom(sha256) : ByteString.EMPTY)
              .build());
    }
    return parts;
  }

  private Answer submit(List<GroupPart> parts) throws Exception {
    return submit(stub, parts);
  }

  private static Answer submit(RolloutServiceGrpc.RolloutServiceStub stub, List<GroupPart> parts)
      throws Exception {
    var answer = new CompletableFuture<Answer>();
    StreamObserver<SubmitGroupsRequest> call =
        stub.withDeadlineAfter(ANSWER_WITHIN.toSeconds(), TimeUnit.SECONDS)
            .submitGroups(
                new StreamObserver<>() {
                  @Override
                  public void onNext(SubmitGroupsResponse response) {
                    answer.complete(
                        new Answer(
                            Status.OK,
                            response.getOutcomesList(),
                            response.getOutcomesList().stream()
                                .filter(Impostor::isTaken)
                                .toList()));
                  }

                  @Override
                  public void onError(Throwable failure) {
                    answer.complete(
                        new Answer(Status.fromThrowable(failure), List.of(), List.of()));
                  }

                  @Override
                  public void onCompleted() {}
                });
    for (GroupPart part : parts) {
      if (answer.isDone()) {
        break;
      }
      call.onNext(SubmitGroupsRequest.newBuilder().addParts(part).build());
    }
    call.onCompleted();
    return answer.get(2 * ANSWER_WITHIN.toSeconds(), TimeUnit.SECONDS);
  }

  private static boolean isTaken(GroupOutcome outcome) {
    return outcome.getAdmission() != Admission.ADMISSION_REFUSED
        && outcome.getAdmission() != Admission.ADMISSION_DUPLICATE;
  }

  private static byte[] sha256(byte[] bytes) throws Exception {
    return MessageDigest.getInstance("SHA-256").digest(bytes);
  }

  /// Breaks the stream.
  @Override
  public void close() {
    if (!end.isDone()) {
      stream.onError(Status.CANCELLED.withDescription("the impostor goes").asRuntimeException());
    }
  }
}
