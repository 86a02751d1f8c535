package io.gradus.learner;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.gradus.learner.batch.TrainingBatch;
import io.gradus.learner.chunks.ChunkServerConfig;
import io.gradus.learner.objective.Example;
import io.gradus.learner.objective.Star;
import io.gradus.learner.v1.JoinRunRequest;
import io.gradus.learner.v1.ReportBatchRequest;
import io.gradus.policy.Decoder;
import io.gradus.policy.checkpoint.CheckpointManifest;
import io.gradus.policy.nativememory.NativeMemory;
import io.gradus.policy.training.OptimizerConfig;
import io.gradus.policy.training.Trainer;
import io.gradus.rollout.v1.PolicyManifest;
import io.gradus.rollout.v1.Verdict;
import io.gradus.run.v1.Rollout;
import io.gradus.run.v1.Schedule;
import io.grpc.ManagedChannel;
import io.grpc.Server;
import io.grpc.Status;
import io.grpc.inprocess.InProcessChannelBuilder;
import io.grpc.inprocess.InProcessServerBuilder;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BooleanSupplier;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInfo;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(60)
class LearnerTest {

  private static final int WARM_UP = Specs.WARM_UP;
  private static final int BATCHES = 12;

  private static final LearnerConfig ONE_REPLICA = LearnerConfig.of(FakeRun.RUN, "learner-0", 1);

  private static final List<Verdict> RIGHT_AND_WRONG =
      List.of(Verdict.VERDICT_RIGHT, Verdict.VERDICT_WRONG);

  @TempDir Path store;
  private final List<AutoCloseable> toClose = new ArrayList<>();

  @AfterEach
  void closeAll() throws Exception {
    for (AutoCloseable resource : toClose.reversed()) {
      resource.close();
    }
  }

  @Test
  void appliesReportsAndPublishesInOrderUntilTheRunEnds(TestInfo info) throws Exception {
    var run = new FakeRun(Specs.tiny().build(), store, batches());

    Learner learner = start(info, run);

    assertThat(learner.ending().get(30, TimeUnit.SECONDS)).isEqualTo(Learner.Ending.RUN_ENDED);
    assertThat(run.violations).isEmpty();
    assertThat(run.reports).hasSize(BATCHES);
    assertThat(run.events)
        .filteredOn(event -> event.startsWith("published"))
        .containsExactly(
            "published 1 at 0 durable",
            "published 2 at 2",
            "published 3 at 4 durable",
            "published 4 at 6",
            "published 5 at 8 durable",
            "published 6 at 10",
            "published 7 at 12 durable");
    assertThat(learner.figures().optimizerSteps()).isEqualTo(BATCHES);
  }

  @Test
  void servesWhatItPublishesAndSaysWhere(TestInfo info) throws Exception {
    var run = new FakeRun(Specs.tiny().build(), store, batches());
    run.staysOpenAfterTheLastBatch();
    start(info, run, ONE_REPLICA.withChunkServer(ChunkServerConfig.onLoopback(0)));
    await().until(() -> run.applied() == BATCHES && !run.streams.isEmpty());

    String base = run.joins.getFirst().getChunkServer();
    PolicyManifest newest = run.newest();
    Path published = run.directory(newest);

    assertThat(run.streams.getFirst().getChunkServer()).isEqualTo(base);
    URI file = URI.create("%s/%s/model.safetensors".formatted(base, published.getFileName()));
    try (var client = HttpClient.newHttpClient()) {
      byte[] served =
          client.send(HttpRequest.newBuilder(file).build(), BodyHandlers.ofByteArray()).body();
      assertThat(served).isEqualTo(Files.readAllBytes(published.resolve("model.safetensors")));
    }
  }

  @Test
  void servesNothingUnlessItIsToldTo(TestInfo info) throws Exception {
    var run = new FakeRun(Specs.tiny().build(), store, batches());

    start(info, run).ending().get(30, TimeUnit.SECONDS);

    assertThat(run.joins).allMatch(join -> join.getChunkServer().isEmpty());
  }

