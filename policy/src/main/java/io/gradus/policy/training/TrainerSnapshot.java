package io.gradus.policy.training;

import io.gradus.policy.Decoder;
import io.gradus.policy.nativememory.Scoped;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import org.bytedeco.pytorch.Tensor;

/// The state of a [Trainer] at one moment, on memory of its own, for one other platform thread.
public final class TrainerSnapshot implements AutoCloseable {

  private final Decoder decoder;
  private final Optional<OptimizerState> optimizer;

  TrainerSnapshot(Decoder decoder, Optional<OptimizerState> optimizer) {
    this.decoder = decoder;
    this.optimizer = optimizer;
  }

  /// The weights; they belong to this snapshot.
  public Decoder decoder() {
    return decoder;
  }

  /// Whether the optimizer's state is in it.
  public boolean hasOptimizer() {
    return optimizer.isPresent();
  }

  /// Whether every weight is a finite number.
  public boolean isFinite() {
    try (Tensor all = Scoped.keepingResult(() -> decoder.weights().flat().isfinite().all())) {
      return all.item_bool();
    }
  }

  /// Writes the optimizer's state as [Trainer#loadOptimizer] reads it.
  public void saveOptimizer(Path file, Map<String, String> metadata) throws IOException {
    optimizer
        .orElseThrow(() -> new IllegalStateException("the snapshot has no optimizer state"))
        .write(file, decoder, metadata);
  }

  @Override
  public void close() {
    optimizer.ifPresent(OptimizerState::close);
    decoder.close();
  }
}
