package io.gradus.coordinator.ledger;

import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Optional;
import org.jdbi.v3.core.result.ResultIterator;

/// Rows of one query in the order of a key, so that several queries can be read side by side.
final class Cursor<K extends Comparable<K>, T> implements AutoCloseable {

  /// A row under its key.
  record Entry<K, T>(K key, T row) {}

  private final ResultIterator<Entry<K, T>> rows;
  private final Runnable onRow;
  private Optional<Entry<K, T>> next;

  /// Reads `rows`, which come in the order of their keys.
  Cursor(ResultIterator<Entry<K, T>> rows, Runnable onRow) {
    this.rows = rows;
    this.onRow = onRow;
    this.next = advance(rows);
  }

  private static <E> Optional<E> advance(Iterator<E> rows) {
    return rows.hasNext() ? Optional.of(rows.next()) : Optional.empty();
  }

  /// The key of the next row; empty at the end.
  Optional<K> key() {
    return next.map(Entry::key);
  }

  /// The rows under `key`, which is the least that no cursor has passed.
  List<T> take(K key) {
    var taken = new ArrayList<T>(2);
    while (next.isPresent() && next.get().key().equals(key)) {
      taken.add(next());
    }
    return taken;
  }

  /// The next row.
  T next() {
    T row = next.orElseThrow().row();
    onRow.run();
    next = advance(rows);
    return row;
  }

  /// The least key at which one of `cursors` stands.
  static <K extends Comparable<K>> Optional<K> least(List<Cursor<K, ?>> cursors) {
    return cursors.stream().flatMap(cursor -> cursor.key().stream()).min(Comparable::compareTo);
  }

  @Override
  public void close() {
    rows.close();
  }
}
