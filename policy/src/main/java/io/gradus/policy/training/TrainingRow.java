package io.gradus.policy.training;

/// One sequence to be trained on or scored: a prompt and a completion.
///
/// @param ids all token ids, at least two; not copied
/// @param lossMask whether a token carries loss; as long as `ids`. The first token cannot: nothing
///   predicts it
/// @param temperature what the logits are divided by: the recorded temperature of sampling, so that
///   what was sampled is what is trained
@SuppressWarnings("ArrayRecordComponent") // A carrier of token arrays, compared by nobody.
public record TrainingRow(int[] ids, boolean[] lossMask, double temperature) {

  public TrainingRow {
    if (ids.length < 2 || ids.length != lossMask.length) {
      throw new IllegalArgumentException(
          "%d ids and %d loss mask entries; there must be as many of each, and at least two"
              .formatted(ids.length, lossMask.length));
    }
    if (lossMask[0]) {
      throw new IllegalArgumentException(
          "the first token carries loss, but no token stands before it to predict it");
    }
    if (!(temperature > 0 && temperature <= 100)) {
      throw new IllegalArgumentException(
          "temperature is %s but must be in (0, 100]; rows sampled greedily are trained at 1"
              .formatted(temperature));
    }
  }

  /// A row whose tokens from `promptLength` on carry loss.
  public static TrainingRow of(int[] ids, int promptLength, double temperature) {
    var mask = new boolean[ids.length];
    for (int t = promptLength; t < ids.length; t++) {
      mask[t] = true;
    }
    return new TrainingRow(ids, mask, temperature);
  }

  /// Number of tokens that carry loss.
  public int lossTokens() {
    int count = 0;
    for (boolean carries : lossMask) {
      count += carries ? 1 : 0;
    }
    return count;
  }
}
