package io.gradus.coordinator.edge;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.protobuf.ByteString;
import io.gradus.coordinator.Node;
import io.gradus.core.group.PayloadEncoding;
import io.gradus.rollout.v1.Admission;
import io.gradus.rollout.v1.GroupOutcome;
import io.gradus.rollout.v1.GroupPart;
import io.gradus.rollout.v1.GroupPayload;
import io.gradus.rollout.v1.Heartbeat;
import io.gradus.rollout.v1.Lease;
import io.gradus.rollout.v1.LeaseProgress;
import io.gradus.rollout.v1.Loaded;
import io.gradus.rollout.v1.Register;
import io.gradus.rollout.v1.RolloutServiceGrpc;
import io.gradus.rollout.v1.WorkRequest;
import io.gradus.rollout.v1.WorkResponse;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// What a worker may say, and what it is answered.
@Timeout(120)
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class RolloutServiceTest {

  private Node node;

  @BeforeAll
  void start(@TempDir Path directory) throws Exception {
    node = Node.start(directory);
  }

  @AfterEach
  void cancelRuns() {
    node.cancelRuns();
  }

  @AfterAll
  void close() {
    node.close();
  }

  private static List<GroupPart> parts(GroupPayload payload) {
    return Payloads.parts(payload, 40);
  }

  private static List<GroupPart> joined(List<GroupPart> first, List<GroupPart> second) {
    var all = new ArrayList<>(first);
    all.addAll(second);
    return all;
  }

  @Test
  void answersARepeatedSubmitAsADuplicate() throws Exception {
    String run = node.newRun();
    GroupPayload payload = Payloads.of(run, node.worker("worker-1").leases(1).getFirst());

    GroupOutcome first = node.submit(parts(payload)).getFirst();
    GroupOutcome again = node.submit(parts(payload)).getFirst();

    assertThat(first.getAdmission()).isEqualTo(Admission.ADMISSION_ACCEPTED);
    assertThat(again.getAdmission()).isEqualTo(Admission.ADMISSION_DUPLICATE);
  }

  @Test
  void refusesAnotherPayloadUnderTheSameLease() throws Exception {
    String run = node.newRun();
    Lease lease = node.worker("worker-1").leases(1).getFirst();
    node.submit(parts(Payloads.of(run, lease)));

    GroupOutcome other =
        node.submit(
                parts(
                    Payloads.of(run, lease.getGroupId(), lease.getLeaseId())
                        .setTemperature(0.5f)
                        .build()))
            .getFirst();

    assertThat(other.getAdmission()).isEqualTo(Admission.ADMISSION_REFUSED);
    assertThat(other.getMessage()).contains("another payload was submitted");
  }

  @Test
  void refusesOneGroupOfACallWithoutHarmToTheOthers() throws Exception {
    String run = node.newRun();
    Lease lease = node.worker("worker-1").leases(1).getFirst();

    List<GroupOutcome> outcomes =
        node.submit(
            joined(parts(Payloads.of(run, 999, 999).build()), parts(Payloads.of(run, lease))));

    assertThat(outcomes)
        .extracting(GroupOutcome::getAdmission)
        .containsExactly(Admission.ADMISSION_REFUSED, Admission.ADMISSION_ACCEPTED);
    assertThat(outcomes)
        .extracting(GroupOutcome::getGroupId)
        .containsExactly(999L, lease.getGroupId());
  }

  @Test
  void refusesBytesThatTheirDigestDoesNotCover() throws Exception {
    String run = node.newRun();
    Lease lease = node.worker("worker-1").leases(1).getFirst();
    List<GroupPart> parts = new ArrayList<>(parts(Payloads.of(run, lease)));
    GroupPart last = parts.removeLast();
    parts.add(last.toBuilder().setSha256(ByteString.copyFrom(new byte[32])).build());

    assertThat(Node.refusal(node.submission(parts).throwable()))
        .isEqualTo("INVALID_ARGUMENT/INVALID_REQUEST");
    assertThat(node.submit(parts(Payloads.of(run, lease))).getFirst().getAdmission())
        .as("nothing of it was kept")
        .isEqualTo(Admission.ADMISSION_ACCEPTED);
  }

  @Test
  void takesACompressedPayload() throws Exception {
    String run = node.newRun();
    Lease lease = node.worker("worker-1").leases(1).getFirst();
    byte[] compressed = PayloadEncoding.compressed(large(run, lease).toByteArray());
    assertThat(compressed).startsWith(0x78);

    GroupOutcome first = node.submit(List.of(part(run, lease, compressed))).getFirst();
    GroupOutcome again = node.submit(List.of(part(run, lease, compressed))).getFirst();

    assertThat(first.getAdmission()).isEqualTo(Admission.ADMISSION_ACCEPTED);
    assertThat(again.getAdmission()).isEqualTo(Admission.ADMISSION_DUPLICATE);
  }

  @Test
  void refusesADamagedStreamAndKeepsNothingOfIt() throws Exception {
    String run = node.newRun();
    Lease lease = node.worker("worker-1").leases(1).getFirst();
    byte[] compressed = PayloadEncoding.compressed(large(run, lease).toByteArray());
    byte[] cut = Arrays.copyOf(compressed, compressed.length / 2);

    assertThat(Node.refusal(node.submission(List.of(part(run, lease, cut))).throwable()))
        .isEqualTo("INVALID_ARGUMENT/INVALID_REQUEST");
    assertThat(node.submit(List.of(part(run, lease, compressed))).getFirst().getAdmission())
        .isEqualTo(Admission.ADMISSION_ACCEPTED);
  }

  private static GroupPayload large(String run, Lease lease) {
    return Payloads.of(run, lease.getGroupId(), lease.getLeaseId())
        .setPromptIds(Payloads.ids(new int[1000]))
        .build();
  }

  private static GroupPart part(String run, Lease lease, byte[] bytes) {
    return GroupPart.newBuilder()
        .setRunId(run)
        .setGroupId(lease.getGroupId())
        .setLeaseId(lease.getLeaseId())
        .setData(ByteString.copyFrom(bytes))
        .setSha256(ByteString.copyFrom(PayloadReader.sha256(bytes)))
        .build();
  }

  @Test
  void refusesAGroupThatBeginsInsideAnother() throws Exception {
    String run = node.newRun();
    List<GroupPart> first = parts(Payloads.of(run, 1, 1).build());
    List<GroupPart> second = parts(Payloads.of(run, 2, 2).build());

    var failure = node.submission(List.of(first.getFirst(), second.getFirst())).failure();

    assertThat(failure.getDescription()).contains("begin group 2 before the last part of group 1");
  }

  @Test
  void refusesAGroupWithoutItsEnd() throws Exception {
    String run = node.newRun();
    List<GroupPart> parts = parts(Payloads.of(run, 1, 1).build());

    var failure = node.submission(parts.subList(0, parts.size() - 1)).failure();

    assertThat(failure.getDescription()).contains("end without the last part of group 1");
  }

  @Test
  void refusesAPayloadOfAnotherGroupThanItsParts() throws Exception {
    String run = node.newRun();
    List<GroupPart> parts =
        parts(Payloads.of(run, 1, 1).build()).stream()
            .map(part -> part.toBuilder().setGroupId(2).build())
            .toList();

    var failure = node.submission(parts).failure();

    assertThat(failure.getDescription()).contains("is the payload of run " + run + ", group 1");
  }

  @Test
  void refusesSubmitsToARunThatIsNotThere() throws Exception {
    Throwable failure =
        node.submission(parts(Payloads.of("no-such-run", 1, 1).build())).throwable();

    assertThat(Node.refusal(failure)).isEqualTo("NOT_FOUND/RUN_NOT_FOUND");
  }

  @Test
  void demandsToKnowAWorkerFirst() throws Exception {
    var in = new Inbox<WorkResponse>();
    var out = RolloutServiceGrpc.newStub(node.channel()).work(in);

    out.onNext(WorkRequest.newBuilder().setHeartbeat(Heartbeat.newBuilder()).build());

    assertThat(in.failure().getDescription()).contains("register is missing");
  }

  @Test
  void registersAStreamOnce() throws Exception {
    Node.Worker worker = node.worker("worker-1");

    worker
        .out()
        .onNext(
            WorkRequest.newBuilder()
                .setRegister(Register.newBuilder().setWorkerId("worker-2").setSlots(1))
                .build());

    assertThat(worker.in().failure().getDescription()).contains("register was sent before");
  }

  @Test
  void refusesLeasesThatNobodyCanHold() throws Exception {
    Node.Worker worker = node.worker("worker-1");

    worker
        .out()
        .onNext(
            WorkRequest.newBuilder()
                .setHeartbeat(
                    Heartbeat.newBuilder()
                        .addLeases(LeaseProgress.newBuilder().setRunId("run-1").setLeaseId(0)))
                .build());

    assertThat(worker.in().failure().getDescription()).contains("lease_id is 0");
  }

  @Test
  void refusesAnIdThatWouldBreakALog() throws Exception {
    Node.Worker worker = node.worker("worker\n1");

    assertThat(worker.in().failure().getDescription()).contains("control character U+000A at 6");
  }

  @Test
  void refusesAWorkerOfAnotherProtocol() throws Exception {
    Node.Worker worker =
        node.worker(
            Register.newBuilder().setWorkerId("worker-1").setSlots(1).setProtocol(99).build());

    Throwable refusal = worker.in().throwable();
    assertThat(Node.refusal(refusal)).isEqualTo("FAILED_PRECONDITION/PROTOCOL_VERSION");
    assertThat(refusal)
        .hasMessageEndingWith(
            "worker worker-1 speaks protocol 99 and this coordinator 0 to 1; upgrade the"
                + " coordinators first, or run an older worker");
  }

  @Test
  void endsTheOlderStreamOfAWorkerThatRegistersAgain() throws Exception {
    node.newRun();
    Node.Worker older = node.worker("worker-1");
    older.leases(1);

    Node.Worker newer = node.worker("worker-1");

    assertThat(newer.leases(1)).hasSize(1);
    assertThat(Node.refusal(older.in().throwable()))
        .isEqualTo("FAILED_PRECONDITION/REGISTERED_ELSEWHERE");
  }

  @Test
  void tellsAWorkerOfARunThatEnds() throws Exception {
    String run = node.newRun();
    Node.Worker worker = node.worker("worker-1");
    worker.leases(1);
    worker
        .out()
        .onNext(
            WorkRequest.newBuilder()
                .setLoaded(Loaded.newBuilder().setRunId(run).setPolicyVersion(0))
                .build());

    node.cancelRuns();

    assertThat(worker.in().next(WorkResponse::hasRunClosed).getRunClosed().getRunId())
        .isEqualTo(run);
    worker.out().onCompleted();
    worker.in().completion();
  }
}
