package io.gradus.coordinator.edge;

import akka.actor.typed.ActorRef;
import io.gradus.coordinator.ledger.Ledger;
import io.gradus.coordinator.run.RunAnswer;
import io.gradus.coordinator.run.RunCommand;
import io.gradus.coordinator.run.RunRegistry;
import io.gradus.coordinator.spec.SpecChecks;
import io.gradus.coordinator.spec.SpecDefaults;
import io.gradus.coordinator.spec.SpecProblem;
import io.gradus.run.v1.CancelRunRequest;
import io.gradus.run.v1.CancelRunResponse;
import io.gradus.run.v1.GetRunRequest;
import io.gradus.run.v1.GetRunResponse;
import io.gradus.run.v1.ListRunsRequest;
import io.gradus.run.v1.ListRunsResponse;
import io.gradus.run.v1.PauseRunRequest;
import io.gradus.run.v1.PauseRunResponse;
import io.gradus.run.v1.ResumeRunRequest;
import io.gradus.run.v1.ResumeRunResponse;
import io.gradus.run.v1.RunProgress;
import io.gradus.run.v1.RunServiceGrpc;
import io.gradus.run.v1.RunSpec;
import io.gradus.run.v1.SubmitRunRequest;
import io.gradus.run.v1.SubmitRunResponse;
import io.gradus.run.v1.WatchRunRequest;
import io.gradus.run.v1.WatchRunResponse;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executor;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;

/// Submits, watches and ends runs.
final class RunService extends RunServiceGrpc.RunServiceImplBase {

  private static final int DEFAULT_PAGE = 100;
  private static final int MAX_WATCHERS = 256;
  private static final Duration DEFAULT_INTERVAL = Duration.ofSeconds(1);
  private static final Duration LEAST_INTERVAL = Duration.ofMillis(100);

  private final Runs runs;
  private final Ledger ledger;
  private final ActorRef<RunRegistry.Message> registry;
  private final Function<String, CompletionStage<RunSpec>> specs;
  private final SchemaRules rules;
  private final Executor blocking;
  private final int processors;
  private final Semaphore watchers = new Semaphore(MAX_WATCHERS);

  RunService(
      Runs runs,
      Ledger ledger,
      ActorRef<RunRegistry.Message> registry,
      Function<String, CompletionStage<RunSpec>> specs,
      SchemaRules rules,
      Executor blocking,
      int processors) {
    this.runs = runs;
    this.ledger = ledger;
    this.registry = registry;
    this.specs = specs;
    this.rules = rules;
    this.blocking = blocking;
    this.processors = processors;
  }

  @Override
  public void submitRun(SubmitRunRequest request, StreamObserver<SubmitRunResponse> call) {
    Answers.unary(
        call,
        CompletableFuture.completedStage(request)
            .thenCompose(this::submit)
            .thenApply(progress -> SubmitRunResponse.newBuilder().setProgress(progress).build()));
  }

  private CompletionStage<RunProgress> submit(SubmitRunRequest request) {
    rules.require(request);
    RunSpec effective = SpecDefaults.fill(request.getSpec(), processors);
    List<SpecProblem> problems = SpecChecks.of(effective);
    if (!problems.isEmpty()) {
      throw Refusals.contradictory(problems);
    }
    String runId = request.getRunId();
    return ledger
        .createRun(runId, effective.toByteArray())
        .thenCompose(submission -> {
          if (!submission.isSame()) {
            throw Refusals.otherSpec(runId);
          }
          registry.tell(new RunRegistry.Look());
          return progress(runId);
        });
  }

  private CompletionStage<RunProgress> progress(String runId) {
    return runs.ask(runId, RunAnswer.Progress.class, RunCommand.GetProgress::new)
        .thenApply(RunMapper::toProto);
  }

  @Override
  public void getRun(GetRunRequest request, StreamObserver<GetRunResponse> call) {
    Answers.unary(
        call,
        CompletableFuture.completedStage(request)
            .thenCompose(valid -> {
              rules.require(valid);
              return specs
                  .apply(valid.getRunId())
                  .thenCombine(
                      progress(valid.getRunId()),
                      (spec, progress) ->
                          GetRunResponse.newBuilder().setSpec(spec).setProgress(progress).build());
            }));
  }

  @Override
  public void listRuns(ListRunsRequest request, StreamObserver<ListRunsResponse> call) {
    Answers.unary(
        call,
        CompletableFuture.completedStage(request)
            .thenApplyAsync(
                valid -> {
                  rules.require(valid);
                  int size = valid.getPageSize() == 0 ? DEFAULT_PAGE : valid.getPageSize();
                  return valid.getOnlyActive()
                      ? ledger.reader().activeRuns().reversed().stream().limit(size).toList()
                      : ledger.reader().runs(size).stream().map(run -> run.key().runId()).toList();
                },
                blocking)
            .thenCompose(this::list));
  }

