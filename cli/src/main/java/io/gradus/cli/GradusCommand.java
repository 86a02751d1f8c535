package io.gradus.cli;

import io.gradus.cli.rundir.RunDirectoryException;
import io.gradus.cli.spec.SpecFault;
import io.gradus.cli.spec.SpecRefusedException;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.IVersionProvider;
import picocli.CommandLine.ParameterException;

/// The command with all its verbs.
@Command(
    name = "gradus",
    description =
        "Teaches language models to reason by reinforcement learning with verified rewards.",
    mixinStandardHelpOptions = true,
    versionProvider = GradusCommand.Version.class,
    synopsisSubcommandLabel = "COMMAND",
    footerHeading = "%nExamples:%n",
    footer = {
      "  gradus run examples/addition.yaml          teach a small model to add",
      "  gradus run SPEC --set rollout.temperature=0.8 --seed 2",
      "  gradus run --resume runs/addition-…        go on after a stop or a crash",
      "  gradus ledger audit runs/addition-…        prove that the books balance",
      "  gradus submit SPEC --watch --coordinator HOST:PORT",
      "",
      "Exit status: 0 done, 1 failed, 2 the input is wrong, 130 interrupted."
    })
final class GradusCommand {

  private GradusCommand() {}

  /// Runs `args` and gives the exit status.
  static int execute(Console console, Interrupts interrupts, String... args) {
    var out = new PrintWriter(console.out(), true, StandardCharsets.UTF_8);
    var err = new PrintWriter(console.err(), true, StandardCharsets.UTF_8);
    return commandLine(console, interrupts).setOut(out).setErr(err).execute(args);
  }

  private static CommandLine commandLine(Console console, Interrupts interrupts) {
    var ledger = new CommandLine(new LedgerCommand());
    ledger.addSubcommand(new LedgerAuditCommand(console));
    var runs = new CommandLine(new RunsCommand());
    runs.addSubcommand(new RunsListCommand(console))
        .addSubcommand(new RunsShowCommand(console))
        .addSubcommand(new RunsWatchCommand(console, interrupts))
        .addSubcommand(new RunsPauseCommand(console))
        .addSubcommand(new RunsResumeCommand(console))
        .addSubcommand(new RunsCancelCommand(console));
    var checkpoint = new CommandLine(new CheckpointCommand());
    checkpoint.addSubcommand(new CheckpointVerifyCommand(console));
    return new CommandLine(new GradusCommand())
        .addSubcommand(new RunCommand(console, interrupts))
        .addSubcommand(new CoordinatorCommand(console, interrupts))
        .addSubcommand(new WorkerCommand(console, interrupts))
        .addSubcommand(new LearnerCommand(console, interrupts))
        .addSubcommand(new SubmitCommand(console, interrupts))
        .addSubcommand("runs", runs)
        .addSubcommand("ledger", ledger)
        .addSubcommand("checkpoint", checkpoint)
        .addSubcommand(new DoctorCommand(console))
        .setUsageHelpWidth(Math.clamp(console.columns(), 60, 100))
        .setUsageHelpAutoWidth(false)
        .setParameterExceptionHandler(GradusCommand::wrongArguments)
        .setExecutionExceptionHandler((e, command, _) -> failure(e, command));
  }

  private static int wrongArguments(ParameterException e, String[] args) {
    CommandLine command = e.getCommandLine();
    PrintWriter err = command.getErr();
    err.println("gradus: " + e.getMessage());
    CommandLine.UnmatchedArgumentException.printSuggestions(e, err);
    err.printf("Try '%s --help'.%n", command.getCommandSpec().qualifiedName());
    return ExitStatus.WRONG_INPUT;
  }

  private static int failure(Exception e, CommandLine command) {
    PrintWriter err = command.getErr();
    return switch (e) {
      case CommandException told -> {
        err.println("gradus: " + told.getMessage());
        yield told.status();
      }
      case SpecRefusedException refused -> {
        refused.faults().stream().map(SpecFault::toString).forEach(err::println);
        yield ExitStatus.WRONG_INPUT;
      }
      case RunDirectoryException refused -> {
        err.println("gradus: " + refused.getMessage());
        yield ExitStatus.WRONG_INPUT;
      }
      default -> {
        err.println("gradus: this is a defect of Gradus; please report it with what follows");
        e.printStackTrace(err);
        yield ExitStatus.FAILED;
      }
    };
  }

  /// The version in the manifest of the jar.
  static final class Version implements IVersionProvider {
    @Override
    public String[] getVersion() {
      String version =
          Optional.ofNullable(GradusCommand.class.getPackage().getImplementationVersion())
              .orElse("development");
      return new String[] {
        "gradus " + version,
        "Java %s, %s".formatted(Runtime.version(), System.getProperty("os.name"))
      };
    }
  }
}
