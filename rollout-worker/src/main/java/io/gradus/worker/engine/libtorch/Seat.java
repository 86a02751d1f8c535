package io.gradus.worker.engine.libtorch;

import io.gradus.policy.Decoder;
import io.gradus.policy.ModelConfig;
import io.gradus.policy.sampling.Sampler;
import java.io.IOException;
import java.nio.file.Path;

/// Native memory for one version's weights, and the sampler that uses them; owns both.
final class Seat implements AutoCloseable {

  private final Decoder decoder;
  private final Sampler sampler;

  Seat(Decoder decoder) {
    this.decoder = decoder;
    sampler = new Sampler(decoder);
  }

  ModelConfig config() {
    return decoder.config();
  }

  Sampler sampler() {
    return sampler;
  }

  /// Overwrites the weights with those of a checkpoint of the same shape.
  void load(Path directory) throws IOException {
    decoder.loadFrom(directory);
  }

  @Override
  public void close() {
    sampler.close();
    decoder.close();
  }
}