  @Test
  void goesOnFromADurableCheckpointWithTheSameBits(TestInfo info) throws Exception {
    var whole = new FakeRun(Specs.tiny().build(), store.resolve("whole"), batches());
    start(info, whole, ONE_REPLICA).ending().get(30, TimeUnit.SECONDS);
    var run = new FakeRun(Specs.tiny().build(), store.resolve("parts"), batches());
    run.stallAfter(10);
    Learner first = start(info, run, ONE_REPLICA);
    await().until(() -> run.applied() == 10);
    first.close();
    assertThat(first.ending().get(1, TimeUnit.SECONDS)).isEqualTo(Learner.Ending.CLOSED);
    run.stallAfter(BATCHES);

    Learner second = start(info, run, ONE_REPLICA);

    assertThat(second.ending().get(30, TimeUnit.SECONDS)).isEqualTo(Learner.Ending.RUN_ENDED);
    assertThat(run.violations).isEmpty();
    assertThat(run.events).contains("join 2 from 8");
    assertThat(second.figures().batches()).as("9 to 12").isEqualTo(4);
    assertThat(run.newest().getDurable()).isTrue();
    assertThat(digests(run.newest())).isEqualTo(digests(whole.newest()));
  }

  @Test
  void publishesWhatItLoadedAsANewVersion(TestInfo info) throws Exception {
    var run = new FakeRun(Specs.tiny().build(), store, batches());
    run.stallAfter(4);
    Learner first = start(info, run, ONE_REPLICA);
    await().until(() -> run.publications.size() == 3);
    first.close();

    start(info, run, ONE_REPLICA);

    await().until(() -> run.publications.size() == 4);
    PolicyManifest loaded = run.publications.get(2);
    PolicyManifest again = run.publications.get(3);
    assertThat(again.getPolicyVersion()).isEqualTo(4);
    assertThat(again.getStep()).isEqualTo(loaded.getStep());
    assertThat(again.getLineage()).isEqualTo(loaded.getLineage());
    assertThat(again.getDurable()).isTrue();
    assertThat(digests(again)).isEqualTo(digests(loaded));
    assertThat(CheckpointManifest.read(run.directory(again)).parent()).isEqualTo(3);
    assertThat(run.violations).isEmpty();
  }

  @Test
  void reportsADamagedCheckpointAndTakesTheOneBefore(TestInfo info) throws Exception {
    var run = new FakeRun(Specs.tiny().build(), store, batches());
    run.stallAfter(10);
    Learner first = start(info, run, ONE_REPLICA);
    await().until(() -> run.applied() == 10 && run.publications.size() == 6);
    first.close();
    // Version 5 is the durable one at batch 8, version 3 that at batch 4; one is flipped, one gone.
    Path damaged = run.directory(run.publications.get(4)).resolve("model.safetensors");
    byte[] bytes = Files.readAllBytes(damaged);
    bytes[bytes.length - 5] ^= 1;
    Files.write(damaged, bytes);
    Files.move(run.directory(run.publications.get(2)), store.resolve("elsewhere"));
    run.stallAfter(BATCHES);

    Learner second = start(info, run, ONE_REPLICA);

    assertThat(second.ending().get(30, TimeUnit.SECONDS)).isEqualTo(Learner.Ending.RUN_ENDED);
    assertThat(run.joins)
        .extracting(JoinRunRequest::getDamagedVersionsList)
        .containsExactly(List.of(), List.of(), List.of(5L), List.of(5L, 3L));
    assertThat(run.events).contains("join 4 from 0");
    assertThat(run.violations).isEmpty();
  }

  @Test
  void repeatsWhatWasNotAnswered(TestInfo info) throws Exception {
    var run = new FakeRun(Specs.tiny().build(), store, batches());
    run.failCalls(2);
    run.loseAnswers(1, 2, 2);

    Learner learner = start(info, run);

    assertThat(learner.ending().get(30, TimeUnit.SECONDS)).isEqualTo(Learner.Ending.RUN_ENDED);
    assertThat(run.joins).as("the first one's answer was lost").hasSize(2);
    assertThat(run.violations).isEmpty();
    assertThat(run.reports).hasSize(BATCHES);
    assertThat(run.publications).hasSize(7);
    assertThat(learner.figures().sessions()).isEqualTo(1);
  }

