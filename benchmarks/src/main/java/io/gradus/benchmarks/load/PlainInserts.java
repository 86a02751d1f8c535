package io.gradus.benchmarks.load;

import io.zonky.test.db.postgres.embedded.EmbeddedPostgres;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.SplittableRandom;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/// A PostgreSQL that keeps what it acknowledges, and bare clients that insert into it, for
/// `submit-race.sh`: clients, bytes of a row. Prints the JDBC URL and the server's process id;
/// then, for each line of its input with a number of seconds, what the clients inserted in that
/// time: one row a transaction, each over its own connection. Ends when its input does.
final class PlainInserts {

  private PlainInserts() {}

  public static void main(String[] arguments) throws Exception {
    int clients = Integer.parseInt(arguments[0]);
    int rowBytes = Integer.parseInt(arguments[1]);
    // The library's own default is a server that syncs nothing, with hardly a buffer.
    try (EmbeddedPostgres postgres =
            EmbeddedPostgres.builder()
                .setServerConfig("fsync", "on")
                .setServerConfig("full_page_writes", "on")
                .setServerConfig("synchronous_commit", "on")
                .setServerConfig("shared_buffers", "128MB")
                .start();
        var input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8))) {
      String url = postgres.getJdbcUrl("postgres", "postgres");
      try (Connection connection = DriverManager.getConnection(url, "postgres", "");
          var statement = connection.createStatement()) {
        statement.execute("create database gradus");
      }
      System.out.println(postgres.getJdbcUrl("postgres", "gradus") + " " + postmaster(url));
      for (String line = input.readLine(); line != null; line = input.readLine()) {
        System.out.println(round(url, clients, rowBytes, Double.parseDouble(line)));
      }
    }
  }

  /// The process that all others of the server descend from.
  private static long postmaster(String url) throws SQLException {
    try (Connection connection = DriverManager.getConnection(url, "postgres", "");
        var statement = connection.createStatement();
        var answer = statement.executeQuery("select pg_backend_pid()")) {
      answer.next();
      return ProcessHandle.of(answer.getLong(1)).flatMap(ProcessHandle::parent).orElseThrow().pid();
    }
  }

  private static String round(String url, int clients, int rowBytes, double seconds)
      throws SQLException, InterruptedException, ExecutionException {
    try (Connection connection = DriverManager.getConnection(url, "postgres", "");
        var statement = connection.createStatement()) {
      // As the ledger keeps payloads: by a key of three numbers, in a column like theirs.
      statement.execute("drop table if exists plain");
      statement.execute(
          """
          create table plain (
            run_key bigint not null, group_id bigint not null, lease_id bigint not null,
            bytes bytea not null, primary key (run_key, group_id, lease_id))\
          """);
    }
    var latencies = new Latencies();
    long begin = System.nanoTime();
    long end = begin + (long) (seconds * 1e9);
    try (var threads = Executors.newFixedThreadPool(clients)) {
      var running = new ArrayList<Future<?>>();
      for (int client = 0; client < clients; client++) {
        long number = client;
        running.add(
            threads.submit(() -> {
              insert(url, number, rowBytes, end, latencies);
              return null;
            }));
      }
      for (Future<?> client : running) {
        var _ = client.get();
      }
    }
    return latencies.report((System.nanoTime() - begin) / 1e9);
  }

  private static void insert(String url, long client, int rowBytes, long end, Latencies latencies)
      throws SQLException {
    byte[] row = new byte[rowBytes];
    var random = new SplittableRandom(client);
    random.nextBytes(row);
    try (Connection connection = DriverManager.getConnection(url, "postgres", "");
        PreparedStatement statement =
            connection.prepareStatement("insert into plain values (1, ?, ?, ?)")) {
      for (long number = 1; System.nanoTime() < end; number++) {
        long begun = System.nanoTime();
        statement.setLong(1, number);
        statement.setLong(2, client);
        statement.setBytes(3, row);
        statement.executeUpdate();
        latencies.add(System.nanoTime() - begun, 1);
      }
    }
  }
}
