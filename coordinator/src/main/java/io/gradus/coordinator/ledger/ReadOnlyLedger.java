package io.gradus.coordinator.ledger;

import org.jdbi.v3.core.Jdbi;

/// A ledger opened to be read: an audit beside a coordinator that writes, or after it ended.
public final class ReadOnlyLedger implements AutoCloseable {

  private final Database database;
  private final LedgerReader reader;

  private ReadOnlyLedger(Database database, LedgerReader reader) {
    this.database = database;
    this.reader = reader;
  }

  /// Opens a ledger that is there; changes nothing in it.
  ///
  /// @throws LedgerException when there is none, or it is damaged
  public static ReadOnlyLedger open(LedgerConfig config) {
    return open(config, Schema.CURRENT);
  }

  static ReadOnlyLedger open(LedgerConfig config, Schema schema) {
    Database database = Database.openForReading(config, schema);
    var cache = new PayloadCache(0);
    return new ReadOnlyLedger(database, new LedgerReader(Jdbi.create(database.readers()), cache));
  }

  public LedgerReader reader() {
    return reader;
  }

  @Override
  public void close() {
    database.close();
  }
}
