package io.gradus.worker;

import static java.nio.ByteOrder.LITTLE_ENDIAN;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import com.google.protobuf.ByteString;
import io.gradus.core.task.Addition;
import io.gradus.core.task.ArithmeticFormat;
import io.gradus.core.task.Problem;
import io.gradus.core.worker.WorkerProtocol;
import io.gradus.rollout.v1.Admission;
import io.gradus.rollout.v1.FinishReason;
import io.gradus.rollout.v1.GroupFailed;
import io.gradus.rollout.v1.GroupPayload;
import io.gradus.rollout.v1.GroupPurpose;
import io.gradus.rollout.v1.Label;
import io.gradus.rollout.v1.Lease;
import io.gradus.rollout.v1.Loaded;
import io.gradus.rollout.v1.PayloadEncoding;
import io.gradus.rollout.v1.Register;
import io.gradus.rollout.v1.Trajectory;
import io.gradus.rollout.v1.Verdict;
import io.gradus.rollout.v1.VersionSpan;
import io.gradus.run.v1.Rewards;
import io.gradus.run.v1.Rollout;
import io.gradus.run.v1.RunSpec;
import io.gradus.run.v1.Schedule;
import io.gradus.run.v1.TaskSource;
import io.gradus.run.v1.Truncated;
import io.gradus.worker.link.WorkLoop;
import io.grpc.ManagedChannel;
import io.grpc.Server;
import io.grpc.Status;
import io.grpc.inprocess.InProcessChannelBuilder;
import io.grpc.inprocess.InProcessServerBuilder;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInfo;
import org.junit.jupiter.api.Timeout;

@Timeout(30)
class RolloutWorkerTest {

  private static final int SLOTS = 8;

  private final ScriptedEngine engine = new ScriptedEngine();
  private final List<AutoCloseable> toClose = new ArrayList<>();
  private FakeCoordinator coordinator = new FakeCoordinator(spec().build(), 15_000);

  @AfterEach
  void closeAll() throws Exception {
    for (AutoCloseable resource : toClose.reversed()) {
      resource.close();
    }
    assertThat(engine.open).as("policies left open").hasValue(0);
  }

  @Test
  void samplesVerifiesAndSubmitsWhatItIsGranted(TestInfo info) throws IOException {
    coordinator.publish(3);
    coordinator.offer(leases(1, 30, 4, GroupPurpose.GROUP_PURPOSE_TRAINING, 2));

    RolloutWorker worker = start(info);

    await().until(() -> worker.decided(Admission.ADMISSION_ACCEPTED) == 30);
    assertThat(coordinator.payloads).hasSize(30);
    for (GroupPayload payload : coordinator.payloads) {
      Problem problem = problem(payload.getGroupId(), 4, ArithmeticFormat.DIRECT);
      assertThat(text(payload.getPromptIds())).isEqualTo("<bos>" + problem.prompt());
      assertThat(payload.getTemperature()).isEqualTo(1f);
      assertThat(payload.getHinted()).isFalse();
      assertThat(payload.getTrajectoriesCount()).isEqualTo(2);
      Trajectory right = payload.getTrajectories(0);
      assertThat(text(right.getCompletionIds())).isEqualTo(problem.answer() + "<eos>");
      assertThat(right.getVerdict()).isEqualTo(Verdict.VERDICT_RIGHT);
      assertThat(right.getReward()).isEqualTo(1f);
      assertThat(right.getFinishReason()).isEqualTo(FinishReason.FINISH_REASON_EOS);
      assertThat(right.getLogprobs().size()).isEqualTo(right.getCompletionIds().size());
      assertThat(right.getLogprobs().asReadOnlyByteBuffer().order(LITTLE_ENDIAN).getFloat())
          .isEqualTo(-0.25f);
      assertThat(right.getSpansList())
          .containsExactly(VersionSpan.newBuilder().setPolicyVersion(3).setEnd(6).build());
      assertThat(right.getLossMask().isEmpty()).isTrue();
      assertThat(payload.getTrajectories(1).getVerdict()).isEqualTo(Verdict.VERDICT_WRONG);
      assertThat(payload.getTrajectories(1).getReward()).isZero();
    }
    assertThat(engine.batches).allMatch(batch -> batch.size() <= 2 * SLOTS);
  }

