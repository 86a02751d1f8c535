package io.gradus.policy;

/// How the weights of a model made from scratch are drawn: matrices from N(0, 1/fan-in), gains 1.
///
/// @param embeddingStd standard deviation of the token embedding
/// @param scaleResidual whether the two matrices of a layer that write to the residual stream are
///   divided by the root of twice the number of layers
public record Initialization(double embeddingStd, boolean scaleResidual) {

  public Initialization {
    if (!(embeddingStd > 0 && embeddingStd < 100)) {
      throw new IllegalArgumentException(
          "embedding_std is %s but must be in (0, 100); the usual value is 0.1"
              .formatted(embeddingStd));
    }
  }
}