  private CompletionStage<ListRunsResponse> list(List<String> runIds) {
    List<CompletableFuture<RunProgress>> asked =
        runIds.stream().map(runId -> progress(runId).toCompletableFuture()).toList();
    return CompletableFuture.allOf(asked.toArray(CompletableFuture[]::new))
        .thenApply(_ ->
            ListRunsResponse.newBuilder()
                .addAllRuns(asked.stream().map(CompletableFuture::join).toList())
                .build());
  }

  @Override
  public void watchRun(WatchRunRequest request, StreamObserver<WatchRunResponse> responses) {
    var call = (ServerCallStreamObserver<WatchRunResponse>) responses;
    try {
      rules.require(request);
      Duration interval =
          request.hasInterval() ? Durations.toJava(request.getInterval()) : DEFAULT_INTERVAL;
      if (interval.compareTo(LEAST_INTERVAL) < 0) {
        throw Refusals.invalid(
            "interval", "is %s but must be at least %s".formatted(interval, LEAST_INTERVAL));
      }
      if (!watchers.tryAcquire()) {
        throw Refusals.exhausted(
            "TOO_MANY_WATCHERS", "%d calls watch runs already".formatted(MAX_WATCHERS));
      }
      var cancelled = new CountDownLatch(1);
      call.setOnCancelHandler(cancelled::countDown);
      Thread.ofVirtual()
          .name("gradus-watch-" + request.getRunId())
          .start(() -> {
            try {
              watch(request.getRunId(), interval, call, cancelled);
            } finally {
              watchers.release();
            }
          });
    } catch (StatusRuntimeException refusal) {
      call.onError(refusal);
    }
  }

  /// Sends the state whenever the interval has passed and the client has read the one before.
  private void watch(
      String runId,
      Duration interval,
      ServerCallStreamObserver<WatchRunResponse> call,
      CountDownLatch cancelled) {
    try {
      boolean isOver = false;
      while (!isOver) {
        RunProgress progress = progress(runId).toCompletableFuture().get();
        isOver = RunMapper.isFinal(progress);
        if (call.isCancelled()) {
          return;
        }
        if (isOver || call.isReady()) {
          call.onNext(WatchRunResponse.newBuilder().setProgress(progress).build());
        }
        if (!isOver && cancelled.await(interval.toNanos(), TimeUnit.NANOSECONDS)) {
          return;
        }
      }
      call.onCompleted();
    } catch (InterruptedException _) {
      Thread.currentThread().interrupt();
      call.onError(Refusals.unavailable("the coordinator closes; watch again"));
    } catch (ExecutionException | RuntimeException failure) {
      if (!call.isCancelled()) {
        call.onError(Answers.statusOf(failure));
      }
    }
  }

  @Override
  public void pauseRun(PauseRunRequest request, StreamObserver<PauseRunResponse> call) {
    Answers.unary(
        call,
        CompletableFuture.completedStage(request)
            .thenCompose(valid -> {
              rules.require(valid);
              return command(
                  valid.getRunId(),
                  replyTo -> new RunCommand.Pause(valid.getRevokeLeases(), replyTo));
            })
            .thenApply(progress -> PauseRunResponse.newBuilder().setProgress(progress).build()));
  }

  @Override
  public void resumeRun(ResumeRunRequest request, StreamObserver<ResumeRunResponse> call) {
    Answers.unary(
        call,
        CompletableFuture.completedStage(request)
            .thenCompose(valid -> {
              rules.require(valid);
              return command(valid.getRunId(), RunCommand.Resume::new);
            })
            .thenApply(progress -> ResumeRunResponse.newBuilder().setProgress(progress).build()));
  }

  @Override
  public void cancelRun(CancelRunRequest request, StreamObserver<CancelRunResponse> call) {
    Answers.unary(
        call,
        CompletableFuture.completedStage(request)
            .thenCompose(valid -> {
              rules.require(valid);
              String reason = Texts.prose(valid.getReason());
              return command(valid.getRunId(), replyTo -> new RunCommand.Cancel(reason, replyTo));
            })
            .thenApply(progress -> CancelRunResponse.newBuilder().setProgress(progress).build()));
  }

  /// Commands a run, then asks where it stands. A run that is over answers a cancellation with its
  /// state at once.
  private CompletionStage<RunProgress> command(
      String runId, Function<ActorRef<RunAnswer>, RunCommand> command) {
    return runs.ask(runId, RunAnswer.class, command)
        .thenCompose(answer ->
            answer instanceof RunAnswer.Progress progress
                ? CompletableFuture.completedStage(RunMapper.toProto(progress))
                : progress(runId));
  }
}
