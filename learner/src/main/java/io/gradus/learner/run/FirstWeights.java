package io.gradus.learner.run;

import io.gradus.policy.Initialization;
import io.gradus.policy.ModelConfig;
import java.nio.file.Path;

/// Where weights come from when there is no checkpoint yet.
public sealed interface FirstWeights {

  /// Drawn at random from the run's seed.
  record Scratch(ModelConfig config, Initialization initialization) implements FirstWeights {}

  /// Read from a checkpoint in Hugging Face layout.
  record Directory(Path path) implements FirstWeights {}
}