  @Test
  void keepsItsWeightsWhenOnlyTheStreamBreaks(TestInfo info) throws Exception {
    var run = new FakeRun(Specs.tiny().build(), store, batches());
    run.stallAfter(6);
    Learner learner = start(info, run);
    await().until(() -> run.applied() == 6);

    run.breakStream(Status.UNAVAILABLE);
    run.stallAfter(BATCHES);

    assertThat(learner.ending().get(30, TimeUnit.SECONDS)).isEqualTo(Learner.Ending.RUN_ENDED);
    assertThat(learner.figures().sessions()).isEqualTo(1);
    assertThat(learner.figures().batches()).isEqualTo(BATCHES);
    assertThat(run.events).contains("stream from 1", "stream from 7");
    assertThat(run.violations).isEmpty();
  }

  @Test
  void opensASilentStreamAgain(TestInfo info) throws Exception {
    var run = new FakeRun(Specs.tiny().build(), store, batches());
    run.stallAfter(5);
    Learner learner = start(info, run, config(Duration.ofMillis(100), Duration.ofMinutes(1)));

    await().until(() -> run.events.contains("stream from 6"));
    run.stallAfter(BATCHES);

    assertThat(learner.ending().get(30, TimeUnit.SECONDS)).isEqualTo(Learner.Ending.RUN_ENDED);
    assertThat(run.violations).isEmpty();
    assertThat(run.reports).hasSize(BATCHES);
  }

  @Test
  void givesUpACoordinatorThatStaysAway(TestInfo info) throws Exception {
    var run = new FakeRun(Specs.tiny().build(), store, batches());
    run.failCalls(Integer.MAX_VALUE);

    Learner learner = start(info, run, config(Duration.ofMinutes(1), Duration.ofMillis(200)));

    assertThat(learner.ending())
        .failsWithin(Duration.ofSeconds(30))
        .withThrowableOfType(ExecutionException.class)
        .withMessageContaining("failed for too long");
  }

  @Test
  void endsWhenAnotherLearnerHasTheRun(TestInfo info) throws Exception {
    var run = new FakeRun(Specs.tiny().build(), store, batches());
    run.stallAfter(6);
    Learner learner = start(info, run);
    await().until(() -> run.applied() == 6);

    run.takeOver("somebody-else");

    assertThat(learner.ending())
        .failsWithin(Duration.ofSeconds(30))
        .withThrowableOfType(ExecutionException.class)
        .withMessageContaining("somebody-else");
    assertThat(run.violations).isEmpty();
  }

  @Test
  void joinsAgainOnceWhenItsOwnNameTookOver(TestInfo info) throws Exception {
    var run = new FakeRun(Specs.tiny().build(), store, batches());
    run.stallAfter(6);
    Learner learner = start(info, run);
    await().until(() -> run.events.contains("published 4 at 6"));

    run.takeOver("learner-0");

    await().until(() -> run.events.contains("join 3 from 4") && run.applied() == 6);
    assertThat(learner.ending()).isNotDone();
    run.takeOver("learner-0");
    assertThat(learner.ending())
        .failsWithin(Duration.ofSeconds(30))
        .withThrowableOfType(ExecutionException.class)
        .withMessageContaining("LEARNER_FENCED");
    assertThat(run.violations).isEmpty();
  }

  @Test
  void refusesABatchThatIsNotWhatItsDigestSays(TestInfo info) throws Exception {
    List<FakeBatch> batches = batches();
    var run = new FakeRun(Specs.tiny().build(), store, batches);
    FakeBatch sound = batches.get(6);
    run.sendOnce(
        7,
        sound.with(
            sound.header().toBuilder()
                .setUses(0, sound.header().getUses(0).toBuilder().setMember(1))
                .build()));

    Learner learner = start(info, run);

    assertThat(learner.ending().get(30, TimeUnit.SECONDS)).isEqualTo(Learner.Ending.RUN_ENDED);
    assertThat(run.failures).hasSize(1);
    assertThat(run.failures.getFirst().getBatch()).isEqualTo(7);
    assertThat(run.failures.getFirst().getFailure()).contains("digest");
    assertThat(run.events).containsSubsequence("applied 6", "failure 7", "join 2 from 4");
    assertThat(run.violations).isEmpty();
  }

