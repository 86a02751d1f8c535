package io.gradus.policy.training;

import io.gradus.policy.Decoder;
import io.gradus.policy.FusedWeights;
import io.gradus.policy.nativememory.NativeMemory;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.bytedeco.javacpp.PointerScope;

/// Log-probabilities of recorded tokens under a decoder: one forward pass, no gradients.
public final class TokenScorer {

  private final Decoder decoder;
  private final int tokensPerMicrobatch;

  /// @param tokensPerMicrobatch bound of the tokens that are in flight at once
  public TokenScorer(Decoder decoder, int tokensPerMicrobatch) {
    this.decoder = decoder;
    this.tokensPerMicrobatch = tokensPerMicrobatch;
  }

  /// For each row one log-probability a token that carries loss, at the row's temperature.
  public List<float[]> score(List<TrainingRow> rows) {
    NativeMemory.prepareThread();
    var result = new ArrayList<>(Collections.nCopies(rows.size(), new float[0]));
    try (FusedWeights weights = decoder.fused()) {
      for (int[] numbers : Partition.of(rows, 1, tokensPerMicrobatch).getFirst()) {
        try (var _ = new PointerScope()) {
          new MicroBatch(decoder.config(), rows, numbers).score(weights, result);
        }
      }
    }
    return Collections.unmodifiableList(result);
  }
}
