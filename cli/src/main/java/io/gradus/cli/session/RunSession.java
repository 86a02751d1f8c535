package io.gradus.cli.session;

import com.google.protobuf.Duration;
import io.gradus.cli.progress.ProgressDisplay;
import io.gradus.cli.progress.Rates;
import io.gradus.cli.report.MetricsLog;
import io.gradus.cli.report.ProcessUsage;
import io.gradus.run.v1.GetRunRequest;
import io.gradus.run.v1.RunProgress;
import io.gradus.run.v1.RunServiceGrpc;
import io.gradus.run.v1.RunSpec;
import io.gradus.run.v1.RunState;
import io.gradus.run.v1.WatchRunRequest;
import io.gradus.run.v1.WatchRunResponse;
import io.grpc.Context;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.time.Clock;
import java.time.Instant;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Follows a run from its first progress message to its end in this process.
public final class RunSession {

  private static final Logger LOG = LoggerFactory.getLogger(RunSession.class);

  private static final int QUEUED_EVENTS = 256;
  private static final Duration SHOWN_EVERY = Duration.newBuilder().setNanos(200_000_000).build();
  private static final java.time.Duration RECORDED_EVERY = java.time.Duration.ofSeconds(1);
  private static final java.time.Duration ANSWER_WITHIN = java.time.Duration.ofSeconds(10);
  private static final java.time.Duration SILENT_FOR = java.time.Duration.ofSeconds(30);
  private static final int MOST_BROKEN_WATCHES = 5;

  private sealed interface Event {
    record Progress(RunProgress progress) implements Event {}

    record WatchEnded(Status status) implements Event {}

    record Interrupted() implements Event {}

    record RoleDied(Throwable cause) implements Event {}
  }

  private final String runId;
  private final Clock clock;
  private final ProgressDisplay display;
  private final MetricsLog metrics;
  private final Consumer<String> jsonLines;
  private final Rates rates;
  private final BlockingQueue<Event> events = new ArrayBlockingQueue<>(QUEUED_EVENTS);
  private RunProgress newest = RunProgress.getDefaultInstance();
  private Instant recordedAt = Instant.MIN;
  private Optional<java.time.Duration> toFirstStep = Optional.empty();
  private int brokenWatches;

  /// Whether steps that are there already when the session begins are its own.
  public enum Start {
    NEW,
    RESUMED
  }

  private final Start start;

  /// @param jsonLines takes each line of metrics, for machines that follow
  public RunSession(
      String runId,
      RunSpec spec,
      Start start,
      Clock clock,
      ProgressDisplay display,
      MetricsLog metrics,
      Consumer<String> jsonLines) {
    this.runId = runId;
    this.start = start;
    this.clock = clock;
    this.display = display;
    this.metrics = metrics;
    this.jsonLines = jsonLines;
    this.rates = new Rates(spec.getStop());
  }

  /// How the session ended.
  public sealed interface Ending {

    /// The run ended; its state says how.
    record RunEnded(RunProgress progress) implements Ending {}

    /// A person ended this process; the run can go on.
    record Interrupted(RunProgress progress) implements Ending {}

    /// A role died; the run can go on from the ledger.
    record Broken(RunProgress progress, Throwable cause) implements Ending {}

    /// The newest progress.
    RunProgress progress();
  }

  /// Asks the session to end; returns at once. For handlers of signals.
  public void interrupt() {
    // A full queue holds progress messages; the signal must not be the one that is dropped.
    while (!events.offer(new Event.Interrupted())) {
      events.poll();
    }
  }

  /// From the start of the process to the first optimizer step that it took.
  public Optional<java.time.Duration> toFirstStep() {
    return toFirstStep;
  }

