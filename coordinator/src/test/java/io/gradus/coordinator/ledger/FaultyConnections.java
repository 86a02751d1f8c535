package io.gradus.coordinator.ledger;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Clock;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import javax.sql.DataSource;

/// Connections of a ledger's writer that hold commits back, or lose the answer to one before or
/// after it took place.
public final class FaultyConnections {

  public enum Fault {
    /// The connection breaks before the commit reaches the database.
    BEFORE_COMMIT,
    /// The commit takes place, and its answer is lost.
    AFTER_COMMIT
  }

  private final Deque<Fault> planned = new ArrayDeque<>();
  private final Deque<Gate> gates = new ArrayDeque<>();
  private Runnable onFault = () -> {};

  /// A commit that waits.
  public static final class Gate {

    private final CountDownLatch arrived = new CountDownLatch(1);
    private final CountDownLatch opened = new CountDownLatch(1);

    /// Waits until a commit stands before the gate: its statements were sent.
    public void awaitArrival() throws InterruptedException {
      if (!arrived.await(60, TimeUnit.SECONDS)) {
        throw new AssertionError("no commit came within 60 s");
      }
    }

    public void open() {
      opened.countDown();
    }

    private void pass() throws SQLException {
      arrived.countDown();
      try {
        if (!opened.await(60, TimeUnit.SECONDS)) {
          throw new SQLException("nobody opened the gate");
        }
      } catch (InterruptedException interrupted) {
        throw new SQLException(interrupted);
      }
    }
  }

  /// Opens a ledger that writes through these connections.
  public Ledger open(LedgerConfig config) {
    return Ledger.open(config, Clock.systemUTC(), System::nanoTime, this::around);
  }

  /// The next commit waits until the gate is opened.
  public synchronized Gate holdNextCommit() {
    var gate = new Gate();
    gates.add(gate);
    return gate;
  }

  /// The next commits fail so, in this order.
  public synchronized void plan(Fault... faults) {
    plan(List.of(faults));
  }

  synchronized void plan(List<Fault> faults) {
    planned.addAll(faults);
  }

  /// What happens between a fault and its discovery.
  synchronized void onFault(Runnable body) {
    onFault = body;
  }

  /// Nothing fails any more.
  public synchronized void heal() {
    planned.clear();
  }

  synchronized boolean isSpent() {
    return planned.isEmpty();
  }

  DataSource around(DataSource source) {
    return proxy(
        DataSource.class,
        (method, arguments) -> {
          Object result = method.invoke(source, arguments);
          return result instanceof Connection connection ? around(connection) : result;
        });
  }

  private Connection around(Connection connection) {
    return proxy(
        Connection.class,
        (method, arguments) -> {
          if (!method.getName().equals("commit")) {
            return method.invoke(connection, arguments);
          }
          Gate gate;
          synchronized (this) {
            gate = gates.poll();
          }
          if (gate != null) {
            gate.pass();
          }
          Fault fault;
          Runnable then;
          synchronized (this) {
            fault = planned.poll();
            then = onFault;
          }
          if (fault == null) {
            return method.invoke(connection, arguments);
          }
          if (fault == Fault.AFTER_COMMIT) {
            method.invoke(connection, arguments);
          } else {
            connection.rollback();
          }
          then.run();
          throw new SQLException("the connection broke " + fault, "08006");
        });
  }

  private interface Call {
    Object on(java.lang.reflect.Method method, Object[] arguments)
        throws IllegalAccessException, InvocationTargetException, SQLException;
  }

  private static <T> T proxy(Class<T> type, Call call) {
    return type.cast(
        Proxy.newProxyInstance(
            type.getClassLoader(),
            new Class<?>[] {type},
            (_, method, arguments) -> {
              try {
                return call.on(method, arguments);
              } catch (InvocationTargetException failure) {
                throw failure.getCause();
              }
            }));
  }
}
