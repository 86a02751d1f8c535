package io.gradus.cli;

import io.gradus.cli.role.CoordinatorPlan;
import io.gradus.cli.role.RoleSettings;
import io.gradus.cli.spec.SpecKind;
import io.gradus.cli.spec.SpecRefusedException;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/// Runs one coordinator.
@Command(
    name = "coordinator",
    description = {
      "Runs a coordinator: it decides about runs, and researchers, workers and learners call it.",
      "",
      "Settings come from --config, then GRADUS_COORDINATOR_… variables, then --set."
    },
    mixinStandardHelpOptions = true,
    sortOptions = false,
    footerHeading = "%nExamples:%n",
    footer = {
      "  gradus coordinator --config coordinator.yaml",
      "  gradus coordinator --config coordinator.yaml --explain",
      "  GRADUS_COORDINATOR_LEDGER_PASSWORD=… gradus coordinator --config coordinator.yaml",
      "  gradus coordinator --set ledger.jdbc_url=jdbc:sqlite:ledger.db --set listen.port=7070 \\",
      "      --set checkpoint_store='\"file:///srv/gradus/{run}\"'",
      "",
      "SIGTERM or Ctrl-C ends it in good order; a second one ends it at once.",
      "",
      "Exit status: 0 ended in good order, 1 it could not begin or go on (the last line says why),",
      "2 the settings are wrong."
    })
final class CoordinatorCommand implements Callable<Integer> {

  private final Console console;
  private final Interrupts interrupts;

  @Mixin private RoleOptions options = new RoleOptions();

  CoordinatorCommand(Console console, Interrupts interrupts) {
    this.console = console;
    this.interrupts = interrupts;
  }

  @Override
  public Integer call() throws SpecRefusedException, InterruptedException {
    var read =
        RoleSettings.read(
            SpecKind.COORDINATOR, options.file(), console.environment(), options.settings());
    return new RoleProcess(console, interrupts).run(CoordinatorPlan.of(read), options);
  }
}
