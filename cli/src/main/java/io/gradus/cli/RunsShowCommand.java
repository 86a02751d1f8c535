package io.gradus.cli;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.gradus.cli.link.CoordinatorChannel;
import io.gradus.cli.progress.Words;
import io.gradus.cli.report.ProtoJson;
import io.gradus.cli.spec.SpecWriter;
import io.gradus.run.v1.GetRunRequest;
import io.gradus.run.v1.GetRunResponse;
import io.gradus.run.v1.RunProgress;
import java.util.Locale;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/// Shows where a run stands.
@Command(
    name = "show",
    description = "Shows where a run stands, or the spec that it goes by.",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    footerHeading = "%nExamples:%n",
    footer = {
      "  gradus runs show addition-20260131-174502 --coordinator 127.0.0.1:7070",
      "  gradus runs show addition-20260131-174502 --spec > again.yaml",
      "",
      "Exit status: 0 shown, 1 no coordinator answers, 2 there is no such run."
    })
final class RunsShowCommand implements Callable<Integer> {

  private final Console console;

  @Parameters(paramLabel = "RUN", description = "Id of the run.")
  private String runId = "";

  @Mixin private CoordinatorOption coordinator = new CoordinatorOption();

  @Option(names = "--spec", description = "Print its effective spec as YAML.")
  private boolean isSpec;

  @Option(names = "--json", description = "Write one JSON object.")
  private boolean isJson;

  RunsShowCommand(Console console) {
    this.console = console;
  }

  @Override
  public Integer call() throws InterruptedException {
    try (CoordinatorChannel channel = coordinator.open(console)) {
      GetRunResponse run =
          new RunCalls(channel, console)
              .ask(stub -> stub.getRun(GetRunRequest.newBuilder().setRunId(runId).build()));
      if (isJson) {
        ObjectNode json = JsonNodeFactory.instance.objectNode();
        json.set("run", ProtoJson.of(run.getProgress()));
        json.set("spec", ProtoJson.of(run.getSpec()));
        console.out().println(json);
      } else if (isSpec) {
        console.out().print(SpecWriter.write(run.getSpec()));
      } else {
        print(run.getProgress());
      }
      return ExitStatus.DONE;
    }
  }

  private void print(RunProgress run) {
    row("run", run.getRunId());
    row(
        "state",
        LocalRun.name(run.getState()).toLowerCase(Locale.ROOT)
            + (run.getReason().isEmpty() ? "" : ": " + run.getReason()));
    row("age", Words.of(RunTable.age(run, console.clock().instant())));
    row("batches applied", Words.count(run.getBatchesApplied()));
    row("optimizer steps", Words.count(run.getOptimizerSteps()));
    row("policy version", Words.count(run.getPolicyVersion()));
    row("handled", RunTable.handled(run));
    row("groups created", Words.count(run.getGroupsCreated()));
    new TreeMap<>(run.getGroupsMap())
        .forEach((state, groups) -> row("  " + state, Words.count(groups)));
    row("learner", run.getLearner().getJoined() ? "joined" : "none");
    row("residual", Words.count(run.getAccountingResidual()));
    row("weights", run.getCheckpoint().isEmpty() ? "-" : run.getCheckpoint());
  }

  private void row(String name, String value) {
    console.out().printf("%-25s %s%n", name, value);
  }
}
