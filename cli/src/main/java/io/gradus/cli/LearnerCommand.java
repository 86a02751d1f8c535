package io.gradus.cli;

import io.gradus.cli.role.LearnerPlan;
import io.gradus.cli.role.RoleSettings;
import io.gradus.cli.spec.SpecKind;
import io.gradus.cli.spec.SpecRefusedException;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/// Runs one learner.
@Command(
    name = "learner",
    description = {
      "Runs a learner: on one run, or on one after another.",
      "",
      "Settings come from --config, then GRADUS_LEARNER_… variables, then --set."
    },
    mixinStandardHelpOptions = true,
    sortOptions = false,
    footerHeading = "%nExamples:%n",
    footer = {
      "  gradus learner --config learner.yaml",
      "  gradus learner --set coordinators=[127.0.0.1:7070] --set run_id=addition-20260131-174502",
      "  GRADUS_LEARNER_COORDINATORS=a:7070,b:7070 gradus learner",
      "",
      "SIGTERM or Ctrl-C ends it in good order; a second one ends it at once.",
      "",
      "Exit status: 0 ended in good order, 1 it could not begin or go on (the last line says why),",
      "2 the settings are wrong."
    })
final class LearnerCommand implements Callable<Integer> {

  private final Console console;
  private final Interrupts interrupts;

  @Mixin private RoleOptions options = new RoleOptions();

  LearnerCommand(Console console, Interrupts interrupts) {
    this.console = console;
    this.interrupts = interrupts;
  }

  @Override
  public Integer call() throws SpecRefusedException, InterruptedException {
    var read =
        RoleSettings.read(
            SpecKind.LEARNER, options.file(), console.environment(), options.settings());
    return new RoleProcess(console, interrupts)
        .run(
            LearnerPlan.of(read, HostName.ofThisHost(), Runtime.getRuntime().availableProcessors()),
            options);
  }
}
