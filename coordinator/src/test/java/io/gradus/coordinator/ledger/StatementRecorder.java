package io.gradus.coordinator.ledger;

import java.lang.reflect.InvocationHandler;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.regex.Pattern;
import javax.sql.DataSource;

/// Remembers the statements that go through its connections, each with the first values bound to
/// it, and asks PostgreSQL how it goes about them.
final class StatementRecorder {

  private record Bound(Method setter, List<Object> arguments) {}

  private static final Pattern PARAMETER = Pattern.compile("\\?");

  private final Map<String, List<Bound>> statements = new LinkedHashMap<>();

  synchronized List<String> statements() {
    return List.copyOf(statements.keySet());
  }

  synchronized void clear() {
    statements.clear();
  }

  private synchronized void remember(String sql, List<Bound> bound) {
    statements.putIfAbsent(sql, List.copyOf(bound));
  }

  DataSource around(DataSource source) {
    return proxy(
        DataSource.class,
        (_, method, arguments) -> {
          Object result = call(method, source, arguments);
          return result instanceof Connection connection ? around(connection) : result;
        });
  }

  private Connection around(Connection connection) {
    return proxy(
        Connection.class,
        (_, method, arguments) -> {
          Object result = call(method, connection, arguments);
          return result instanceof PreparedStatement statement
              ? around(statement, (String) arguments[0])
              : result;
        });
  }

  private PreparedStatement around(PreparedStatement statement, String sql) {
    var bound = new TreeMap<Integer, Bound>();
    return proxy(
        PreparedStatement.class,
        (_, method, arguments) -> {
          String name = method.getName();
          if (name.startsWith("set") && arguments.length > 1) {
            bound.put((Integer) arguments[0], new Bound(method, Arrays.asList(arguments.clone())));
          } else if (name.equals("addBatch") || name.startsWith("execute")) {
            remember(sql, new ArrayList<>(bound.values()));
          }
          return call(method, statement, arguments);
        });
  }

  /// The plan for the values that were bound first.
  List<String> plan(Connection connection, String sql) throws SQLException {
    List<Bound> bound;
    synchronized (this) {
      bound = statements.getOrDefault(sql, List.of());
    }
    try (PreparedStatement explain = connection.prepareStatement("explain " + sql)) {
      for (Bound value : bound) {
        try {
          call(value.setter(), explain, value.arguments().toArray());
        } catch (Throwable failure) {
          throw new SQLException("cannot bind a value again to " + sql, failure);
        }
      }
      return lines(explain.executeQuery());
    }
  }

  /// The plan that serves all values: what a server falls back on for a statement that it sees
  /// often.
  List<String> genericPlan(Connection connection, String sql) throws SQLException {
    var parameter = new AtomicInteger();
    String numbered = PARAMETER.matcher(sql).replaceAll(_ -> "\\$" + parameter.incrementAndGet());
    try (var statement = connection.createStatement()) {
      return lines(statement.executeQuery("explain (generic_plan) " + numbered));
    }
  }

  private static List<String> lines(ResultSet answer) throws SQLException {
    try (answer) {
      var lines = new ArrayList<String>();
      while (answer.next()) {
        lines.add(answer.getString(1));
      }
      return lines;
    }
  }

  private static Object call(Method method, Object target, Object[] arguments) throws Throwable {
    try {
      return method.invoke(target, arguments);
    } catch (InvocationTargetException failure) {
      throw failure.getCause();
    }
  }

  private static <T> T proxy(Class<T> type, InvocationHandler handler) {
    return type.cast(Proxy.newProxyInstance(type.getClassLoader(), new Class<?>[] {type}, handler));
  }
}