  @Test
  void registersWithItsPool(TestInfo info) throws IOException {
    start(info);

    await().until(() -> coordinator.registered.size() == 1);
    assertThat(coordinator.registered.getFirst())
        .isEqualTo(
            Register.newBuilder()
                .setWorkerId("worker-1")
                .setSlots(SLOTS)
                .setEngine("scripted")
                .setPool("evening")
                .addLabels(Label.newBuilder().setName("gpu").setValue("h100"))
                .setProtocol(WorkerProtocol.CURRENT)
                .build());
    WorkerConfig usual = WorkerConfig.of("worker-1", SLOTS);
    assertThat(usual.pool()).isEqualTo("default");
    assertThat(usual.withPool("evening").withLimits(Duration.ofSeconds(1), Duration.ZERO).pool())
        .isEqualTo("evening");
    assertThatThrownBy(() -> usual.withPool("Evening"))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("pool is \"Evening\" but must match [a-z0-9][a-z0-9-]{0,62}");
  }

  @Test
  void neverSubmitsAHint(TestInfo info) throws IOException {
    coordinator =
        new FakeCoordinator(
            spec()
                .setTasks(0, addition(io.gradus.run.v1.ArithmeticFormat.ARITHMETIC_FORMAT_CARRY))
                .build(),
            15_000);
    coordinator.publish(1);
    coordinator.offer(leases(1, 5, 3, GroupPurpose.GROUP_PURPOSE_RATIONALIZATION, 1));

    start(info);

    await().until(() -> coordinator.payloads.size() == 5);
    assertThat(engine.batches.stream().flatMap(List::stream))
        .as("what was sampled on")
        .allMatch(prompt -> prompt.contains("!"));
    for (GroupPayload payload : coordinator.payloads) {
      Problem problem = problem(payload.getGroupId(), 3, ArithmeticFormat.CARRY);
      assertThat(text(payload.getPromptIds())).isEqualTo("<bos>" + problem.prompt());
      assertThat(payload.getHinted()).isTrue();
      assertThat(payload.getTrajectories(0).getVerdict()).isEqualTo(Verdict.VERDICT_RIGHT);
    }
  }

  @Test
  void evaluatesGreedilyWithThePinnedVersion(TestInfo info) throws IOException {
    coordinator.publish(1);
    coordinator.publish(2);
    start(info);
    // Before it has version 2 it may as well sample with version 1, the newest that it has then.
    await().until(() -> coordinator.loaded.contains(loaded(2)));

    coordinator.offer(
        FakeCoordinator.lease(1, 2, GroupPurpose.GROUP_PURPOSE_TRAINING, 1),
        FakeCoordinator.lease(2, 2, GroupPurpose.GROUP_PURPOSE_EVALUATION, 1).toBuilder()
            .setPolicyVersion(1)
            .build(),
        FakeCoordinator.lease(3, 2, GroupPurpose.GROUP_PURPOSE_TRAINING, 1));

    await().until(() -> coordinator.payloads.size() == 3);
    for (GroupPayload payload : coordinator.payloads) {
      boolean evaluation = payload.getGroupId() == 2;
      assertThat(payload.getTemperature()).isEqualTo(evaluation ? 0f : 1f);
      assertThat(payload.getTrajectories(0).getSpans(0).getPolicyVersion())
          .isEqualTo(evaluation ? 1 : 2);
    }
  }

  @Test
  void loadsNewVersionsBetweenBatchesAndSaysSo(TestInfo info) throws IOException {
    coordinator.publish(1);
    start(info);
    await().until(() -> coordinator.loaded.contains(loaded(1)));

    coordinator.publish(2);

    await().until(() -> coordinator.loaded.contains(loaded(2)));
    coordinator.offer(leases(1, 1, 2, GroupPurpose.GROUP_PURPOSE_TRAINING, 1));
    await().until(() -> coordinator.payloads.size() == 1);
    assertThat(engine.versions.getLast().value()).isEqualTo(2);
  }

  @Test
  void goesOnWithTheOldVersionWhenTheNewOneIsDamaged(TestInfo info) throws IOException {
    engine.damaged.add(2L);
    coordinator.publish(1);
    start(info);
    await().until(() -> coordinator.loaded.contains(loaded(1)));

    coordinator.publish(2);
    coordinator.offer(leases(1, 1, 2, GroupPurpose.GROUP_PURPOSE_TRAINING, 1));

    await().until(() -> coordinator.payloads.size() == 1);
    assertThat(engine.versions.getLast().value()).isEqualTo(1);
    assertThat(coordinator.loaded).doesNotContain(loaded(2));
  }

