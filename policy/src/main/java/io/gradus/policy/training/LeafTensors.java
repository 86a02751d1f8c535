package io.gradus.policy.training;

import java.util.List;
import org.bytedeco.pytorch.Tensor;
import org.jspecify.annotations.Nullable;

/// The leaves of an objective over a micro-batch of N tokens that carry loss, and where those
/// tokens come from.
///
/// Rows stand one behind the other in an order of this class's choosing; [#row] says which of the
/// caller's rows each is.
public final class LeafTensors {

  private final Tensor logprobsN;
  private final @Nullable Tensor entropiesN;
  private final int[] rows;
  private final int[] tokenCounts;
  private final int tokens;
  private final long batchTokens;
  private final int batchRows;

  /// Also usable without a model, to test an objective.
  ///
  /// @param logprobsN log-probabilities, a leaf that requires a gradient
  /// @param entropiesN entropies, likewise, or null if the objective needs none
  /// @param rows the caller's row numbers in the order of their tokens
  /// @param tokenCounts tokens of each of them
  /// @param batchTokens tokens that carry loss in the whole batch
  /// @param batchRows rows of the whole batch
  public LeafTensors(
      Tensor logprobsN,
      @Nullable Tensor entropiesN,
      int[] rows,
      int[] tokenCounts,
      long batchTokens,
      int batchRows) {
    this.logprobsN = logprobsN;
    this.entropiesN = entropiesN;
    this.rows = rows.clone();
    this.tokenCounts = tokenCounts.clone();
    this.batchTokens = batchTokens;
    this.batchRows = batchRows;
    int sum = 0;
    for (int count : tokenCounts) {
      sum += count;
    }
    tokens = sum;
    if (rows.length != tokenCounts.length || logprobsN.numel() != sum) {
      throw new IllegalArgumentException(
          "%d rows, %d token counts that sum to %d, %d logprobs; these must agree"
              .formatted(rows.length, tokenCounts.length, sum, logprobsN.numel()));
    }
  }

  /// Log-probabilities of the tokens at each row's temperature, `[N]`.
  public Tensor logp() {
    return logprobsN;
  }

  /// Entropies of the distributions they stand in, nats, at each row's temperature, `[N]`.
  ///
  /// @throws IllegalStateException if the objective did not say that it needs them
  public Tensor entropy() {
    if (entropiesN == null) {
      throw new IllegalStateException(
          "the objective asked for entropies but its needsEntropy() is false");
    }
    return entropiesN;
  }

  /// Rows of this micro-batch.
  public int rowCount() {
    return rows.length;
  }

  /// The caller's number of the row at `index`.
  public int row(int index) {
    return rows[index];
  }

  /// Tokens with loss of the row at `index`.
  public int tokenCount(int index) {
    return tokenCounts[index];
  }

  /// N.
  public int tokens() {
    return tokens;
  }

  /// Tokens with loss in the whole batch: what a token mean divides by.
  public long batchTokens() {
    return batchTokens;
  }

  /// Rows of the whole batch: what a sequence mean divides by.
  public int batchRows() {
    return batchRows;
  }

  /// Numbers recorded for each token with loss of each of the caller's rows, in the order of
  /// [#logp], `[N]`; belongs to the scope of the micro-batch.
  public Tensor perToken(List<float[]> recorded) {
    var flat = new float[tokens];
    int at = 0;
    for (int i = 0; i < rows.length; i++) {
      float[] values = recorded.get(rows[i]);
      if (values.length != tokenCounts[i]) {
        throw new IllegalArgumentException(
            "row %d has %d tokens with loss but %d numbers were recorded for it"
                .formatted(rows[i], tokenCounts[i], values.length));
      }
      System.arraycopy(values, 0, flat, at, values.length);
      at += values.length;
    }
    return Tensor.create(flat);
  }

  /// A number of each of the caller's rows, repeated for its tokens, `[N]`; belongs to the scope of
  /// the micro-batch.
  public Tensor perRow(float[] recorded) {
    var flat = new float[tokens];
    int at = 0;
    for (int i = 0; i < rows.length; i++) {
      for (int t = 0; t < tokenCounts[i]; t++) {
        flat[at++] = recorded[rows[i]];
      }
    }
    return Tensor.create(flat);
  }

  /// For each token the index of its row in this micro-batch, int64 `[N]`: what a sum over the
  /// tokens of a row (`index_add`) goes by. Belongs to the scope of the micro-batch.
  public Tensor rowIndex() {
    var flat = new long[tokens];
    int at = 0;
    for (int i = 0; i < rows.length; i++) {
      for (int t = 0; t < tokenCounts[i]; t++) {
        flat[at++] = i;
      }
    }
    return Tensor.create(flat);
  }
}
