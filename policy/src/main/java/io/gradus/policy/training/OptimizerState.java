package io.gradus.policy.training;

import io.gradus.policy.Decoder;
import io.gradus.policy.Parameters;
import io.gradus.policy.checkpoint.DamagedCheckpointException;
import io.gradus.policy.checkpoint.Safetensors;
import io.gradus.policy.nativememory.Scoped;
import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TreeMap;
import org.bytedeco.pytorch.Tensor;

/// What AdamW remembers from step to step, over buffers laid out like the weights. Whoever made the
/// buffers closes them.
///
/// @param mean decayed mean of gradients
/// @param meanSquare decayed mean of squared gradients
/// @param steps steps taken
record OptimizerState(Tensor mean, Tensor meanSquare, long steps) implements AutoCloseable {

  private static final String STEPS = "optimizer_steps";

  /// What was said in a file beside the buffers.
  record Read(long steps, Map<String, String> metadata) {}

  /// A copy; the caller closes it.
  static OptimizerState copyOf(AdamW optimizer) {
    OptimizerState live = optimizer.state();
    return new OptimizerState(
        Scoped.keepingResult(() -> live.mean.clone()),
        Scoped.keepingResult(() -> live.meanSquare.clone()),
        live.steps);
  }

  /// Writes the state under the names of `decoder`'s parameters.
  void write(Path file, Decoder decoder, Map<String, String> metadata) throws IOException {
    try (Parameters means = decoder.alike(mean);
        Parameters squares = decoder.alike(meanSquare)) {
      var tensors = new LinkedHashMap<String, Tensor>();
      means.byName().forEach((name, tensor) -> tensors.put("exp_avg." + name, tensor));
      squares.byName().forEach((name, tensor) -> tensors.put("exp_avg_sq." + name, tensor));
      var all = new TreeMap<>(metadata);
      all.put(STEPS, Long.toString(steps));
      Safetensors.write(file, tensors, all);
    }
  }

  /// Overwrites the buffers, in place, with what [#write] wrote.
  Read read(Path file, Decoder decoder) throws IOException {
    try (Safetensors saved = Safetensors.open(file);
        Parameters means = decoder.alike(mean);
        Parameters squares = decoder.alike(meanSquare)) {
      String said = saved.metadata().getOrDefault(STEPS, "");
      if (!said.matches("[0-9]{1,18}")) {
        throw new DamagedCheckpointException(
            file, "its %s are \"%s\" but must be a number".formatted(STEPS, said));
      }
      for (Map.Entry<String, Tensor> entry : means.byName().entrySet()) {
        saved.copyTo("exp_avg." + entry.getKey(), entry.getValue());
      }
      for (Map.Entry<String, Tensor> entry : squares.byName().entrySet()) {
        saved.copyTo("exp_avg_sq." + entry.getKey(), entry.getValue());
      }
      return new Read(Long.parseLong(said), saved.metadata());
    }
  }

  @Override
  public void close() {
    mean.close();
    meanSquare.close();
  }
}
