package io.gradus.coordinator.ledger;

import io.gradus.core.ledger.Write;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Clock;
import java.util.List;
import java.util.function.UnaryOperator;
import javax.sql.DataSource;

/// A process that commits groups one after the other, and says so on its standard output, one
/// system call an acknowledgement.
final class AcknowledgingProcess {

  /// What begins an acknowledgement, so that it is found in a trace of system calls.
  static final String ACKNOWLEDGED = "ACKNOWLEDGED ";

  private AcknowledgingProcess() {}

  /// Commits.
  ///
  /// @param arguments ledger file, number of commits, `FULL` or `OFF`
  public static void main(String[] arguments) throws Exception {
    var out = new FileOutputStream(FileDescriptor.out);
    UnaryOperator<DataSource> connections =
        arguments[2].equals("OFF") ? AcknowledgingProcess::unsynced : UnaryOperator.identity();
    try (Ledger ledger =
        Ledger.open(
            LedgerConfig.sqlite(Path.of(arguments[0])),
            Clock.systemUTC(),
            System::nanoTime,
            connections)) {
      LedgerContract.submit(ledger, "run-1", "spec");
      Incarnation incarnation = LedgerContract.takeOver(ledger, "run-1").incarnation();
      for (long id = 1; id <= Long.parseLong(arguments[1]); id++) {
        var heard = new Heard();
        long group = id;
        ledger.append(
            incarnation,
            List.of(new Write.PutGroup(Rows.leased(id)), new Write.PutLease(Rows.lease(id))),
            List.of(),
            new CommitListener() {
              @Override
              public void committed(long commitSeq) {
                acknowledge(out, group);
                heard.committed(commitSeq);
              }

              @Override
              public void failed(CommitFailure failure, String message) {
                heard.failed(failure, message);
              }
            });
        if (!heard.await().startsWith("COMMITTED")) {
          throw new IllegalStateException("group %d: %s".formatted(id, heard.await()));
        }
      }
    }
  }

  private static void acknowledge(FileOutputStream out, long group) {
    try {
      out.write((ACKNOWLEDGED + group + "\n").getBytes(StandardCharsets.UTF_8));
    } catch (IOException failure) {
      throw new UncheckedIOException(failure);
    }
  }

  /// Connections whose commits are not synced: what the ledger refuses when it is configured so.
  private static DataSource unsynced(DataSource source) {
    return (DataSource)
        Proxy.newProxyInstance(
            DataSource.class.getClassLoader(),
            new Class<?>[] {DataSource.class},
            (_, method, arguments) -> {
              try {
                Object result = method.invoke(source, arguments);
                if (result instanceof Connection connection) {
                  turnOff(connection);
                }
                return result;
              } catch (InvocationTargetException failure) {
                throw failure.getCause();
              }
            });
  }

  private static void turnOff(Connection connection) throws SQLException {
    try (Statement statement = connection.createStatement()) {
      statement.execute("pragma synchronous = off");
    }
  }
}
