package io.gradus.cli;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/// Options that every role process has.
final class RoleOptions {

  @Option(
      names = "--config",
      paramLabel = "FILE",
      description = "The settings, a YAML file (docs/reference/configuration.md).")
  private @Nullable Path file;

  @Option(
      names = "--set",
      paramLabel = "PATH=VALUE",
      description = "Lay a value over file and environment; may be repeated, later ones win.")
  private List<String> settings = new ArrayList<>();

  @Option(
      names = "--explain",
      description = "Print the settings with all defaults and where each comes from; run nothing.")
  private boolean isExplained;

  @Option(names = "--log-json", description = "Log one JSON object a line.")
  private boolean isLogJson;

  Optional<Path> file() {
    return Optional.ofNullable(file);
  }

  List<String> settings() {
    return List.copyOf(settings);
  }

  boolean isExplained() {
    return isExplained;
  }

  boolean isLogJson() {
    return isLogJson;
  }
}
