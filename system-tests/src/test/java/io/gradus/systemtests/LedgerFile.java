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

/// The ledger of a run directory, read by plain SQL: tests do not ask the code that wrote it.
final class LedgerFile implements AutoCloseable {

  private final Connection connection;

  private LedgerFile(Connection connection) {
    this.connection = connection;
  }

  static LedgerFile open(Path runDirectory) throws SQLException {
    return new LedgerFile(
        DriverManager.getConnection("jdbc:sqlite:" + runDirectory.resolve("ledger.db")));
  }

  /// Rows as text, columns separated by blanks.
  List<String> rows(String sql, Object... values) throws SQLException {
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
  long number(String sql, Object... values) throws SQLException {
    return Long.parseLong(rows(sql, values).getFirst());
  }

  @Override
  public void close() throws SQLException {
    connection.close();
  }
}
