package io.gradus.policy;

/// The rotary embedding of a family: its base and how it is stretched for longer contexts.
///
/// @param theta base of the frequencies
public record Rope(double theta, Scaling scaling) {

  public Rope {
    if (!(theta > 1 && theta < 1e12)) {
      throw new IllegalArgumentException(
          "rope_theta is %s but must be in (1, 1e12); the usual value is 10000".formatted(theta));
    }
  }

  /// The plain rotary embedding.
  public static Rope plain(double theta) {
    return new Rope(theta, new Scaling.None());
  }

  /// What is done to the frequencies. Sources: `modeling_rope_utils` of transformers, and the
  /// papers named there.
  public sealed interface Scaling {

    /// Nothing.
    record None() implements Scaling {}

    /// Every frequency is divided (position interpolation, arXiv 2306.15595).
    record Linear(double factor) implements Scaling {
      public Linear {
        requireFactor(factor);
      }
    }

    /// The base grows with the length of a row beyond `max_position_embeddings` (dynamic NTK). A
    /// row that long is refused, since what is in the cache would have been turned by other angles
    /// than what comes; up to there nothing changes.
    record Dynamic(double factor) implements Scaling {
      public Dynamic {
        requireFactor(factor);
      }
    }

    /// Long waves are divided, short ones kept, and those between blended (Llama 3.1).
    ///
    /// @param lowFrequency waves longer than `originalPositions / lowFrequency` are divided
    /// @param highFrequency waves shorter than `originalPositions / highFrequency` are kept
    /// @param originalPositions length of the rows that the model was made with
    record Llama3(double factor, double lowFrequency, double highFrequency, int originalPositions)
        implements Scaling {
      public Llama3 {
        requireFactor(factor);
        if (!(lowFrequency > 0 && highFrequency > lowFrequency) || originalPositions < 1) {
          throw new IllegalArgumentException(
              ("rope of type llama3 has low_freq_factor %s, high_freq_factor %s and"
                      + " original_max_position_embeddings %d but must have 0 < low < high and at"
                      + " least one position")
                  .formatted(lowFrequency, highFrequency, originalPositions));
        }
      }
    }

    private static void requireFactor(double factor) {
      if (!(factor >= 1 && factor < 1e6)) {
        throw new IllegalArgumentException(
            "the factor of the rope is %s but must be in [1, 1e6)".formatted(factor));
      }
    }
  }

  /// Radians that each pair of a head turns by from one position to the next, rounded to float the
  /// way transformers rounds them.
  public float[] frequencies(int headDim) {
    var result = new float[headDim / 2];
    for (int pair = 0; pair < result.length; pair++) {
      float plain = (float) (1 / Math.pow(theta, 2.0 * pair / headDim));
      result[pair] =
          switch (scaling) {
            case Scaling.None(), Scaling.Dynamic _ -> plain;
            case Scaling.Linear(var factor) -> (float) (plain / factor);
            case Scaling.Llama3 llama3 -> scaled(plain, llama3);
          };
    }
    return result;
  }

  private static float scaled(float plain, Scaling.Llama3 scaling) {
    double wave = 2 * Math.PI / plain;
    double divided = plain / scaling.factor;
    if (wave > scaling.originalPositions / scaling.lowFrequency) {
      return (float) divided;
    }
    if (wave < scaling.originalPositions / scaling.highFrequency) {
      return plain;
    }
    double share =
        (scaling.originalPositions / wave - scaling.lowFrequency)
            / (scaling.highFrequency - scaling.lowFrequency);
    return (float) ((1 - share) * divided + share * plain);
  }
}
