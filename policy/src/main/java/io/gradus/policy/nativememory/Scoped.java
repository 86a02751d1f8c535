package io.gradus.policy.nativememory;

import java.util.function.Supplier;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerScope;

/// Frees every native allocation a computation made, except its result.
public final class Scoped {

  private Scoped() {}

  /// Runs `body` and releases all pointers it created but the one it returns, which must be one of
  /// them and which the caller owns and must close.
  ///
  /// Detaching the result from the scope instead would release it too.
  public static <P extends Pointer> P keepingResult(Supplier<P> body) {
    try (var _ = new PointerScope()) {
      P result = body.get();
      result.retainReference();
      return result;
    }
  }
}
