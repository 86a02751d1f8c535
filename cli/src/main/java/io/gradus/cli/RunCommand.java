package io.gradus.cli;

import io.gradus.cli.LocalRun.Output;
import io.gradus.cli.embedded.EmbeddedSystem;
import io.gradus.cli.embedded.EmbeddedSystem.Preparation;
import io.gradus.cli.rundir.RunDirectory;
import io.gradus.cli.rundir.RunDirectoryException;
import io.gradus.cli.spec.SpecRefusedException;
import io.gradus.run.v1.RunSpec;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/// Runs a spec to its end, or goes on with a run, with all roles in this process.
@Command(
    name = "run",
    description =
        "Runs a spec with the whole system in this process, or goes on with a run that was"
            + " stopped or killed.",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    footerHeading = "%nExamples:%n",
    footer = {
      "  gradus run examples/addition.yaml",
      "  gradus run examples/addition.yaml --seed 2 --set stop.wall_time=2m",
      "  gradus run examples/addition.yaml --set rollout.temperature=0.8 --explain",
      "  gradus run --resume runs/addition-20260131-174502",
      "",
      "Ctrl-C stops in good order and says how to resume; a second one ends at once.",
      "",
      "Exit status: 0 the run ended, 1 it failed or broke off, 2 the input is wrong,",
      "130 interrupted."
    })
final class RunCommand implements Callable<Integer> {

  private static final Path RUNS = Path.of("runs");

  private static final int MOST_NAMES = 100;

  private final Console console;
  private final Interrupts interrupts;

  @Parameters(paramLabel = "SPEC", arity = "0..1", description = "The run spec, a YAML file.")
  private @Nullable Path file;

  @Mixin private SpecOptions laidOver = new SpecOptions();

  @Option(
      names = "--run-dir",
      paramLabel = "DIR",
      description = "Where the run is kept (default: runs/<name>-<time>).")
  private @Nullable Path directory;

  @Option(
      names = "--resume",
      paramLabel = "DIR",
      description = "Go on with the run in DIR from its last durable checkpoint.")
  private @Nullable Path resumed;

  @Option(
      names = "--explain",
      description = "Print the spec with all defaults and what it amounts to; run nothing.")
  private boolean isExplained;

  @Option(names = "--json", description = "Write one JSON object a line instead of progress.")
  private boolean isJson;

  @Option(names = "--quiet", description = "Say nothing until the run ends.")
  private boolean isQuiet;

  RunCommand(Console console, Interrupts interrupts) {
    this.console = console;
    this.interrupts = interrupts;
  }

  @Override
  public Integer call() throws SpecRefusedException, RunDirectoryException, InterruptedException {
    refuseContradictions();
    Path toResume = resumed;
    if (isExplained) {
      console.out().print(EffectiveSpec.read(file(), laidOver.settings()).explained());
      return ExitStatus.DONE;
    }
    Output output = isJson ? Output.JSON : isQuiet ? Output.QUIET : Output.PROGRESS;
    try (Preparation preparation = EmbeddedSystem.prepare()) {
      var run = new LocalRun(console, interrupts, output, preparation);
      return toResume != null ? resume(run, toResume) : begin(run);
    }
  }

  private int resume(LocalRun run, Path toResume)
      throws SpecRefusedException, RunDirectoryException, InterruptedException {
    try (RunDirectory held = RunDirectory.reopen(toResume)) {
      RunSpec spec = EffectiveSpec.read(held.spec(), List.of()).spec();
      return run.resume(held, spec, idOf(spec));
    }
  }

  private int begin(LocalRun run)
      throws SpecRefusedException, RunDirectoryException, InterruptedException {
    RunSpec spec = EffectiveSpec.read(file(), laidOver.settings()).spec();
    Path given = directory;
    String runId = given == null ? freeName(idOf(spec)) : idOf(spec);
    try (RunDirectory held = RunDirectory.create(given == null ? RUNS.resolve(runId) : given)) {
      return run.begin(held, spec, runId);
    }
  }

  private void refuseContradictions() {
    if (resumed == null) {
      if (file == null) {
        throw CommandException.wrongInput(
            "no spec was given; name one, such as examples/addition.yaml, or --resume DIR");
      }
      return;
    }
    Optional<String> used = laidOver.used();
    if (file != null || used.isPresent() || directory != null) {
      throw CommandException.wrongInput(
          ("--resume goes on with the spec and the directory that the run has; leave out %s, or"
                  + " start a new run without --resume")
              .formatted(file != null ? file.toString() : used.orElse("--run-dir")));
    }
    if (isExplained) {
      throw CommandException.wrongInput(
          "--explain explains a spec; name one, such as %s"
              .formatted(resumed.resolve("spec.yaml")));
    }
  }

  private Path file() {
    return Optional.ofNullable(file).orElseThrow();
  }

  private String idOf(RunSpec spec) {
    return RunIds.of(spec, console.clock().instant());
  }

  /// Two runs may begin in one second.
  private static String freeName(String runId) {
    String free = runId;
    for (int number = 2; number <= MOST_NAMES && Files.exists(RUNS.resolve(free)); number++) {
      free = runId + "-" + number;
    }
    return free;
  }
}
