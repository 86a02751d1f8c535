package io.gradus.cli;

import io.gradus.cli.LocalRun.Output;
import io.gradus.cli.link.CoordinatorChannel;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/// Follows a run.
@Command(
    name = "watch",
    description = {
      "Follows a run to its end, over the death of any coordinator.",
      "",
      "It gives up when no coordinator has answered for ten minutes."
    },
    mixinStandardHelpOptions = true,
    sortOptions = false,
    footerHeading = "%nExamples:%n",
    footer = {
      "  gradus runs watch addition-20260131-174502 --coordinator a:7070,b:7070,c:7070",
      "",
      "Ctrl-C ends the watching and leaves the run going.",
      "",
      "Exit status: 0 the run ended, 1 it failed or is out of sight, 2 there is no such run,",
      "130 interrupted."
    })
final class RunsWatchCommand implements Callable<Integer> {

  private final Console console;
  private final Interrupts interrupts;

  @Parameters(paramLabel = "RUN", description = "Id of the run.")
  private String runId = "";

  @Mixin private CoordinatorOption coordinator = new CoordinatorOption();

  @Option(names = "--json", description = "Write one JSON object a line instead of progress.")
  private boolean isJson;

  RunsWatchCommand(Console console, Interrupts interrupts) {
    this.console = console;
    this.interrupts = interrupts;
  }

  @Override
  public Integer call() throws InterruptedException {
    try (CoordinatorChannel channel = coordinator.open(console)) {
      return new RemoteRun(console, interrupts, channel)
          .watch(runId, isJson ? Output.JSON : Output.PROGRESS);
    }
  }
}
