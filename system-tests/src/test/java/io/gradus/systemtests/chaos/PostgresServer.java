package io.gradus.systemtests.chaos;

import static org.awaitility.Awaitility.await;

import io.zonky.test.db.postgres.embedded.EmbeddedPostgres;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/// A PostgreSQL server whose process is ours to kill, to stop and to start again. It syncs.
final class PostgresServer implements AutoCloseable {

  private static final Duration STARTS_WITHIN = Duration.ofSeconds(60);
  private static final Duration STOPS_WITHIN = Duration.ofSeconds(30);
  private static final int MOST_CONNECTIONS = 60;
  private static final String DATABASE = "gradus";
  private static final String USER = "gradus";

  private final Path data;
  private final Path log;
  private final int port;
  private final String program;
  private Process process;

  private PostgresServer(Path data, Path log, int port, String program, Process process) {
    this.data = data;
    this.log = log;
    this.port = port;
    this.program = program;
    this.process = process;
  }

  /// Makes a database with a user `gradus`, who is no superuser, and starts its server.
  static PostgresServer start(Path directory, int port) throws Exception {
    Path data = directory.resolve("postgres");
    // The library finds and unpacks the binaries, and sets the database up.
    try (EmbeddedPostgres first =
            EmbeddedPostgres.builder()
                .setDataDirectory(data)
                .setCleanDataDirectory(false)
                .setPort(port)
                .start();
        Connection connection = first.getPostgresDatabase().getConnection();
        var statement = connection.createStatement()) {
      statement.execute("create role %s login".formatted(USER));
      statement.execute("create database %s owner %s".formatted(DATABASE, USER));
    }
    String program =
        Files.readString(data.resolve("postmaster.opts"))
            .strip()
            .split(" ", 2)[0]
            .replace("\"", "");
    Path log = directory.resolve("postgres.log");
    var server = new PostgresServer(data, log, port, program, launch(program, data, log, port));
    server.awaitAnswer();
    return server;
  }

  private static Process launch(String program, Path data, Path log, int port) throws IOException {
    var command = new ArrayList<String>();
    if (System.getProperty("user.name").equals("root")) {
      // It refuses to run as root; the library does the same.
      command.addAll(List.of("unshare", "-U"));
    }
    command.addAll(List.of(program, "-D", data.toString()));
    for (String setting :
        List.of(
            "port=" + port,
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "max_connections=" + MOST_CONNECTIONS,
            "fsync=on",
            "full_page_writes=on",
            "synchronous_commit=on")) {
      command.addAll(List.of("-c", setting));
    }
    return new ProcessBuilder(command)
        .redirectErrorStream(true)
        .redirectOutput(ProcessBuilder.Redirect.appendTo(log.toFile()))
        .start();
  }

  int port() {
    return port;
  }

  String user() {
    return USER;
  }

  /// @param port where the server, or a proxy before it, listens
  static String jdbcUrl(int port) {
    return "jdbc:postgresql://127.0.0.1:%d/%s".formatted(port, DATABASE);
  }

  /// Reaches the server itself, as a superuser: some connections are kept for those.
  String superuserUrl() {
    return jdbcUrl(port) + "?user=postgres";
  }

  /// SIGKILL to all of its processes, as when its host dies.
  void kill() throws InterruptedException {
    List<ProcessHandle> all = all();
    all.forEach(ProcessHandle::destroyForcibly);
    if (!process.waitFor(STOPS_WITHIN.toMillis(), TimeUnit.MILLISECONDS)) {
      throw new AssertionError("PostgreSQL survived SIGKILL");
    }
  }

  /// Stops it at once, as an administrator would: open transactions are rolled back.
  void stop() throws Exception {
    signal("INT", Stream.of(process.toHandle()));
    if (!process.waitFor(STOPS_WITHIN.toMillis(), TimeUnit.MILLISECONDS)) {
      throw new AssertionError("PostgreSQL does not stop; see " + log);
    }
  }

  /// Starts it again after its end.
  void start() throws IOException {
    await("PostgreSQL starts; see " + log)
        .atMost(STARTS_WITHIN)
        .ignoreExceptions()
        .until(() -> {
          if (!process.isAlive()) {
            // Right after a SIGKILL the shared memory of the last server may still be in use.
            process = launch(program, data, log, port);
          }
          return answers();
        });
  }

  /// SIGSTOP or SIGCONT to all of its processes.
  void signalAll(String name) throws Exception {
    signal(name, all().stream());
  }

  private static void signal(String name, Stream<ProcessHandle> processes) throws Exception {
    var command = new ArrayList<String>(List.of("kill", "-" + name));
    processes.forEach(one -> command.add(Long.toString(one.pid())));
    Process kill = new ProcessBuilder(command).start();
    if (!kill.waitFor(10, TimeUnit.SECONDS)) {
      throw new AssertionError(command + " does not end");
    }
  }

  private List<ProcessHandle> all() {
    return Stream.concat(Stream.of(process.toHandle()), process.descendants()).toList();
  }

  private void awaitAnswer() {
    await("PostgreSQL answers; see " + log)
        .atMost(STARTS_WITHIN)
        .ignoreExceptions()
        .until(this::answers);
  }

  private boolean answers() throws SQLException {
    try (Connection connection =
        DriverManager.getConnection(superuserUrl() + "&connectTimeout=2")) {
      return connection.isValid(2);
    }
  }

  /// Takes every connection that is not kept for superusers, and ends those that others had.
  ///
  /// @return gives them back
  AutoCloseable takeAllConnections() throws SQLException {
    var taken = new ArrayList<Connection>();
    var last = new SQLException("none was tried");
    try (Connection superuser = DriverManager.getConnection(superuserUrl());
        var statement = superuser.createStatement()) {
      // Those that come free are taken before their owners open them again: mostly.
      for (int round = 0; round < MOST_CONNECTIONS; round++) {
        try {
          while (taken.size() < MOST_CONNECTIONS) {
            taken.add(DriverManager.getConnection(jdbcUrl(port) + "?user=" + USER));
          }
        } catch (SQLException full) {
          last = full;
        }
        statement.execute(
            """
            select pg_terminate_backend(pid) from pg_stat_activity
            where application_name like 'gradus-%'\
            """);
      }
    }
    if (taken.isEmpty()) {
      throw last;
    }
    return () -> {
      for (Connection connection : taken) {
        connection.close();
      }
    };
  }

  @Override
  public void close() {
    all().forEach(ProcessHandle::destroyForcibly);
  }
}
