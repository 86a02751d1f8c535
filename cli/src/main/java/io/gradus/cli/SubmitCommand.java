package io.gradus.cli;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.gradus.cli.LocalRun.Output;
import io.gradus.cli.link.CoordinatorChannel;
import io.gradus.cli.report.ProtoJson;
import io.gradus.cli.spec.SpecRefusedException;
import io.gradus.run.v1.RunProgress;
import io.gradus.run.v1.RunSpec;
import io.gradus.run.v1.SubmitRunRequest;
import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/// Hands a run to coordinators.
@Command(
    name = "submit",
    description = {
      "Hands a run to coordinators, which go on with it whatever happens here.",
      "",
      "The same id with the same spec is the same run, however often it is submitted."
    },
    mixinStandardHelpOptions = true,
    sortOptions = false,
    footerHeading = "%nExamples:%n",
    footer = {
      "  gradus submit examples/addition.yaml --coordinator 127.0.0.1:7070",
      "  gradus submit examples/addition.yaml --watch --coordinator a:7070,b:7070,c:7070",
      "  gradus submit examples/addition.yaml --seed 2 --set stop.wall_time=2m --run-id addition-2",
      "",
      "With --watch, Ctrl-C ends the watching and leaves the run going.",
      "",
      "Exit status: 0 submitted, or with --watch the run ended; 1 it failed, or no coordinator",
      "answers; 2 the input is wrong; 130 interrupted while watching."
    })
final class SubmitCommand implements Callable<Integer> {

  private final Console console;
  private final Interrupts interrupts;

  @Parameters(paramLabel = "SPEC", description = "The run spec, a YAML file.")
  private Path file = Path.of("");

  @Mixin private CoordinatorOption coordinator = new CoordinatorOption();
  @Mixin private SpecOptions laidOver = new SpecOptions();

  @Option(
      names = "--run-id",
      paramLabel = "ID",
      description = "Id of the run (default: <name>-<time>).")
  private @Nullable String runId;

  @Option(names = "--watch", description = "Follow the run to its end.")
  private boolean isWatched;

  @Option(names = "--json", description = "Write one JSON object a line instead of words.")
  private boolean isJson;

  SubmitCommand(Console console, Interrupts interrupts) {
    this.console = console;
    this.interrupts = interrupts;
  }

  @Override
  public Integer call() throws SpecRefusedException, InterruptedException {
    // Checked here first, where the line of the file is known.
    RunSpec effective = EffectiveSpec.read(file, laidOver.settings()).spec();
    // Chosen once: a submit that is repeated must not become a second run.
    String id =
        Optional.ofNullable(runId).orElseGet(() -> RunIds.of(effective, console.clock().instant()));
    try (CoordinatorChannel channel = coordinator.open(console)) {
      RunProgress progress =
          new RunCalls(channel, console)
              .ask(runs ->
                  runs.submitRun(
                      SubmitRunRequest.newBuilder().setRunId(id).setSpec(effective).build()))
              .getProgress();
      if (isJson) {
        ObjectNode line = JsonNodeFactory.instance.objectNode();
        line.set("submitted", ProtoJson.of(progress));
        console.out().println(line);
      } else {
        console.out().printf("submitted %s%n", id);
      }
      if (isWatched) {
        return new RemoteRun(console, interrupts, channel)
            .watch(id, isJson ? Output.JSON : Output.PROGRESS);
      }
      if (!isJson) {
        console
            .out()
            .printf(
                "watch it by: gradus runs watch %s --coordinator %s%n", id, RunCalls.text(channel));
      }
      return ExitStatus.DONE;
    }
  }
}