  @Test
  void givesLeasesBackWhenTheEngineFailsAndNeverScoresThem(TestInfo info) throws IOException {
    engine.failures.set(1);
    coordinator.publish(1);
    coordinator.grantOnRegister(leases(1, 4, 2, GroupPurpose.GROUP_PURPOSE_TRAINING, 1));

    RolloutWorker worker = start(info);

    await().until(() -> coordinator.failed.size() == 4);
    assertThat(coordinator.failed.stream().map(GroupFailed::getMessage))
        .containsOnly("the engine has a bad day");
    assertThat(coordinator.payloads).isEmpty();
    assertThat(worker.figures().groupsFailed()).isEqualTo(4);
  }

  @Test
  void repeatsASubmitWithTheSameBytesUntilItIsAnswered(TestInfo info) throws IOException {
    coordinator.publish(1);
    coordinator.failSubmits(1);
    coordinator.loseAnswers(2);
    coordinator.offer(leases(1, 3, 2, GroupPurpose.GROUP_PURPOSE_TRAINING, 1));

    RolloutWorker worker = start(info);

    await()
        .until(() ->
            worker.decided(Admission.ADMISSION_DUPLICATE)
                    + worker.decided(Admission.ADMISSION_ACCEPTED)
                == 3);
    assertThat(coordinator.payloads).hasSize(3);
    assertThat(worker.figures().submitRetries()).isEqualTo(3);
    assertThat(coordinator.digests().values())
        .allSatisfy(digests -> assertThat(digests.stream().distinct()).hasSize(1));
    assertThat(coordinator.digests().values()).anyMatch(digests -> digests.size() > 1);
  }

  @Test
  void overlapsSamplingWithSubmitsButNotWithoutBound(TestInfo info) throws IOException {
    coordinator.publish(1);
    coordinator.failSubmits(Integer.MAX_VALUE);
    coordinator.offer(leases(1, 20 * SLOTS, 2, GroupPurpose.GROUP_PURPOSE_TRAINING, 1));

    RolloutWorker worker = start(info);

    // One being submitted, two in the queue, one that waits for room in it.
    await().until(() -> engine.batches.size() >= 4);
    await().until(() -> worker.figures().submitRetries() >= 3);
    assertThat(engine.batches.size()).isLessThanOrEqualTo(5);
    coordinator.failSubmits(0);
    await().until(() -> worker.decided(Admission.ADMISSION_ACCEPTED) == 20 * SLOTS);
    assertThat(coordinator.failed).isEmpty();
  }

  @Test
  void abandonsABatchWhoseLeasesAreAllRevoked(TestInfo info) throws IOException {
    engine.permits.drainPermits();
    coordinator.publish(1);
    coordinator.grantOnRegister(leases(1, 3, 2, GroupPurpose.GROUP_PURPOSE_TRAINING, 1));
    start(info);
    await().until(() -> engine.sampling.get() == 1);

    coordinator.revoke(1001, 1002, 1003);

    await().until(() -> engine.abandoned.get() == 1);
    engine.permits.release(1_000);
    coordinator.offer(leases(10, 1, 2, GroupPurpose.GROUP_PURPOSE_TRAINING, 1));
    await().until(() -> coordinator.payloads.size() == 1);
    assertThat(coordinator.payloads.getFirst().getGroupId()).isEqualTo(10);
  }

  @Test
  void dropsTheResultOfARevokedLease(TestInfo info) throws IOException {
    engine.permits.drainPermits();
    coordinator.publish(1);
    coordinator.grantOnRegister(leases(1, 3, 2, GroupPurpose.GROUP_PURPOSE_TRAINING, 1));
    start(info);
    await().until(() -> engine.sampling.get() == 1);

    coordinator.revoke(1002);
    coordinator.publish(2);
    await()
        .until(() ->
            coordinator.heartbeats.getLast().getLeasesList().stream()
                .anyMatch(lease -> lease.getProgress() > 0));
    engine.permits.release(1_000);

    await().until(() -> coordinator.payloads.size() == 2);
    assertThat(coordinator.payloads.stream().map(GroupPayload::getGroupId)).containsExactly(1L, 3L);
  }

