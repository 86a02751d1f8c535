package io.gradus.cli;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.gradus.cli.embedded.EmbeddedSystem;
import io.gradus.cli.embedded.EmbeddedSystem.Preparation;
import io.gradus.cli.log.RunLog;
import io.gradus.cli.progress.ProgressDisplay;
import io.gradus.cli.report.MetricsLog;
import io.gradus.cli.report.ProcessUsage;
import io.gradus.cli.report.Report;
import io.gradus.cli.report.Summary;
import io.gradus.cli.rundir.RunDirectory;
import io.gradus.cli.session.RunSession;
import io.gradus.cli.session.RunSession.Ending;
import io.gradus.cli.spec.SpecWriter;
import io.gradus.coordinator.ledger.LedgerException;
import io.gradus.run.v1.ListRunsRequest;
import io.gradus.run.v1.RunProgress;
import io.gradus.run.v1.RunServiceGrpc;
import io.gradus.run.v1.RunServiceGrpc.RunServiceBlockingStub;
import io.gradus.run.v1.RunSpec;
import io.gradus.run.v1.RunState;
import io.gradus.run.v1.SubmitRunRequest;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/// This process's work on one run in a directory: roles are started, followed and closed; what
/// people and scripts look at is written; the last lines say how it ended and what to do next.
final class LocalRun {

  /// What is written to the standard output while it runs.
  enum Output {
    PROGRESS,
    JSON,
    QUIET
  }

  private static final Duration ANSWER_WITHIN = Duration.ofSeconds(60);

  private final Console console;
  private final Interrupts interrupts;
  private final Output output;
  private final Preparation preparation;

  LocalRun(Console console, Interrupts interrupts, Output output, Preparation preparation) {
    this.console = console;
    this.interrupts = interrupts;
    this.output = output;
    this.preparation = preparation;
  }

  /// Begins the run `runId` in an empty directory; gives the exit status.
  int begin(RunDirectory directory, RunSpec spec, String runId) throws InterruptedException {
    try {
      // Synced, and before there is a ledger: a ledger without its spec could not be resumed.
      Files.writeString(
          directory.spec(),
          SpecWriter.write(spec),
          StandardOpenOption.CREATE_NEW,
          StandardOpenOption.WRITE,
          StandardOpenOption.SYNC);
    } catch (IOException e) {
      throw unwritable(directory, e);
    }
    return work(directory, spec, runId, RunSession.Start.NEW);
  }

  /// Goes on with the run in `directory`; gives the exit status.
  ///
  /// @param freshId for the run if it had not been submitted when its first process ended
  int resume(RunDirectory directory, RunSpec spec, String freshId) throws InterruptedException {
    return work(directory, spec, freshId, RunSession.Start.RESUMED);
  }

  private int work(RunDirectory directory, RunSpec spec, String runId, RunSession.Start start)
      throws InterruptedException {
    var interruption = new Interruption(interrupts.endAtOnce());
    interrupts.listen().accept(interruption::signal);
    try (RunLog _ = RunLog.open(directory.log())) {
      Ended ended;
      try (EmbeddedSystem system =
              EmbeddedSystem.open(
                  preparation,
                  directory.ledger(),
                  directory.checkpoints(),
                  runId,
                  System::nanoTime);
          MetricsLog metrics = MetricsLog.append(directory.metrics())) {
        RunServiceBlockingStub runs = RunServiceGrpc.newBlockingStub(system.channel());
        RunProgress progress =
            switch (start) {
              case NEW -> submitted(runs, directory, spec, runId);
              case RESUMED -> found(runs, directory, spec, runId);
            };
        if (RunSession.isOver(progress.getState())) {
          ended = new Ended(new Ending.RunEnded(progress), Optional.empty(), true);
        } else {
          ended = follow(system, metrics, progress, spec, start, interruption);
        }
      }
      return tell(directory, spec, ended);
    } catch (LedgerException e) {
      throw switch (e.kind()) {
        case IN_USE, NEWER, UNSAFE -> CommandException.wrongInput(LastWords.told(e));
        case DAMAGED, UNAVAILABLE -> CommandException.failed(LastWords.told(e));
      };
    } catch (IOException e) {
      throw unwritable(directory, e);
    }
  }

  /// @param wasOver whether the run had ended before this process looked at it
  private record Ended(Ending ending, Optional<Duration> toFirstStep, boolean wasOver) {}

  private static RunProgress submitted(
      RunServiceBlockingStub runs, RunDirectory directory, RunSpec spec, String runId) {
    try {
      return within(runs)
          .submitRun(SubmitRunRequest.newBuilder().setRunId(runId).setSpec(spec).build())
          .getProgress();
    } catch (StatusRuntimeException e) {
      throw switch (e.getStatus().getCode()) {
        case ALREADY_EXISTS ->
            CommandException.wrongInput(
                ("%s is not the spec that run %s began with, and a run keeps its spec; undo the"
                        + " change, or start a new run from the file")
                    .formatted(directory.spec(), runId));
        case INVALID_ARGUMENT -> CommandException.wrongInput(description(e));
        default -> CommandException.failed(notAnswered(directory, e));
      };
    }
  }

