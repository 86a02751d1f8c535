package io.gradus.coordinator.ledger;

import java.sql.PreparedStatement;
import java.sql.SQLException;
import org.jdbi.v3.core.Handle;

/*
 * JDBI looks for a way to bind each value by its type, copies its configuration for each statement,
 * and keeps every row of a batch as a map until it is executed. For the statements of a commit, of
 * which there are several a group, that took half of the writer's processor time.
 */

/// One statement with the rows that it is to be executed for; the writer's fast path.
final class StatementBatch implements AutoCloseable {

  private final PreparedStatement statement;

  private StatementBatch(PreparedStatement statement) {
    this.statement = statement;
  }

  /// A statement that could not be executed; its cause says why.
  static final class StatementException extends RuntimeException {

    private static final long serialVersionUID = 1L;

    private StatementException(SQLException cause) {
      super(cause);
    }
  }

  static StatementBatch of(Handle handle, String sql) {
    try {
      return new StatementBatch(handle.getConnection().prepareStatement(sql));
    } catch (SQLException failure) {
      throw new StatementException(failure);
    }
  }

  /// Binds a value of the next row; positions count from 0.
  StatementBatch bind(int position, long value) {
    try {
      statement.setLong(position + 1, value);
      return this;
    } catch (SQLException failure) {
      throw new StatementException(failure);
    }
  }

  StatementBatch bind(int position, int value) {
    try {
      statement.setInt(position + 1, value);
      return this;
    } catch (SQLException failure) {
      throw new StatementException(failure);
    }
  }

  StatementBatch bind(int position, double value) {
    try {
      statement.setDouble(position + 1, value);
      return this;
    } catch (SQLException failure) {
      throw new StatementException(failure);
    }
  }

  StatementBatch bind(int position, boolean value) {
    try {
      statement.setBoolean(position + 1, value);
      return this;
    } catch (SQLException failure) {
      throw new StatementException(failure);
    }
  }

  StatementBatch bind(int position, String value) {
    try {
      statement.setString(position + 1, value);
      return this;
    } catch (SQLException failure) {
      throw new StatementException(failure);
    }
  }

  StatementBatch bind(int position, byte[] value) {
    try {
      statement.setBytes(position + 1, value);
      return this;
    } catch (SQLException failure) {
      throw new StatementException(failure);
    }
  }

  /// @param type of `java.sql.Types`
  StatementBatch bindNull(int position, int type) {
    try {
      statement.setNull(position + 1, type);
      return this;
    } catch (SQLException failure) {
      throw new StatementException(failure);
    }
  }

  /// The row is complete.
  void add() {
    try {
      statement.addBatch();
    } catch (SQLException failure) {
      throw new StatementException(failure);
    }
  }

  /// Executes the statement for all rows.
  ///
  /// @return how many rows of the database each changed
  int[] execute() {
    try {
      return statement.executeBatch();
    } catch (SQLException failure) {
      throw new StatementException(failure);
    }
  }

  @Override
  public void close() {
    try {
      statement.close();
    } catch (SQLException failure) {
      throw new StatementException(failure);
    }
  }
}
