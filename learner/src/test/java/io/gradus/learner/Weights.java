package io.gradus.learner;

import io.gradus.policy.Decoder;
import io.gradus.policy.nativememory.NativeMemory;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;

/// Weights as plain numbers.
final class Weights {

  private Weights() {}

  static List<Float> of(Decoder decoder) {
    NativeMemory.prepareThread();
    var weights = new ArrayList<Float>();
    try (var _ = new PointerScope()) {
      for (Tensor parameter : decoder.parameters().values()) {
        var values = new float[Math.toIntExact(parameter.numel())];
        new FloatPointer(parameter.contiguous().data_ptr_float()).get(values);
        for (float value : values) {
          weights.add(value);
        }
      }
    }
    return weights;
  }
}