  @Test
  void forgetsARunThatIsClosed(TestInfo info) throws IOException {
    coordinator.publish(1);
    start(info);
    await().until(() -> coordinator.loaded.contains(loaded(1)));

    coordinator.closeRun();

    await().until(() -> engine.open.get() == 0);
    coordinator.grantNow(List.of(leases(1, 1, 2, GroupPurpose.GROUP_PURPOSE_TRAINING, 1)));
    await().until(() -> coordinator.failed.size() == 1);
    assertThat(coordinator.failed.getFirst().getMessage()).contains("not known here");
  }

  @Test
  void handsBackWhatItHasNotBegunWhenItCloses(TestInfo info) throws IOException {
    engine.permits.drainPermits();
    coordinator.publish(1);
    RolloutWorker worker = start(info);
    await().until(() -> !coordinator.heartbeats.isEmpty());
    coordinator.grantNow(List.of(leases(1, SLOTS, 2, GroupPurpose.GROUP_PURPOSE_TRAINING, 1)));
    await().until(() -> engine.sampling.get() == 1);
    coordinator.grantNow(List.of(leases(SLOTS + 1, 5, 2, GroupPurpose.GROUP_PURPOSE_TRAINING, 1)));
    await().until(() -> coordinator.heartbeats.getLast().getLeasesCount() == SLOTS + 5);
    assertThat(worker.isConnected()).isTrue();

    worker.close();

    await().until(() -> coordinator.failed.size() == 5);
    assertThat(coordinator.failed.stream().map(GroupFailed::getGroupId))
        .containsExactlyInAnyOrder(9L, 10L, 11L, 12L, 13L);
    assertThat(worker.isConnected()).isFalse();
  }

  @Test
  void comesBackAfterTheCoordinatorWasAwayAndTellsItsVersion(TestInfo info) throws IOException {
    coordinator.publish(1);
    start(info);
    await().until(() -> coordinator.loaded.size() == 1);

    coordinator.refuseStreams(true, Status.UNAVAILABLE);
    coordinator.breakStream(Status.UNAVAILABLE);
    coordinator.refuseStreams(false, Status.UNAVAILABLE);

    await().until(() -> coordinator.registered.size() == 2);
    await().until(() -> coordinator.loaded.size() == 2);
    coordinator.offer(leases(1, 5, 2, GroupPurpose.GROUP_PURPOSE_TRAINING, 1));
    await().until(() -> coordinator.payloads.size() == 5);
  }

  @Test
  void submitsWhatItWasSamplingWhenTheStreamBroke(TestInfo info) throws IOException {
    engine.permits.drainPermits();
    coordinator.publish(1);
    coordinator.grantOnRegister(leases(1, SLOTS + 3, 2, GroupPurpose.GROUP_PURPOSE_TRAINING, 1));
    start(info);
    await().until(() -> engine.sampling.get() == 1);

    coordinator.grantOnRegister();
    coordinator.breakStream(Status.UNAVAILABLE);
    await().until(() -> coordinator.registered.size() == 2);
    engine.permits.release(1_000);

    await().until(() -> coordinator.payloads.size() == SLOTS);
    assertThat(engine.batches).as("queued groups were returned").hasSize(1);
  }

  @Test
  void endsWhenItIsRegisteredElsewhere(TestInfo info) throws Exception {
    RolloutWorker worker = start(info);
    await().until(() -> coordinator.registered.size() == 1);

    coordinator.breakStream(Status.FAILED_PRECONDITION.withDescription("REGISTERED_ELSEWHERE"));

    assertThat(worker.ending().get(10, TimeUnit.SECONDS))
        .isInstanceOf(WorkLoop.Ending.Failed.class);
  }

  @Test
  void givesUpWhenTheCoordinatorStaysAway(TestInfo info) throws Exception {
    coordinator.refuseStreams(true, Status.UNAVAILABLE);

    RolloutWorker worker = start(info, Duration.ofMillis(300));

    assertThat(worker.ending().get(10, TimeUnit.SECONDS))
        .isInstanceOf(WorkLoop.Ending.Failed.class);
  }

