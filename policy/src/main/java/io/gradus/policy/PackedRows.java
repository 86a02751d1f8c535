package io.gradus.policy;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;

/// Rows of tokens laid end to end, grouped by length, so that nothing is padded.
///
/// Everything but attention treats the N tokens alike; attention runs once a bucket of rows of
/// equal length. In the last block only tokens at or behind the first needed one of their bucket
/// are carried on (the S selected tokens): what other tokens compute there reaches no output.
public final class PackedRows {

  private final int[] order;
  private final long[] idsN;
  private final long[] positionsN;
  private final long[] selectedS;
  private final List<Bucket> buckets;
  private final int[] firstSelectedOfRow;
  private final int[] firstPositionOfRow;

  /// Rows of equal length.
  ///
  /// @param firstToken index of its first token among the N
  /// @param rows number of rows
  /// @param length tokens of a row
  /// @param firstQuery position in the row of the first selected token
  /// @param firstSelected index of its first token among the S
  record Bucket(int firstToken, int rows, int length, int firstQuery, int firstSelected) {
    int queries() {
      return length - firstQuery;
    }
  }

  private PackedRows(
      int[] order,
      long[] idsN,
      long[] positionsN,
      long[] selectedS,
      List<Bucket> buckets,
      int[] firstSelectedOfRow,
      int[] firstPositionOfRow) {
    this.order = order;
    this.idsN = idsN;
    this.positionsN = positionsN;
    this.selectedS = selectedS;
    this.buckets = List.copyOf(buckets);
    this.firstSelectedOfRow = firstSelectedOfRow;
    this.firstPositionOfRow = firstPositionOfRow;
  }

  /// Packs `rows`.
  ///
  /// @param rows at least one, each of 1 to `maxPositions` ids
  /// @param firstNeeded for each row the first position whose output is needed
  public static PackedRows of(ModelConfig config, List<int[]> rows, int[] firstNeeded) {
    if (rows.isEmpty() || rows.size() != firstNeeded.length) {
      throw new IllegalArgumentException(
          "%d rows and %d first positions; there must be as many of each, and at least one"
              .formatted(rows.size(), firstNeeded.length));
    }
    int[] order = sortedByLength(rows);
    int tokens = 0;
    for (int[] row : rows) {
      tokens += row.length;
    }
    var idsN = new long[tokens];
    var positionsN = new long[tokens];
    var selectedS = new long[tokens];
    var firstSelectedOfRow = new int[rows.size()];
    var firstPositionOfRow = new int[rows.size()];
    var buckets = new ArrayList<Bucket>();
    int token = 0;
    int selected = 0;
    for (int start = 0; start < order.length; ) {
      int length = rows.get(order[start]).length;
      int end = start;
      int firstQuery = length - 1;
      while (end < order.length && rows.get(order[end]).length == length) {
        firstQuery = Math.min(firstQuery, firstNeeded[order[end]]);
        end++;
      }
      if (length < 1 || length > config.maxPositions() || firstQuery < 0) {
        throw new IllegalArgumentException(
            "a row has %d tokens and its first needed position is %d, but must have 1 to %d"
                    .formatted(length, firstQuery, config.maxPositions())
                + " tokens and a position among them");
      }
      buckets.add(new Bucket(token, end - start, length, firstQuery, selected));
      for (int i = start; i < end; i++) {
        int[] row = rows.get(order[i]);
        firstSelectedOfRow[order[i]] = selected;
        firstPositionOfRow[order[i]] = firstQuery;
        int run = 0;
        for (int t = 0; t < length; t++, token++) {
          int id = row[t];
          if (id < 0 || id >= config.vocabSize()) {
            throw new IllegalArgumentException(
                "token id %d at position %d is not in [0, %d)"
                    .formatted(id, t, config.vocabSize()));
          }
          run = nextPosition(config, id, run, t);
          idsN[token] = id;
          positionsN[token] = run;
          if (t >= firstQuery) {
            selectedS[selected++] = token;
          }
        }
      }
      start = end;
    }
    return new PackedRows(
        order,
        idsN,
        positionsN,
        Arrays.copyOf(selectedS, selected),
        buckets,
        firstSelectedOfRow,
        firstPositionOfRow);
  }

  /// The position of token `id` at `index` of its row, when that of the token before it is
  /// `previous` (0 for the first token).
  public static int nextPosition(ModelConfig config, int id, int previous, int index) {
    return switch (config.positionIds()) {
      case SEQUENTIAL -> index;
      case DIGIT_COUPLED ->
          id < config.vocabulary().size() && config.vocabulary().isDigit(id) ? previous + 1 : 0;
    };
  }

  /// Tokens, N.
  public int tokens() {
    return idsN.length;
  }

  /// Tokens whose outputs are computed, S.
  public int selected() {
    return selectedS.length;
  }

  /// Index among the S of the output at `position` of row `row` (as numbered by the caller).
  public int selectedIndex(int row, int position) {
    int offset = position - firstPositionOfRow[row];
    if (offset < 0) {
      throw new IllegalArgumentException(
          "position %d of row %d was not selected; the first selected one is %d"
              .formatted(position, row, firstPositionOfRow[row]));
    }
    return firstSelectedOfRow[row] + offset;
  }

  /// The caller's number of the row that is packed at `index`.
  public int row(int index) {
    return order[index];
  }

  long[] idsN() {
    return idsN;
  }

  long[] positionsN() {
    return positionsN;
  }

  long[] selectedS() {
    return selectedS;
  }

  List<Bucket> buckets() {
    return buckets;
  }

  private static int[] sortedByLength(List<int[]> rows) {
    var order = new Integer[rows.size()];
    Arrays.setAll(order, i -> i);
    Arrays.sort(order, Comparator.comparingInt(i -> rows.get(i).length));
    return Arrays.stream(order).mapToInt(i -> i).toArray();
  }
}
