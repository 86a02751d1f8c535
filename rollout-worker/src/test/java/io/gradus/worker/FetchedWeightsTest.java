package io.gradus.worker;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.gradus.core.policy.Manifest;
import io.gradus.learner.chunks.ChunkServer;
import io.gradus.rollout.v1.CheckpointFile;
import io.gradus.rollout.v1.GroupPurpose;
import io.gradus.rollout.v1.Loaded;
import io.gradus.rollout.v1.PolicyManifest;
import io.gradus.run.v1.Addition;
import io.gradus.run.v1.ArithmeticFormat;
import io.gradus.run.v1.Rewards;
import io.gradus.run.v1.Rollout;
import io.gradus.run.v1.RunSpec;
import io.gradus.run.v1.TaskSource;
import io.gradus.worker.engine.libtorch.LibtorchEngine;
import io.gradus.worker.weights.LearnerStore;
import io.gradus.worker.weights.WeightsCacheConfig;
import io.grpc.ManagedChannel;
import io.grpc.Server;
import io.grpc.inprocess.InProcessChannelBuilder;
import io.grpc.inprocess.InProcessServerBuilder;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInfo;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// A worker with a real engine that sees no checkpoint store.
@Timeout(60)
class FetchedWeightsTest {

  @TempDir private Path directory;

  private final List<AutoCloseable> toClose = new ArrayList<>();
  private final FakeCoordinator coordinator = new FakeCoordinator(spec(), 15_000);
  private LearnerStore store;

  @BeforeEach
  void open() throws IOException {
    store = new LearnerStore(Files.createDirectory(directory.resolve("store")));
  }

  @AfterEach
  void close() throws Exception {
    for (AutoCloseable resource : toClose.reversed()) {
      resource.close();
    }
  }

  private static RunSpec spec() {
    return RunSpec.newBuilder()
        .setSeed(7)
        .addTasks(
            TaskSource.newBuilder()
                .setAddition(
                    Addition.newBuilder().setFormat(ArithmeticFormat.ARITHMETIC_FORMAT_DIRECT)))
        .setRollout(Rollout.newBuilder().setTemperature(1))
        .setRewards(Rewards.newBuilder().setRight(1).setWrong(0).setUndecided(0))
        .build();
  }

  private RolloutWorker start(TestInfo info) throws IOException {
    String name = info.getDisplayName();
    Server server = InProcessServerBuilder.forName(name).addService(coordinator).build().start();
    ManagedChannel channel = InProcessChannelBuilder.forName(name).build();
    toClose.add(() -> {
      channel.shutdownNow();
      server.shutdownNow();
    });
    var worker =
        new RolloutWorker(
            channel,
            WorkerConfig.of("worker-1", 4)
                .withWeightsCache(WeightsCacheConfig.of(directory.resolve("cache"), 1L << 30)),
            LibtorchEngine.NAME,
            LibtorchEngine::new,
            System::nanoTime);
    toClose.add(worker);
    await().until(() -> coordinator.registered.size() == 1);
    return worker;
  }

  private String serve(OptionalLong bytesPerSecond) throws IOException {
    var server = new ChunkServer(LearnerStore.server(0, bytesPerSecond), System::nanoTime);
    toClose.add(server);
    server.serve(LearnerStore.RUN, store.path());
    return server.uriOf(LearnerStore.RUN);
  }

  private static String source(String base, long version) {
    return base + "/" + LearnerStore.nameOf(version);
  }

  private static PolicyManifest toProto(Manifest manifest) {
    var message =
        PolicyManifest.newBuilder()
            .setPolicyVersion(manifest.version().value())
            .setStep(manifest.step())
            .setBatch(manifest.batchOrZero())
            .setUri(manifest.uri())
            .setLineage(manifest.lineage().hex());
    manifest
        .files()
        .forEach(file ->
            message.addFiles(
                CheckpointFile.newBuilder()
                    .setName(file.name())
                    .setBytes(file.bytes())
                    .setSha256(file.sha256())));
    return message.build();
  }

  private static Loaded loaded(long version) {
    return Loaded.newBuilder().setRunId(FakeCoordinator.RUN).setPolicyVersion(version).build();
  }

  private List<Long> versionsSampled() {
    return coordinator.payloads.stream()
        .map(payload -> payload.getTrajectories(0).getSpans(0).getPolicyVersion())
        .toList();
  }

  @Test
  void samplesWithTheOldVersionWhileTheNewOneIsFetched(TestInfo info) throws Exception {
    PolicyManifest one = toProto(store.publish(1, 100));
    PolicyManifest two = toProto(store.publish(2, 40 * LearnerStore.CHUNK));
    String fast = serve(OptionalLong.empty());
    String slow = serve(OptionalLong.of(LearnerStore.CHUNK));
    RolloutWorker worker = start(info);
    coordinator.publish(one, List.of(source(fast, 1)));
    await().until(() -> coordinator.loaded.contains(loaded(1)));
    long before = worker.weightsFigures().bytes();

    coordinator.publish(two, List.of(source(slow, 2)));
    await().until(() -> worker.weightsFigures().bytes() > before);
    coordinator.offer(
        FakeCoordinator.lease(1, 2, GroupPurpose.GROUP_PURPOSE_TRAINING, 2),
        FakeCoordinator.lease(2, 2, GroupPurpose.GROUP_PURPOSE_TRAINING, 2));
    await().until(() -> coordinator.payloads.size() == 2);

    assertThat(versionsSampled()).containsOnly(1L);
    assertThat(coordinator.loaded).doesNotContain(loaded(2));
  }

  @Test
  void keepsGroupsUntilTheFirstWeightsAreHere(TestInfo info) throws Exception {
    PolicyManifest one = toProto(store.publish(1, 100));
    RolloutWorker worker = start(info);
    coordinator.publish(one, List.of("http://127.0.0.1:1/nobody"));
    coordinator.grantNow(
        List.of(FakeCoordinator.lease(1, 2, GroupPurpose.GROUP_PURPOSE_TRAINING, 1)));
    await().until(() -> worker.weightsFigures().failures() >= 2);
    assertThat(coordinator.failed).isEmpty();

    coordinator.publish(one, List.of(source(serve(OptionalLong.empty()), 1)));

    await().until(() -> coordinator.payloads.size() == 1);
    assertThat(versionsSampled()).containsExactly(1L);
  }

  @Test
  void fetchesTheVersionThatAnEvaluationPins(TestInfo info) throws Exception {
    PolicyManifest one = toProto(store.publish(1, 100));
    PolicyManifest two = toProto(store.publish(2, 100));
    String base = serve(OptionalLong.empty());
    start(info);
    coordinator.publish(two, List.of(source(base, 2)));
    await().until(() -> coordinator.loaded.contains(loaded(2)));
    coordinator.publish(one, List.of(source(base, 1)));

    coordinator.offer(
        FakeCoordinator.lease(1, 2, GroupPurpose.GROUP_PURPOSE_EVALUATION, 1).toBuilder()
            .setPolicyVersion(1)
            .build());

    await().atMost(Duration.ofSeconds(20)).until(() -> coordinator.payloads.size() == 1);
    assertThat(versionsSampled()).containsExactly(1L);
  }
}
