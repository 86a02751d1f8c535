package io.gradus.systemtests;

import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;

/// A ledger, read by plain SQL: tests do not ask the code that wrote it.
public final class LedgerTables implements AutoCloseable {

  private final Connection connection;

  private LedgerTables(Connection connection) {
    this.connection = connection;
  }

  /// The ledger of a run directory.
  static LedgerTables open(Path runDirectory) throws SQLException {
    return open("jdbc:sqlite:" + runDirectory.resolve("ledger.db"));
  }

  /// The ledger in a database.
  public static LedgerTables open(String jdbcUrl) throws SQLException {
    return new LedgerTables(DriverManager.getConnection(jdbcUrl));
  }

  /// An expression for the bytes of a column as small hexadecimal digits.
  String hex(String column) throws SQLException {
    boolean isSqlite = connection.getMetaData().getURL().startsWith("jdbc:sqlite:");
    return (isSqlite ? "lower(hex(%s))" : "encode(%s, 'hex')").formatted(column);
  }

  /// Rows as text, columns separated by blanks.
  public List<String> rows(String sql, Object... values) throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(sql)) {
      for (int index = 0; index < values.length; index++) {
        statement.setObject(index + 1, values[index]);
      }
      try (ResultSet results = statement.executeQuery()) {
        ResultSetMetaData meta = results.getMetaData();
        var rows = new ArrayList<String>();
        while (results.next()) {
          var row = new ArrayList<String>();
          for (int column = 1; column <= meta.getColumnCount(); column++) {
            row.add(String.valueOf(results.getString(column)));
          }
          rows.add(String.join(" ", row));
        }
        return rows;
      }
    }
  }

  /// The one number that a query gives.
  public long number(String sql, Object... values) throws SQLException {
    return Long.parseLong(rows(sql, values).getFirst());
  }

  @Override
  public void close() throws SQLException {
    connection.close();
  }
}
