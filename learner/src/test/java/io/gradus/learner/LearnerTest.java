package io.gradus.learner;

import static org.assertj.core.api.Assertions.assertThat;

import io.gradus.learner.FakeRun.FakeBatch;
import io.gradus.run.v1.Addition;
import io.gradus.run.v1.ArithmeticFormat;
import io.gradus.run.v1.LearningRateSchedule;
import io.gradus.run.v1.Model;
import io.gradus.run.v1.Objective;
import io.gradus.run.v1.Optimizer;
import io.gradus.run.v1.PositionIds;
import io.gradus.run.v1.RunSpec;
import io.gradus.run.v1.ScratchModel;
import io.gradus.run.v1.Star;
import io.gradus.run.v1.StarWeights;
import io.gradus.run.v1.TaskSource;
import io.gradus.run.v1.WarmUp;
import io.grpc.ManagedChannel;
import io.grpc.Server;
import io.grpc.inprocess.InProcessChannelBuilder;
import io.grpc.inprocess.InProcessServerBuilder;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInfo;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(60)
class LearnerTest {

  private static final int WARM_UP = 4;
  private static final int BATCHES = 12;

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
    var run = new FakeRun(spec().build(), store, batches());

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
    String name = info.getDisplayName() + toClose.size();
    Server server = InProcessServerBuilder.forName(name).addService(run).build().start();
    ManagedChannel channel = InProcessChannelBuilder.forName(name).build();
    toClose.add(() -> server.shutdownNow().awaitTermination(10, TimeUnit.SECONDS));
    toClose.add(() -> channel.shutdownNow().awaitTermination(10, TimeUnit.SECONDS));
    var learner = new Learner(channel, config, () -> false, System::nanoTime);
    toClose.add(learner);
    return learner;
  }

  /// An effective spec of a model that takes a millisecond a step.
  static RunSpec.Builder spec() {
    return RunSpec.newBuilder()
        .setSeed(7)
        .setModel(
            Model.newBuilder()
                .setScratch(
                    ScratchModel.newBuilder()
                        .setHiddenSize(16)
                        .setLayers(1)
                        .setHeads(2)
                        .setKeyValueHeads(2)
                        .setHeadDim(8)
                        .setFeedForwardSize(32)
                        .setRopeTheta(10_000)
                        .setRmsNormEpsilon(1e-5)
                        .setTiedEmbedding(true)
                        .setPositionIds(PositionIds.POSITION_IDS_DIGIT_COUPLED)
                        .setCharacters("0123456789+=#!*")
                        .setEmbeddingStd(0.1)
                        .setMaxPositions(64)))
        .setWarmUp(
            WarmUp.newBuilder()
                .setBatches(WARM_UP)
                .setSequences(8)
                .setLastStratum(2)
                .setRampSteps(2)
                .setLearningRate(0.003))
        .addTasks(
            TaskSource.newBuilder()
                .setAddition(
                    Addition.newBuilder()
                        .setFirstDigits(1)
                        .setLastDigits(4)
                        .setFormat(ArithmeticFormat.ARITHMETIC_FORMAT_DIRECT)))
        .setObjective(
            Objective.newBuilder()
                .setStar(Star.newBuilder().setWeights(StarWeights.STAR_WEIGHTS_BALANCED)))
        .setOptimizer(
            Optimizer.newBuilder()
                .setLearningRate(0.003)
                .setBeta1(0.9)
                .setBeta2(0.999)
                .setEpsilon(1e-8)
                .setWeightDecay(0.01)
                .setGradientClip(1)
                .setSchedule(LearningRateSchedule.LEARNING_RATE_SCHEDULE_CYCLE)
                .setCycleBatches(4)
                .setFinalShare(0.1));
  }
}
