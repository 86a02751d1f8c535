package io.gradus.policy.checkpoint;

import java.util.Optional;
import org.bytedeco.pytorch.global.torch.ScalarType;

/// Number formats that we read; every other one in a safetensors file is refused by name.
public enum Dtype {
  F32(4, ScalarType.Float),
  F16(2, ScalarType.Half),
  BF16(2, ScalarType.BFloat16),
  I64(8, ScalarType.Long),
  I32(4, ScalarType.Int);

  private final int bytes;
  private final ScalarType torchType;

  Dtype(int bytes, ScalarType torchType) {
    this.bytes = bytes;
    this.torchType = torchType;
  }

  int bytes() {
    return bytes;
  }

  ScalarType torchType() {
    return torchType;
  }

  static Optional<Dtype> named(String name) {
    for (Dtype dtype : values()) {
      if (dtype.name().equals(name)) {
        return Optional.of(dtype);
      }
    }
    return Optional.empty();
  }
}