  @Test
  void opensAStreamAgainThatMakesNoSense(TestInfo info) throws Exception {
    List<FakeBatch> batches = batches();
    var run = new FakeRun(Specs.tiny().build(), store, batches);
    run.sendOnce(7, batches.get(8));

    Learner learner = start(info, run);

    assertThat(learner.ending().get(30, TimeUnit.SECONDS)).isEqualTo(Learner.Ending.RUN_ENDED);
    assertThat(run.events).contains("stream from 7");
    assertThat(run.failures).as("the batch itself is sound").isEmpty();
    assertThat(run.violations).isEmpty();
  }

  @Test
  void loadsACheckpointAgainAfterABatchThatFailedHalfWay(TestInfo info) throws Exception {
    var whole = new FakeRun(Specs.tiny().build(), store.resolve("whole"), batches());
    start(info, whole, ONE_REPLICA).ending().get(30, TimeUnit.SECONDS);
    var run = new FakeRun(Specs.tiny().build(), store.resolve("failing"), batches());
    // Two steps, of which one has a row that is longer than the model reads.
    run.sendOnce(
        7,
        Batches.replay(
            7,
            List.of(
                Batches.group(7000, 1, Verdict.VERDICT_RIGHT),
                Batches.group(7001, 30, Verdict.VERDICT_RIGHT)),
            0,
            header -> header.setMinibatches(2)));

    Learner learner = start(info, run, ONE_REPLICA);

    assertThat(learner.ending().get(30, TimeUnit.SECONDS)).isEqualTo(Learner.Ending.RUN_ENDED);
    assertThat(run.failures).extracting(ReportBatchRequest::getBatch).containsExactly(7L);
    assertThat(learner.figures().sessions()).isEqualTo(2);
    assertThat(digests(run.newest())).isEqualTo(digests(whole.newest()));
    assertThat(run.violations).isEmpty();
  }

  @Test
  void skipsAStepWhoseLossIsNotFinite(TestInfo info) throws Exception {
    var poisoned = Batches.group(5000, 1, RIGHT_AND_WRONG).toBuilder();
    poisoned.getTrajectoriesBuilder(0).setLogprobs(Batches.floats(new float[] {Float.NaN, -1, -1}));
    var run =
        new FakeRun(
            Specs.tiny().clearWarmUp().setObjective(Specs.GRPO).build(),
            store,
            List.of(
                Batches.replay(1, List.of(poisoned.build()), -1, header -> header),
                Batches.replay(
                    2,
                    List.of(Batches.group(6000, 1, RIGHT_AND_WRONG)),
                    -1,
                    header -> header.setPublish(true))));

    Learner learner = start(info, run);

    assertThat(learner.ending().get(30, TimeUnit.SECONDS)).isEqualTo(Learner.Ending.RUN_ENDED);
    assertThat(run.reports).extracting(ReportBatchRequest::getSteps).containsExactly(0, 1);
    assertThat(run.reports).extracting(ReportBatchRequest::getSkippedSteps).containsExactly(1, 0);
    var figures = run.reports.get(1).getFigures();
    assertThat(run.reports.getFirst().getFigures().hasLoss()).isFalse();
    assertThat(figures.hasEntropy() && figures.hasKl() && figures.hasClipFraction()).isTrue();
    assertThat(figures.getSequences()).isEqualTo(2);
    assertThat(figures.getTokens()).isEqualTo(6);
    assertThat(run.violations).isEmpty();
  }

