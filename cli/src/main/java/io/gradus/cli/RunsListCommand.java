package io.gradus.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.gradus.cli.link.CoordinatorChannel;
import io.gradus.cli.report.ProtoJson;
import io.gradus.run.v1.ListRunsRequest;
import io.gradus.run.v1.RunProgress;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/// Lists runs.
@Command(
    name = "list",
    description = "Lists runs, newest first.",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    footerHeading = "%nExamples:%n",
    footer = {
      "  gradus runs list --coordinator 127.0.0.1:7070",
      "  gradus runs list --active --json | jq -r '.runs[].run_id'",
      "",
      "Exit status: 0 listed, 1 no coordinator answers, 2 the input is wrong."
    })
final class RunsListCommand implements Callable<Integer> {

  private static final int MOST = 1000;

  private final Console console;

  @Mixin private CoordinatorOption coordinator = new CoordinatorOption();

  @Option(names = "--active", description = "Only runs that have not ended.")
  private boolean isActiveOnly;

  @Option(
      names = "--limit",
      paramLabel = "N",
      description = "At most so many, 1 to 1000 (default: 100).")
  private int limit = 100;

  @Option(names = "--json", description = "Write one JSON object.")
  private boolean isJson;

  RunsListCommand(Console console) {
    this.console = console;
  }

  @Override
  public Integer call() throws InterruptedException {
    if (limit < 1 || limit > MOST) {
      throw CommandException.wrongInput("--limit is %d but must be 1 to %d".formatted(limit, MOST));
    }
    try (CoordinatorChannel channel = coordinator.open(console)) {
      List<RunProgress> runs =
          new RunCalls(channel, console)
              .ask(stub ->
                  stub.listRuns(
                      ListRunsRequest.newBuilder()
                          .setPageSize(limit)
                          .setOnlyActive(isActiveOnly)
                          .build()))
              .getRunsList();
      if (isJson) {
        ObjectNode json = JsonNodeFactory.instance.objectNode();
        ArrayNode list = json.putArray("runs");
        runs.forEach(run -> list.add(ProtoJson.of(run)));
        console.out().println(json);
      } else if (runs.isEmpty()) {
        console.out().println(isActiveOnly ? "no run goes on" : "there are no runs");
      } else {
        RunTable.lines(runs, console.clock().instant()).forEach(console.out()::println);
      }
      return ExitStatus.DONE;
    }
  }
}
