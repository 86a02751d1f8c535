package io.gradus.learner.publication;

import io.gradus.core.batch.GoldRange;
import io.gradus.learner.batch.GoldRows;
import io.gradus.policy.CharacterVocabulary;
import io.gradus.policy.Decoder;
import io.gradus.policy.training.TokenScorer;
import io.gradus.policy.training.TrainingRow;
import java.util.List;
import java.util.OptionalDouble;

/// A fixed set of gold text that nobody trains on. A policy that finds it far less likely than a
/// uniform guess would, and than the weights did that its session began with, has been destroyed,
/// whatever its loss says, and must not reach workers.
public final class Canary {

  private static final int TOKENS_PER_MICROBATCH = 1 << 12;

  private final List<TrainingRow> rows;

  /// Of the first weights that were looked at; touched by the writing thread alone.
  private OptionalDouble first = OptionalDouble.empty();

  private Canary(List<TrainingRow> rows) {
    this.rows = rows;
  }

  /// The text of `range`; none where the vocabulary cannot write it.
  public static Canary of(GoldRange range, CharacterVocabulary vocabulary) {
    try {
      return new Canary(GoldRows.of(range, vocabulary));
    } catch (IllegalArgumentException unwritable) {
      return new Canary(List.of());
    }
  }

  /// What it says of some weights.
  ///
  /// @param nats mean negative log-likelihood a token
  /// @param limit the most that is acceptable
  record Verdict(double nats, double limit) {

    boolean isAcceptable() {
      // Written so that NaN is not.
      return nats <= limit;
    }
  }

  /// Looks at weights. The first ones set the measure: a model that begins with large logits is
  /// wrong by many nats before it has learned anything.
  ///
  /// @param bound acceptable in any case
  Verdict judge(Decoder decoder, double bound) {
    double nats = meanNats(decoder);
    if (first.isEmpty()) {
      first = OptionalDouble.of(nats);
    }
    return new Verdict(nats, Math.max(bound, 2 * first.getAsDouble()));
  }

  /// Mean negative log-likelihood of its completions, nats a token; 0 where there is no text.
  private double meanNats(Decoder decoder) {
    double sum = 0;
    long tokens = 0;
    if (!rows.isEmpty()) {
      for (float[] logprobs : new TokenScorer(decoder, TOKENS_PER_MICROBATCH).score(rows)) {
        for (float logprob : logprobs) {
          sum -= logprob;
          tokens++;
        }
      }
    }
    return tokens == 0 ? 0 : sum / tokens;
  }
}