  @Test
  void takesAStepForEachMinibatchOfEachPass(TestInfo info) throws Exception {
    var run =
        new FakeRun(
            Specs.tiny().clearWarmUp().build(),
            store,
            List.of(Batches.replay(1, 9, header -> header.setMinibatches(2).setEpochs(3))));

    Learner learner = start(info, run);

    assertThat(learner.ending().get(30, TimeUnit.SECONDS)).isEqualTo(Learner.Ending.RUN_ENDED);
    assertThat(run.reports.getFirst().getSteps()).isEqualTo(6);
    assertThat(run.reports.getFirst().getFigures().getSequences()).isEqualTo(27);
  }

  @Test
  void startsFromTheBaseWithANewOptimizerWhenABatchSaysSo(TestInfo info) throws Exception {
    List<FakeBatch> batches = batches();
    FakeBatch last = batches.get(9);
    FakeBatch restarting =
        last.with(
            last.header().toBuilder()
                .setRestartFromBase(true)
                .setRound(2)
                .setBatchesInRound(4)
                .build());
    var run =
        new FakeRun(
            Specs.tiny().build(),
            store,
            Stream.concat(batches.subList(0, 9).stream(), Stream.of(restarting)).toList());

    start(info, run, ONE_REPLICA).ending().get(30, TimeUnit.SECONDS);

    assertThat(run.violations).isEmpty();
    Path base = run.directory(run.publications.get(2));
    assertThat(CheckpointManifest.read(base).batch()).isEqualTo(WARM_UP);
    try (var expected = new Trainer(Decoder.load(base), OptimizerConfig.defaults(), 1);
        Decoder found = Decoder.load(run.directory(run.newest()))) {
      TrainingBatch batch = Batches.read(restarting, Star.likelihood());
      List<Example> examples = batch.units().stream().flatMap(List::stream).toList();
      expected.step(
          examples.stream().map(Example::row).toList(),
          Star.likelihood().loss(examples),
          0.003 * (1 - 0.9 / 4));
      assertThat(Weights.of(found)).isEqualTo(Weights.of(expected.decoder()));
    }
  }

  @Test
  void drainsToADurableCheckpoint(TestInfo info) throws Exception {
    var run = new FakeRun(Specs.tiny().build(), store, batches());
    run.stallAfter(7);
    Learner learner = start(info, run);
    await().until(() -> run.applied() == 7);

    assertThat(learner.drain()).isTrue();

    assertThat(learner.ending()).isCompletedWithValue(Learner.Ending.DRAINED);
    assertThat(run.events).last().isEqualTo("published 5 at 7 durable");
    assertThat(run.violations).isEmpty();
  }

  @Test
  void drainsWithoutAPublicationWhereTheNewestIsDurable(TestInfo info) throws Exception {
    var run = new FakeRun(Specs.tiny().build(), store, batches());
    run.stallAfter(8);
    Learner learner = start(info, run);
    await().until(() -> run.events.contains("published 5 at 8 durable"));

    assertThat(learner.drain()).isTrue();

    assertThat(run.publications).hasSize(5);
  }

  @Test
  void publishesNothingThatTimingChoseInLockstep(TestInfo info) throws Exception {
    var run =
        new FakeRun(
            Specs.tiny()
                .setRollout(Rollout.newBuilder().setSchedule(Schedule.SCHEDULE_LOCKSTEP))
                .build(),
            store,
            batches());
    run.stallAfter(7);
    Learner learner = start(info, run);
    await().until(() -> run.applied() == 7);

    assertThat(learner.drain()).isTrue();

    assertThat(run.publications).hasSize(4);
    assertThat(run.violations).isEmpty();
  }

  @Test
  void leavesProcessorsToRolloutsThatSample(TestInfo info) throws Exception {
    var one = new FakeRun(Specs.tiny().build(), store.resolve("one"), batches());
    start(info, one, ONE_REPLICA).ending().get(30, TimeUnit.SECONDS);
    var shared = new FakeRun(Specs.tiny().build(), store.resolve("shared"), batches());
    var asked = new AtomicInteger();
    LearnerConfig two = LearnerConfig.of(FakeRun.RUN, "learner-0", 2);

    start(info, shared, two, () -> asked.incrementAndGet() > 0).ending().get(30, TimeUnit.SECONDS);

    // With one replica numbers are added in one order, so that bits tell how many there were.
    assertThat(digests(shared.newest())).isEqualTo(digests(one.newest()));
    assertThat(asked).hasValue(BATCHES);
  }

