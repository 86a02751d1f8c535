package io.gradus.learner;

import io.gradus.learner.run.FirstWeights;
import io.gradus.learner.run.LearningPlan;
import io.gradus.policy.Decoder;
import io.gradus.policy.checkpoint.CheckpointDirectory;
import io.gradus.policy.training.Trainer;
import java.io.IOException;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/// The policy that is trained, with its optimizer: one set of native memory for the life of a
/// learner, filled anew by each session. Used by the training thread only.
final class TrainedPolicy implements AutoCloseable {

  private final int replicas;
  private @Nullable Trainer trainer;

  TrainedPolicy(int replicas) {
    this.replicas = replicas;
  }

  /// @throws IllegalStateException if nothing was loaded yet
  Trainer trainer() {
    Trainer current = trainer;
    if (current == null) {
      throw new IllegalStateException("no weights were loaded yet");
    }
    return current;
  }

  /// Begins with first weights and an optimizer that has taken no step.
  void begin(LearningPlan plan) throws IOException {
    adopt(
        plan,
        switch (plan.firstWeights()) {
          case FirstWeights.Scratch(var config, var initialization) ->
              Decoder.initialize(config, initialization, plan.seed());
          case FirstWeights.Directory(Path path) -> Decoder.load(path);
        });
  }

  /// Goes on from a checkpoint.
  ///
  /// @param isDurable whether it has the optimizer's state; without, that begins anew
  void load(LearningPlan plan, Path checkpoint, boolean isDurable) throws IOException {
    adopt(plan, Decoder.load(checkpoint));
    if (isDurable) {
      trainer().loadOptimizer(checkpoint.resolve(CheckpointDirectory.OPTIMIZER));
    }
  }

  /// Takes the weights of `checkpoint`, with a new optimizer state.
  void restart(Path checkpoint) throws IOException {
    trainer().decoder().loadFrom(checkpoint);
    trainer().resetOptimizer();
  }

  private void adopt(LearningPlan plan, Decoder fresh) {
    Trainer current = trainer;
    if (current == null) {
      trainer = new Trainer(fresh, plan.optimizer(), plan.lockstep() ? 1 : replicas);
      return;
    }
    try (fresh) {
      current.decoder().copyFrom(fresh);
      current.resetOptimizer();
    }
  }

  @Override
  public void close() {
    Trainer current = trainer;
    if (current != null) {
      current.close();
      trainer = null;
    }
  }
}
