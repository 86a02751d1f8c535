package io.gradus.coordinator.ledger;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayDeque;
import java.util.Deque;
import javax.sql.DataSource;

/// Connections that lose the answer to a commit, before or after it took place.
final class FaultyConnections {

  enum Fault {
    /// The connection breaks before the commit reaches the database.
    BEFORE_COMMIT,
    /// The commit takes place, and its answer is lost.
    AFTER_COMMIT
  }

  private final Deque<Fault> planned = new ArrayDeque<>();
  private Runnable onFault = () -> {};

  /// The next commits fail so, in this order.
  synchronized void plan(Fault... faults) {
    for (Fault fault : faults) {
      planned.add(fault);
    }
  }

  /// What happens between a fault and its discovery.
  synchronized void onFault(Runnable body) {
    onFault = body;
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