  /// Follows the run on `system` until something ends it, and drains `system` if that was a person.
  public Ending follow(RunningSystem system) throws IOException, InterruptedException {
    system
        .death()
        .whenComplete((_, cause) -> {
          if (cause != null) {
            events.offer(new Event.RoleDied(cause));
          }
        });
    Context.CancellableContext watch = Context.ROOT.withCancellation();
    try {
      watch.run(() -> watch(system));
      while (true) {
        Event event = events.poll(SILENT_FOR.toMillis(), TimeUnit.MILLISECONDS);
        if (event == null) {
          LOG.atWarn().addKeyValue("seconds", SILENT_FOR.toSeconds()).log("run is silent");
          continue;
        }
        switch (event) {
          case Event.Progress(RunProgress progress) -> {
            take(progress, system);
            if (isOver(progress.getState())) {
              return new Ending.RunEnded(newest);
            }
          }
          case Event.WatchEnded(Status status) -> {
            if (++brokenWatches > MOST_BROKEN_WATCHES) {
              return new Ending.Broken(newest, status.asRuntimeException());
            }
            LOG.atWarn().addKeyValue("status", status).log("watch ended, beginning anew");
            watch.run(() -> watch(system));
          }
          case Event.Interrupted _ -> {
            display.say("  stopping; Ctrl-C again ends at once");
            LOG.atInfo().log("interrupted, draining");
            system.drain();
            return new Ending.Interrupted(last(system));
          }
          case Event.RoleDied(Throwable cause) -> {
            LOG.atError().setCause(cause).log("a role died");
            return new Ending.Broken(last(system), cause);
          }
        }
      }
    } finally {
      watch.cancel(null);
    }
  }

  /// Whether a run in this state has ended.
  public static boolean isOver(RunState state) {
    return switch (state) {
      case RUN_STATE_COMPLETED, RUN_STATE_STOPPED, RUN_STATE_FAILED, RUN_STATE_CANCELLED -> true;
      case RUN_STATE_RUNNING, RUN_STATE_PAUSED, RUN_STATE_UNSPECIFIED, UNRECOGNIZED -> false;
    };
  }

  private void watch(RunningSystem system) {
    RunServiceGrpc.newStub(system.channel())
        .watchRun(
            WatchRunRequest.newBuilder().setRunId(runId).setInterval(SHOWN_EVERY).build(),
            new StreamObserver<>() {
              @Override
              public void onNext(WatchRunResponse response) {
                // Only the newest counts: a slow terminal may lose some.
                if (isOver(response.getProgress().getState())) {
                  while (!events.offer(new Event.Progress(response.getProgress()))) {
                    events.poll();
                  }
                } else {
                  events.offer(new Event.Progress(response.getProgress()));
                }
              }

              @Override
              public void onError(Throwable cause) {
                Status status = Status.fromThrowable(cause);
                if (status.getCode() != Status.Code.CANCELLED) {
                  events.offer(new Event.WatchEnded(status));
                }
              }

              @Override
              public void onCompleted() {}
            });
  }

  private void take(RunProgress progress, RunningSystem system) throws IOException {
    if (progress.getRevision() < newest.getRevision()) {
      return;
    }
    brokenWatches = 0;
    long stepsBefore = newest.getOptimizerSteps();
    boolean isFirst = newest.getRunId().isEmpty();
    newest = progress;
    display.show(rates.next(progress));
    Instant now = clock.instant();
    boolean isOwnStep = start == Start.NEW || !isFirst;
    if (toFirstStep.isEmpty() && isOwnStep && progress.getOptimizerSteps() > stepsBefore) {
      toFirstStep = Optional.of(ProcessUsage.at(now).wall());
    }
    if (isOver(progress.getState()) || recordedAt.plus(RECORDED_EVERY).isBefore(now)) {
      record(progress, system, now);
    }
  }

  private void record(RunProgress progress, RunningSystem system, Instant now) throws IOException {
    recordedAt = now;
    Map<String, Double> workerSeconds =
        system.workerTime().entrySet().stream()
            .collect(
                Collectors.toMap(
                    entry -> entry.getKey().name().toLowerCase(Locale.ROOT) + "_seconds",
                    entry -> entry.getValue().toMillis() / 1e3));
    jsonLines.accept(metrics.write(progress, ProcessUsage.at(now), workerSeconds));
  }

  /// The newest progress, asked for once more because the watch may lag behind a drained system.
  private RunProgress last(RunningSystem system) throws IOException {
    try {
      RunProgress progress =
          RunServiceGrpc.newBlockingStub(system.channel())
              .withDeadlineAfter(ANSWER_WITHIN.toMillis(), TimeUnit.MILLISECONDS)
              .getRun(GetRunRequest.newBuilder().setRunId(runId).build())
              .getProgress();
      take(progress, system);
      record(newest, system, clock.instant());
    } catch (StatusRuntimeException e) {
      LOG.atWarn().addKeyValue("status", e.getStatus()).log("no last progress");
    }
    return newest;
  }
}