  @Test
  void renewsItsLeasesWithinAThirdOfTheirTime(TestInfo info) throws IOException {
    coordinator = new FakeCoordinator(spec().build(), 150);
    engine.permits.drainPermits();
    coordinator.publish(1);
    coordinator.grantOnRegister(leases(1, 2, 2, GroupPurpose.GROUP_PURPOSE_TRAINING, 1));
    start(info);

    await()
        .until(() ->
            coordinator.heartbeats.stream().filter(beat -> beat.getLeasesCount() == 2).count()
                >= 5);
    long[] progress =
        coordinator.heartbeats.stream()
            .filter(beat -> beat.getLeasesCount() == 2)
            .mapToLong(beat -> beat.getLeases(0).getProgress())
            .toArray();
    assertThat(progress).isSorted();
    assertThat(progress[progress.length - 1]).isGreaterThan(progress[0]);
    engine.permits.release(1_000);
  }

  @Test
  void scoresTruncatedAnswersAsTheSpecSays(TestInfo info) throws IOException {
    coordinator =
        new FakeCoordinator(
            spec()
                .setRollout(spec().getRollout().toBuilder().setMaxTokens(2))
                .setRewards(
                    spec().getRewards().toBuilder()
                        .setWrong(-0.5)
                        .setTruncated(Truncated.TRUNCATED_MASK))
                .build(),
            15_000);
    coordinator.publish(1);
    coordinator.offer(leases(1, 1, 3, GroupPurpose.GROUP_PURPOSE_TRAINING, 1));

    start(info);

    await().until(() -> coordinator.payloads.size() == 1);
    Trajectory cut = coordinator.payloads.getFirst().getTrajectories(0);
    assertThat(cut.getFinishReason()).isEqualTo(FinishReason.FINISH_REASON_LENGTH);
    assertThat(cut.getVerdict()).isEqualTo(Verdict.VERDICT_WRONG);
    assertThat(cut.getReward()).isEqualTo(-0.5f);
    assertThat(cut.getLossMask()).isEqualTo(ByteString.copyFrom(new byte[2]));
  }

  @Test
  void samplesOnlyTheMembersThatAreMissing(TestInfo info) throws IOException {
    coordinator.publish(1);
    coordinator.offer(
        FakeCoordinator.lease(1, 2, GroupPurpose.GROUP_PURPOSE_TRAINING, 0).toBuilder()
            .addAllMembers(List.of(2, 5))
            .build());

    start(info);

    await().until(() -> coordinator.payloads.size() == 1);
    assertThat(coordinator.payloads.getFirst().getTrajectoriesList())
        .extracting(Trajectory::getMember)
        .containsExactly(2, 5);
  }

  @Test
  void inLockstepBatchesAreThoseOfTheGrantsWhateverTheTiming(TestInfo info) throws IOException {
    coordinator =
        new FakeCoordinator(
            spec()
                .setRollout(spec().getRollout().toBuilder().setSchedule(Schedule.SCHEDULE_LOCKSTEP))
                .build(),
            15_000);
    engine.permits.drainPermits();
    coordinator.publish(1);
    start(info);
    await().until(() -> !coordinator.heartbeats.isEmpty());
    List<Lease> first = List.of(leases(1, 3, 2, GroupPurpose.GROUP_PURPOSE_TRAINING, 1));
    List<Lease> second = List.of(leases(4, SLOTS + 1, 2, GroupPurpose.GROUP_PURPOSE_TRAINING, 1));

    coordinator.grantNow(first);
    coordinator.grantNow(second);
    coordinator.publish(2);
    engine.permits.release(1_000);

    await().until(() -> coordinator.payloads.size() == 3 + SLOTS + 1);
    assertThat(engine.batches).extracting(List::size).containsExactly(3, SLOTS, 1);
    assertThat(engine.versions)
        .as("the version that was newest when they were granted")
        .allMatch(version -> version.value() == 1);
    await().until(() -> coordinator.heartbeats.getLast().getCredits() == SLOTS);
    assertThat(coordinator.heartbeats)
        .as("credits only when nothing is held")
        .allMatch(beat -> beat.getCredits() == 0 || beat.getLeasesCount() == 0);
  }

