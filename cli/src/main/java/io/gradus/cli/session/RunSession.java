package io.gradus.cli.session;

import com.google.protobuf.Duration;
import io.gradus.cli.link.Statuses;
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

/// Follows a run from its first progress message to its end here: that of the run, or of whoever
/// looks on.
public final class RunSession {

  private static final Logger LOG = LoggerFactory.getLogger(RunSession.class);

  private static final int QUEUED_EVENTS = 256;
  private static final Duration SHOWN_EVERY = Duration.newBuilder().setNanos(200_000_000).build();
  private static final java.time.Duration RECORDED_EVERY = java.time.Duration.ofSeconds(1);
  private static final java.time.Duration ANSWER_WITHIN = java.time.Duration.ofSeconds(10);
  private static final java.time.Duration SILENT_FOR = java.time.Duration.ofSeconds(30);

  /// Between two attempts to watch a run whose coordinator is away.
  private static final java.time.Duration WATCHED_AGAIN_AFTER = java.time.Duration.ofMillis(500);

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
  private Instant heardAt = Instant.MIN;
  private Optional<java.time.Duration> toFirstStep = Optional.empty();
  private int brokenWatches;

  /// Whether steps that are there already when the session begins are its own.
  public enum Start {
    NEW,
    RESUMED
  }

  private final Start start;

  /// How long a session holds out when its watch breaks.
  ///
  /// @param brokenWatches so many in a row without a message
  /// @param silence so long without a message
  public record Patience(int brokenWatches, java.time.Duration silence) {

    /// Where the coordinator is in this process: if it does not answer, waiting does not help.
    public static final Patience WITH_OWN_SYSTEM = new Patience(5, java.time.Duration.ofDays(1));

    /// Where others start coordinators again.
    public static final Patience WITH_OTHERS =
        new Patience(Integer.MAX_VALUE, java.time.Duration.ofMinutes(10));
  }

  private final Patience patience;

  /// @param jsonLines takes each line of metrics, for machines that follow
  public RunSession(
      String runId,
      RunSpec spec,
      Start start,
      Patience patience,
      Clock clock,
      ProgressDisplay display,
      MetricsLog metrics,
      Consumer<String> jsonLines) {
    this.runId = runId;
    this.start = start;
    this.patience = patience;
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
      heardAt = clock.instant();
      Optional<Instant> againAt = Optional.empty();
      while (true) {
        java.time.Duration wait =
            againAt.map(at -> java.time.Duration.between(clock.instant(), at)).orElse(SILENT_FOR);
        Event event = events.poll(Math.max(0, wait.toMillis()), TimeUnit.MILLISECONDS);
        if (event == null && againAt.isPresent()) {
          againAt = Optional.empty();
          watch.run(() -> watch(system));
          continue;
        }
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
            boolean isSilent = heardAt.plus(patience.silence()).isBefore(clock.instant());
            if (++brokenWatches > patience.brokenWatches()
                || isSilent
                || !Statuses.mayPass(status)) {
              return new Ending.Broken(newest, status.asRuntimeException());
            }
            LOG.atWarn().addKeyValue("status", status).log("watch ended, beginning anew");
            // The first time at once: another coordinator is likely to be there.
            againAt =
                Optional.of(
                    brokenWatches == 1
                        ? clock.instant()
                        : clock.instant().plus(WATCHED_AGAIN_AFTER));
          }
          case Event.Interrupted _ -> {
            system.interrupted().ifPresent(display::say);
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
    brokenWatches = 0;
    heardAt = clock.instant();
    if (progress.getRevision() < newest.getRevision()) {
      return;
    }
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
