package io.gradus.cli;

import io.gradus.cli.link.CoordinatorChannel;
import io.gradus.run.v1.CancelRunRequest;
import io.gradus.run.v1.RunProgress;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/// Ends a run.
@Command(
    name = "cancel",
    description = "Ends a run for good: open groups are cancelled, open batches void.",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    footerHeading = "%nExamples:%n",
    footer = {
      "  gradus runs cancel addition-20260131-174502 --reason 'wrong data' --coordinator 127.0.0.1:7070",
      "",
      "Exit status: 0 done, 1 it cannot be done or no coordinator answers, 2 there is no such run."
    })
final class RunsCancelCommand implements Callable<Integer> {

  private final Console console;

  @Parameters(paramLabel = "RUN", description = "Id of the run.")
  private String runId = "";

  @Mixin private CoordinatorOption coordinator = new CoordinatorOption();

  @Option(names = "--reason", paramLabel = "TEXT", description = "Why, for whoever asks later.")
  private String reason = "cancelled by a person";

  @Option(names = "--json", description = "Write one JSON object.")
  private boolean isJson;

  RunsCancelCommand(Console console) {
    this.console = console;
  }

  @Override
  public Integer call() throws InterruptedException {
    try (CoordinatorChannel channel = coordinator.open(console)) {
      RunProgress run =
          new RunCalls(channel, console)
              .ask(stub ->
                  stub.cancelRun(
                      CancelRunRequest.newBuilder().setRunId(runId).setReason(reason).build()))
              .getProgress();
      RunCalls.tellState(console, isJson, run);
      return ExitStatus.DONE;
    }
  }
}