  @Test
  void splitsLargePayloadsIntoParts(TestInfo info) throws IOException {
    coordinator.publish(1);
    // 1,024 members of 98 digits: 1,024 × (4 + 4) × 100 bytes are about 0.9 MB a group.
    coordinator.offer(leases(1, 4, 98, GroupPurpose.GROUP_PURPOSE_TRAINING, 1024));

    start(info);

    await().until(() -> coordinator.payloads.size() == 4);
    assertThat(coordinator.payloads)
        .allSatisfy(payload -> assertThat(payload.getTrajectoriesCount()).isEqualTo(1024));
  }

  @Test
  void compressesPayloadsWhereTheCoordinatorTakesIt(TestInfo info) throws IOException {
    coordinator.payloadEncodings = List.of(PayloadEncoding.PAYLOAD_ENCODING_ZLIB);
    coordinator.publish(1);
    coordinator.offer(leases(1, 4, 98, GroupPurpose.GROUP_PURPOSE_TRAINING, 64));

    start(info);

    await().until(() -> coordinator.payloadBytes.size() == 4);
    for (int group = 0; group < 4; group++) {
      assertThat(coordinator.payloadBytes.get(group))
          .isLessThan(coordinator.payloads.get(group).getSerializedSize() * 9 / 10);
    }
  }

  @Test
  void compressesNothingForAnOlderCoordinator(TestInfo info) throws IOException {
    coordinator.publish(1);
    coordinator.offer(leases(1, 1, 98, GroupPurpose.GROUP_PURPOSE_TRAINING, 64));

    start(info);

    await().until(() -> coordinator.payloadBytes.size() == 1);
    assertThat(coordinator.payloadBytes.getFirst())
        .isEqualTo(coordinator.payloads.getFirst().getSerializedSize());
  }

  private RolloutWorker start(TestInfo info) throws IOException {
    return start(info, Duration.ofSeconds(20));
  }

  private RolloutWorker start(TestInfo info, Duration reconnectDeadline) throws IOException {
    String name = info.getDisplayName();
    Server server = InProcessServerBuilder.forName(name).addService(coordinator).build().start();
    ManagedChannel channel = InProcessChannelBuilder.forName(name).build();
    toClose.add(() -> {
      channel.shutdownNow();
      server.shutdownNow();
    });
    WorkerConfig defaults = WorkerConfig.of("worker-1", SLOTS);
    var config =
        new WorkerConfig(
            defaults.workerId(),
            SLOTS,
            SLOTS,
            2,
            Duration.ofSeconds(5),
            reconnectDeadline,
            Duration.ofSeconds(5),
            Optional.empty(),
            "evening",
            Map.of("gpu", "h100"));
    var worker = new RolloutWorker(channel, config, "scripted", () -> engine, System::nanoTime);
    toClose.add(worker);
    return worker;
  }

  private static Lease[] leases(
      long first, int count, int stratum, GroupPurpose purpose, int members) {
    return LongStream.range(first, first + count)
        .mapToObj(id -> FakeCoordinator.lease(id, stratum, purpose, members))
        .toArray(Lease[]::new);
  }

  private static Loaded loaded(long version) {
    return Loaded.newBuilder().setRunId(FakeCoordinator.RUN).setPolicyVersion(version).build();
  }

  private static Problem problem(long index, int stratum, ArithmeticFormat format) {
    return new Addition(format)
        .problem(7, io.gradus.core.group.GroupPurpose.TRAINING, stratum, index);
  }

  private static String text(ByteString ids) {
    var buffer = ids.asReadOnlyByteBuffer().order(LITTLE_ENDIAN).asIntBuffer();
    int[] array = IntStream.range(0, buffer.remaining()).map(buffer::get).toArray();
    return ScriptedEngine.VOCABULARY.decode(Arrays.copyOf(array, array.length));
  }

  private static TaskSource addition(io.gradus.run.v1.ArithmeticFormat format) {
    return TaskSource.newBuilder()
        .setAddition(io.gradus.run.v1.Addition.newBuilder().setFormat(format))
        .build();
  }

  private static RunSpec.Builder spec() {
    return RunSpec.newBuilder()
        .setSeed(7)
        .addTasks(addition(io.gradus.run.v1.ArithmeticFormat.ARITHMETIC_FORMAT_DIRECT))
        .setRollout(Rollout.newBuilder().setTemperature(1))
        .setRewards(Rewards.newBuilder().setRight(1).setWrong(0).setUndecided(0));
  }
}