  @Test
  void endsWithTheRun(TestInfo info) throws Exception {
    var run = new FakeRun(Specs.tiny().build(), store, batches());
    run.stallAfter(5);
    Learner learner = start(info, run);
    await().until(() -> run.applied() == 5);

    run.end();

    assertThat(learner.ending().get(30, TimeUnit.SECONDS)).isEqualTo(Learner.Ending.RUN_ENDED);
    Learner late = start(info, run);
    assertThat(late.ending().get(30, TimeUnit.SECONDS)).isEqualTo(Learner.Ending.RUN_ENDED);
  }

  @Test
  void returnsNativeMemoryToItsBaseline(TestInfo info) throws Exception {
    long before = NativeMemory.pointerCount();
    var batches = new ArrayList<FakeBatch>();
    for (long n = 1; n <= 120; n++) {
      boolean publish = n % 5 == 0;
      boolean durable = n % 10 == 0;
      batches.add(Batches.replay(n, 6, header -> header.setPublish(publish).setDurable(durable)));
    }
    var run = new FakeRun(Specs.tiny().clearWarmUp().build(), store, batches);
    run.staysOpenAfterTheLastBatch();
    run.stallAfter(20);
    Learner learner = start(info, run);
    await().until(() -> run.publications.size() == 5);
    long early = NativeMemory.pointerCount();

    run.stallAfter(120);

    await().until(() -> run.publications.size() == 25);
    await().untilAsserted(() -> assertThat(NativeMemory.pointerCount()).isLessThanOrEqualTo(early));
    learner.close();
    assertThat(NativeMemory.pointerCount()).isLessThanOrEqualTo(before);
  }

  /// What is on the disk, without the manifest, which names the version.
  private static Map<String, String> digests(PolicyManifest manifest) {
    var digests = new TreeMap<String, String>();
    manifest.getFilesList().forEach(file -> digests.put(file.getName(), file.getSha256()));
    assertThat(digests).containsKey("model.safetensors");
    return digests;
  }

  private static List<FakeBatch> batches() {
    var batches = new ArrayList<FakeBatch>();
    for (long n = 1; n <= BATCHES; n++) {
      boolean publish = n % 2 == 0;
      boolean durable = n % 4 == 0;
      batches.add(
          n <= WARM_UP
              ? Batches.gold(n, header -> header.setPublish(publish).setDurable(durable))
              : Batches.replay(n, 6, header -> header.setPublish(publish).setDurable(durable)));
    }
    return batches;
  }

  private Learner start(TestInfo info, FakeRun run) throws IOException {
    return start(info, run, LearnerConfig.of(FakeRun.RUN, "learner-0", 2));
  }

  private Learner start(TestInfo info, FakeRun run, LearnerConfig config) throws IOException {
    return start(info, run, config, () -> false);
  }

  private Learner start(
      TestInfo info, FakeRun run, LearnerConfig config, BooleanSupplier rolloutsSampling)
      throws IOException {
    String name = info.getDisplayName() + toClose.size();
    Server server = InProcessServerBuilder.forName(name).addService(run).build().start();
    ManagedChannel channel = InProcessChannelBuilder.forName(name).build();
    toClose.add(() -> server.shutdownNow().awaitTermination(10, TimeUnit.SECONDS));
    toClose.add(() -> channel.shutdownNow().awaitTermination(10, TimeUnit.SECONDS));
    var learner = new Learner(channel, config, rolloutsSampling, System::nanoTime);
    toClose.add(learner);
    return learner;
  }

  private static LearnerConfig config(Duration silence, Duration reconnectDeadline) {
    return new LearnerConfig(
        FakeRun.RUN,
        "learner-0",
        1,
        3,
        16,
        Duration.ofSeconds(5),
        silence,
        reconnectDeadline,
        Duration.ofMinutes(1),
        Duration.ofSeconds(10),
        20,
        Optional.empty());
  }
}
