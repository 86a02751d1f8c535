package io.gradus.cli;

import io.gradus.cli.link.CoordinatorChannel;
import io.gradus.cli.link.HostPort;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/// Which coordinators a verb calls.
final class CoordinatorOption {

  private static final String VARIABLE = "GRADUS_COORDINATORS";

  @Option(
      names = "--coordinator",
      paramLabel = "HOST:PORT[,…]",
      description =
          "Coordinators to call, one of which is enough (default: the variable " + VARIABLE + ").")
  private @Nullable String given;

  /// A channel to the coordinators that were named.
  CoordinatorChannel open(Console console) {
    return channel(coordinators(console), console);
  }

  List<HostPort> coordinators(Console console) {
    String option = given;
    String text = option != null ? option : console.environment().getOrDefault(VARIABLE, "");
    String origin = option != null ? "--coordinator" : VARIABLE;
    if (text.isBlank()) {
      throw CommandException.wrongInput(
          "no coordinator was given; name one by --coordinator HOST:PORT, or set " + VARIABLE);
    }
    return parsed(origin, text);
  }

  static List<HostPort> parsed(String origin, String text) {
    List<HostPort> coordinators = new ArrayList<>();
    for (String part : Arrays.stream(text.split(",", -1)).map(String::strip).toList()) {
      coordinators.add(
          HostPort.parse(part)
              .orElseThrow(() ->
                  CommandException.wrongInput(
                      "%s: \"%s\" is not HOST:PORT with a port from 1 to 65535"
                          .formatted(origin, part))));
    }
    return coordinators;
  }

  static CoordinatorChannel channel(List<HostPort> coordinators, Console console) {
    return CoordinatorChannel.open(coordinators, console.clock().millis());
  }
}
