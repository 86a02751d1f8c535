package io.gradus.cli;

import io.gradus.cli.role.RoleSettings;
import io.gradus.cli.role.WorkerPlan;
import io.gradus.cli.spec.SpecKind;
import io.gradus.cli.spec.SpecRefusedException;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/// Runs one rollout worker.
@Command(
    name = "worker",
    description = {
      "Runs a rollout worker: it samples and verifies for every run of its coordinators.",
      "",
      "Settings come from --config, then GRADUS_WORKER_… variables, then --set."
    },
    mixinStandardHelpOptions = true,
    sortOptions = false,
    footerHeading = "%nExamples:%n",
    footer = {
      "  gradus worker --config worker.yaml",
      "  gradus worker --set coordinators=[127.0.0.1:7070] --set worker_id=worker-2",
      "  GRADUS_WORKER_COORDINATORS=a:7070,b:7070 gradus worker",
      "",
      "SIGTERM or Ctrl-C ends it in good order; a second one ends it at once.",
      "",
      "Exit status: 0 ended in good order, 1 it could not begin or go on (the last line says why),",
      "2 the settings are wrong."
    })
final class WorkerCommand implements Callable<Integer> {

  private final Console console;
  private final Interrupts interrupts;

  @Mixin private RoleOptions options = new RoleOptions();

  WorkerCommand(Console console, Interrupts interrupts) {
    this.console = console;
    this.interrupts = interrupts;
  }

  @Override
  public Integer call() throws SpecRefusedException, InterruptedException {
    var read =
        RoleSettings.read(
            SpecKind.WORKER, options.file(), console.environment(), options.settings());
    return new RoleProcess(console, interrupts)
        .run(WorkerPlan.of(read, HostName.ofThisHost()), options);
  }
}
