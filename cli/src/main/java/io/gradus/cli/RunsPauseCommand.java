package io.gradus.cli;

import io.gradus.cli.link.CoordinatorChannel;
import io.gradus.run.v1.PauseRunRequest;
import io.gradus.run.v1.RunProgress;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/// Pauses a run.
@Command(
    name = "pause",
    description = {
      "Pauses a run: no group is leased and no batch bound any more; what is under way is finished,"
          + " or with --now taken back."
    },
    mixinStandardHelpOptions = true,
    sortOptions = false,
    footerHeading = "%nExamples:%n",
    footer = {
      "  gradus runs pause addition-20260131-174502 --coordinator 127.0.0.1:7070",
      "  gradus runs pause addition-20260131-174502 --now",
      "",
      "Exit status: 0 done, 1 it cannot be done or no coordinator answers, 2 there is no such run."
    })
final class RunsPauseCommand implements Callable<Integer> {

  private final Console console;

  @Parameters(paramLabel = "RUN", description = "Id of the run.")
  private String runId = "";

  @Mixin private CoordinatorOption coordinator = new CoordinatorOption();

  @Option(
      names = "--now",
      description = {
        "Take the groups that workers sample for it back at once; they are sampled again when it"
            + " goes on."
      })
  private boolean isNow;

  @Option(names = "--json", description = "Write one JSON object.")
  private boolean isJson;

  RunsPauseCommand(Console console) {
    this.console = console;
  }

  @Override
  public Integer call() throws InterruptedException {
    try (CoordinatorChannel channel = coordinator.open(console)) {
      RunProgress run =
          new RunCalls(channel, console)
              .ask(stub ->
                  stub.pauseRun(
                      PauseRunRequest.newBuilder().setRunId(runId).setRevokeLeases(isNow).build()))
              .getProgress();
      RunCalls.tellState(console, isJson, run);
      return ExitStatus.DONE;
    }
  }
}
