package io.gradus.coordinator.spec;

import com.google.protobuf.TextFormat;
import io.gradus.run.v1.RunSpec;

/// Specs for tests, in text form.
public final class Specs {

  private Specs() {}

  /// The smallest spec that names an objective, with `more` merged into it.
  public static RunSpec star(String more) {
    return merged("objective { star {} }", more);
  }

  public static RunSpec grpo(String more) {
    return merged("objective { grpo {} }", more);
  }

  private static RunSpec merged(String objective, String more) {
    try {
      return TextFormat.parse(
              "model { scratch {} } stop { batches: 1000 } " + objective, RunSpec.class)
          .toBuilder()
          .mergeFrom(TextFormat.parse(more, RunSpec.class))
          .build();
    } catch (TextFormat.ParseException wrong) {
      throw new IllegalArgumentException(wrong);
    }
  }
}
