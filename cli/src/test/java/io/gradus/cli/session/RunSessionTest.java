package io.gradus.cli.session;

import static org.assertj.core.api.Assertions.assertThat;

import io.gradus.cli.progress.ProgressDisplay;
import io.gradus.cli.report.MetricsLog;
import io.gradus.cli.session.RunSession.Ending;
import io.gradus.run.v1.GetRunRequest;
import io.gradus.run.v1.GetRunResponse;
import io.gradus.run.v1.RunProgress;
import io.gradus.run.v1.RunServiceGrpc;
import io.gradus.run.v1.RunSpec;
import io.gradus.run.v1.RunState;
import io.gradus.run.v1.WatchRunRequest;
import io.gradus.run.v1.WatchRunResponse;
import io.grpc.Channel;
import io.grpc.ManagedChannel;
import io.grpc.Server;
import io.grpc.Status;
import io.grpc.inprocess.InProcessChannelBuilder;
import io.grpc.inprocess.InProcessServerBuilder;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(20)
class RunSessionTest {

  @TempDir Path directory;

  private final FakeRun run = new FakeRun();
  private final List<String> lines = new ArrayList<>();
  private FakeSystem system;
  private MetricsLog metrics;
  private RunSession session;

  @BeforeEach
  void start() throws IOException {
    system = new FakeSystem(run);
    metrics = MetricsLog.append(directory.resolve("metrics.jsonl"));
    session = session(RunSession.Start.NEW);
  }

  @AfterEach
  void stop() throws IOException {
    system.close();
    metrics.close();
  }

  @Test
  void endsWithTheRun() throws Exception {
    run.tell(progress(1, 0), progress(2, 5), ended(3, RunState.RUN_STATE_COMPLETED));

    Ending ending = session.follow(system);

    assertThat(ending).isInstanceOf(Ending.RunEnded.class);
    assertThat(ending.progress().getRevision()).isEqualTo(3);
    assertThat(session.toFirstStep()).isPresent();
    assertThat(system.isDrained).isFalse();
    assertThat(Files.readAllLines(directory.resolve("metrics.jsonl")))
        .isEqualTo(lines)
        .last()
        .asString()
        .contains("\"state\":\"COMPLETED\"", "\"sampling_seconds\":1.5");
  }

  @Test
  void drainsAndAsksOnceMoreWhenAPersonEndsIt() throws Exception {
    run.tell(progress(1, 0));
    run.now = progress(9, 7);
    session.interrupt();

    Ending ending = session.follow(system);

    assertThat(ending).isInstanceOf(Ending.Interrupted.class);
    assertThat(system.isDrained).isTrue();
    assertThat(ending.progress().getOptimizerSteps()).isEqualTo(7);
    assertThat(lines).last().asString().contains("\"optimizer_steps\":7");
  }

  @Test
  void takesASignalHoweverManyMessagesWait() throws Exception {
    for (int i = 0; i < 1000; i++) {
      run.tell(progress(i, i));
    }
    session.interrupt();

    assertThat(session.follow(system)).isInstanceOf(Ending.Interrupted.class);
  }

  @Test
  void tellsOfARoleThatDied() throws Exception {
    run.now = progress(4, 2);
    system.death.completeExceptionally(new IllegalStateException("out of memory"));

    Ending ending = session.follow(system);

    assertThat(ending)
        .isInstanceOfSatisfying(
            Ending.Broken.class, broken -> assertThat(broken.cause()).hasMessage("out of memory"));
    assertThat(ending.progress().getRevision()).isEqualTo(4);
  }

  @Test
  void watchesAnewWhenTheWatchBreaks() throws Exception {
    run.breakWatches.set(3);
    run.tell(ended(1, RunState.RUN_STATE_STOPPED));

    assertThat(session.follow(system)).isInstanceOf(Ending.RunEnded.class);
  }

  @Test
  void givesUpWhenTheWatchBreaksAgainAndAgain() throws Exception {
    run.breakWatches.set(Integer.MAX_VALUE);

    assertThat(session.follow(system)).isInstanceOf(Ending.Broken.class);
  }

  @Test
  void countsOnlyStepsOfThisProcessAsTheFirst() throws Exception {
    session = session(RunSession.Start.RESUMED);
    run.tell(progress(1, 700), ended(2, RunState.RUN_STATE_STOPPED, 700));

    session.follow(system);

    assertThat(session.toFirstStep()).isEmpty();
  }

  private RunSession session(RunSession.Start start) {
    return new RunSession(
        "addition-1",
        RunSpec.getDefaultInstance(),
        start,
        RunSession.Patience.WITH_OWN_SYSTEM,
        Clock.systemUTC(),
        ProgressDisplay.none(),
        metrics,
        lines::add);
  }

  private static RunProgress progress(long revision, long steps) {
    return RunProgress.newBuilder()
        .setRunId("addition-1")
        .setRevision(revision)
        .setState(RunState.RUN_STATE_RUNNING)
        .setOptimizerSteps(steps)
        .build();
  }

  private static RunProgress ended(long revision, RunState state) {
    return ended(revision, state, 5);
  }

  private static RunProgress ended(long revision, RunState state, long steps) {
    return progress(revision, steps).toBuilder().setState(state).build();
  }

  /// A run that says what it was told to say.
  private static final class FakeRun extends RunServiceGrpc.RunServiceImplBase {

    private final BlockingQueue<RunProgress> told = new LinkedBlockingQueue<>();
    private volatile RunProgress now = RunProgress.getDefaultInstance();
    private final AtomicInteger breakWatches = new AtomicInteger();

    void tell(RunProgress... progress) {
      told.addAll(List.of(progress));
    }

    @Override
    public void watchRun(WatchRunRequest request, StreamObserver<WatchRunResponse> observer) {
      if (breakWatches.getAndUpdate(left -> Math.max(0, left - 1)) > 0) {
        observer.onError(Status.UNAVAILABLE.asRuntimeException());
        return;
      }
      for (RunProgress next = told.poll(); next != null; next = told.poll()) {
        observer.onNext(WatchRunResponse.newBuilder().setProgress(next).build());
      }
    }

    @Override
    public void getRun(GetRunRequest request, StreamObserver<GetRunResponse> observer) {
      observer.onNext(GetRunResponse.newBuilder().setProgress(now).build());
      observer.onCompleted();
    }
  }

  private static final class FakeSystem implements RunningSystem {

    private final Server server;
    private final ManagedChannel channel;
    private final CompletableFuture<Void> death = new CompletableFuture<>();
    private boolean isDrained;

    FakeSystem(FakeRun run) throws IOException {
      String name = InProcessServerBuilder.generateName();
      server = InProcessServerBuilder.forName(name).addService(run).build().start();
      channel = InProcessChannelBuilder.forName(name).build();
    }

    @Override
    public Channel channel() {
      return channel;
    }

    @Override
    public CompletionStage<Void> death() {
      return death;
    }

    @Override
    public Map<Activity, Duration> workerTime() {
      return Map.of(Activity.SAMPLING, Duration.ofMillis(1500));
    }

    @Override
    public Optional<String> interrupted() {
      return Optional.of("stopping");
    }

    @Override
    public void drain() {
      isDrained = true;
    }

    @Override
    public void close() {
      channel.shutdownNow();
      server.shutdownNow();
      try {
        server.awaitTermination(5, TimeUnit.SECONDS);
      } catch (InterruptedException _) {
        Thread.currentThread().interrupt();
      }
    }
  }
}
