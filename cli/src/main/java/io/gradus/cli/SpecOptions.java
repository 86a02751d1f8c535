package io.gradus.cli;

import io.gradus.cli.spec.Setting;
import io.gradus.cli.spec.SpecKind;
import io.gradus.cli.spec.SpecRefusedException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/// Values laid over a run spec.
final class SpecOptions {

  @Option(
      names = "--set",
      paramLabel = "PATH=VALUE",
      description = "Lay a value over the spec; may be repeated, later ones win.")
  private List<String> settings = new ArrayList<>();

  @Option(names = "--seed", paramLabel = "N", description = "The same as --set seed=N.")
  private @Nullable String seed;

  /// The option that was used, if one was.
  Optional<String> used() {
    return settings.isEmpty() ? Optional.ofNullable(seed).map(_ -> "--seed") : Optional.of("--set");
  }

  List<Setting> settings() throws SpecRefusedException {
    List<Setting> all = new ArrayList<>();
    for (String setting : settings) {
      all.add(Setting.parse("--set", setting, SpecKind.RUN));
    }
    if (seed != null) {
      all.add(Setting.ofField("--seed", "seed", seed));
    }
    return all;
  }
}