  /// The run that the ledger has, provided that the spec beside it is still its own.
  private static RunProgress found(
      RunServiceBlockingStub runs, RunDirectory directory, RunSpec spec, String freshId) {
    List<RunProgress> newest;
    try {
      newest =
          within(runs).listRuns(ListRunsRequest.newBuilder().setPageSize(1).build()).getRunsList();
    } catch (StatusRuntimeException e) {
      throw CommandException.failed(notAnswered(directory, e));
    }
    if (newest.isEmpty()) {
      return submitted(runs, directory, spec, freshId);
    }
    RunProgress progress = newest.getFirst();
    return RunSession.isOver(progress.getState())
        ? progress
        : submitted(runs, directory, spec, progress.getRunId());
  }

  private static RunServiceBlockingStub within(RunServiceBlockingStub runs) {
    return runs.withDeadlineAfter(ANSWER_WITHIN.toMillis(), TimeUnit.MILLISECONDS);
  }

  private Ended follow(
      EmbeddedSystem system,
      MetricsLog metrics,
      RunProgress progress,
      RunSpec spec,
      RunSession.Start start,
      Interruption interruption)
      throws IOException, InterruptedException {
    system.work(progress.getRunId(), spec.getResources());
    ProgressDisplay display = display(console, output);
    var session =
        new RunSession(
            progress.getRunId(),
            spec,
            start,
            RunSession.Patience.WITH_OWN_SYSTEM,
            console.clock(),
            display,
            metrics,
            output == Output.JSON ? console.out()::println : _ -> {});
    interruption.concerns(session);
    Ending ending = session.follow(system);
    display.finish();
    return new Ended(ending, session.toFirstStep(), false);
  }

  static ProgressDisplay display(Console console, Output output) {
    if (output != Output.PROGRESS) {
      return ProgressDisplay.none();
    }
    return console.isTerminal()
        ? ProgressDisplay.terminal(console.out(), console.columns(), console.isColored())
        : ProgressDisplay.lines(console.out());
  }

  /// Writes summary and report, says the last words, and gives the status.
  private int tell(RunDirectory directory, RunSpec spec, Ended ended) throws IOException {
    Ending ending = ended.ending();
    ObjectNode summary;
    if (ended.wasOver() && Files.exists(directory.report())) {
      summary = JsonNodeFactory.instance.objectNode();
    } else {
      summary = summary(spec, ended).writtenTo(directory.summary());
      Optional<Integer> target =
          spec.getStop().hasDigitsHandled()
              ? Optional.of(spec.getStop().getDigitsHandled())
              : Optional.empty();
      Files.writeString(
          directory.report(),
          Report.html(summary, directory.metrics(), Files.readString(directory.spec()), target));
    }
    var words =
        new LastWords(new LastWords.Place.Directory(directory.path()), ending, ended.wasOver());
    if (output == Output.JSON) {
      ObjectNode line = JsonNodeFactory.instance.objectNode();
      line.set("summary", summary);
      line.put("run_directory", directory.path().toString());
      line.put("can_resume", words.canResume());
      console.out().println(line);
    } else {
      words.lines().forEach(console.out()::println);
    }
    words.complaint().ifPresent(line -> console.err().println("gradus: " + line));
    return words.status();
  }

  private Summary summary(RunSpec spec, Ended ended) {
    RunProgress progress = ended.ending().progress();
    String state =
        switch (ended.ending()) {
          case Ending.RunEnded(RunProgress last) -> name(last.getState());
          case Ending.Interrupted _, Ending.Broken _ -> "STOPPED";
        };
    String reason =
        switch (ended.ending()) {
          case Ending.RunEnded(RunProgress last) -> last.getReason();
          case Ending.Interrupted _ -> "interrupted; the run can go on";
          case Ending.Broken(_, Throwable cause) -> LastWords.told(cause);
        };
    return new Summary(
        progress,
        state,
        reason,
        spec.getSeed(),
        ProcessUsage.at(console.clock().instant()),
        ended.toFirstStep());
  }

  static String name(RunState state) {
    return state.name().replace("RUN_STATE_", "");
  }

  private static CommandException unwritable(RunDirectory directory, IOException e) {
    Path ledger = directory.ledger();
    String next =
        Files.exists(ledger)
            ? "; mend that, then go on with: gradus run --resume " + directory.path()
            : "; mend that, or choose another --run-dir";
    return CommandException.failed(
        "%s cannot be written: %s%s".formatted(directory.path(), e.getMessage(), next));
  }

  private static String notAnswered(RunDirectory directory, StatusRuntimeException e) {
    return "the coordinator does not answer: %s; the log is %s"
        .formatted(description(e), directory.log());
  }

  private static String description(StatusRuntimeException e) {
    Status status = e.getStatus();
    return Optional.ofNullable(status.getDescription()).orElse(status.getCode().name());
  }
}
