package io.gradus.cli;

import io.gradus.cli.link.CoordinatorChannel;
import io.gradus.run.v1.ResumeRunRequest;
import io.gradus.run.v1.RunProgress;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/// Goes on with a paused run.
@Command(
    name = "resume",
    description = "Goes on with a run that was paused.",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    footerHeading = "%nExamples:%n",
    footer = {
      "  gradus runs resume addition-20260131-174502 --coordinator 127.0.0.1:7070",
      "",
      "Exit status: 0 done, 1 it cannot be done or no coordinator answers, 2 there is no such run."
    })
final class RunsResumeCommand implements Callable<Integer> {

  private final Console console;

  @Parameters(paramLabel = "RUN", description = "Id of the run.")
  private String runId = "";

  @Mixin private CoordinatorOption coordinator = new CoordinatorOption();

  @Option(names = "--json", description = "Write one JSON object.")
  private boolean isJson;

  RunsResumeCommand(Console console) {
    this.console = console;
  }

  @Override
  public Integer call() throws InterruptedException {
    try (CoordinatorChannel channel = coordinator.open(console)) {
      RunProgress run =
          new RunCalls(channel, console)
              .ask(stub -> stub.resumeRun(ResumeRunRequest.newBuilder().setRunId(runId).build()))
              .getProgress();
      RunCalls.tellState(console, isJson, run);
      return ExitStatus.DONE;
    }
  }
}
