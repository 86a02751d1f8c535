package io.gradus.coordinator.ledger;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import io.gradus.coordinator.ledger.LedgerException.Kind;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;
import org.sqlite.SQLiteConfig;
import org.sqlite.SQLiteDataSource;

/// The connections to the database, and the proof that it keeps what it acknowledges.
///
/// Settings that durability rests on are set, then read back: a driver, a file system or an
/// administrator may say otherwise.
final class Database implements AutoCloseable {

  /// One for the commits, one to find out what became of one, one for payloads ahead of their
  /// decision, one for the leases of the cluster, one for partitions.
  private static final int WRITERS = 5;

  private final HikariDataSource writer;
  private final HikariDataSource readers;
  private final @Nullable FileChannel lock;

  private Database(HikariDataSource writer, HikariDataSource readers, @Nullable FileChannel lock) {
    this.writer = writer;
    this.readers = readers;
    this.lock = lock;
  }

  DataSource writer() {
    return writer;
  }

  DataSource readers() {
    return readers;
  }

  @Override
  public void close() {
    readers.close();
    writer.close();
    closeQuietly(lock);
  }

  /// Opens the database for writing, creates or migrates its tables, and checks its settings.
  static Database open(LedgerConfig config, Schema schema) {
    return config.isSqlite() ? openSqlite(config, schema) : openPostgres(config, schema);
  }

  private static Database openSqlite(LedgerConfig config, Schema schema) {
    Path file = config.file();
    FileChannel lock = lock(file);
    var opened = new ArrayList<HikariDataSource>();
    try {
      SQLiteDataSource source = sqlite(config, Role.WRITER);
      // Before there is a pool, which would try a damaged file again and again.
      requireWholeFile(config, source);
      HikariDataSource writer = pool(Role.WRITER, taken(source), 1, config);
      opened.add(writer);
      try (Connection connection = writer.getConnection()) {
        requireDurableSqlite(connection, file);
      }
      schema.prepare(writer, file.toString(), "sqlite");
      HikariDataSource readers =
          pool(Role.READER, taken(sqlite(config, Role.READER)), config.readConnections(), config);
      opened.add(readers);
      return new Database(writer, readers, lock);
    } catch (SQLException | RuntimeException failure) {
      opened.forEach(HikariDataSource::close);
      closeQuietly(lock);
      throw explained(failure, file.toString());
    }
  }

  private static Database openPostgres(LedgerConfig config, Schema schema) {
    var opened = new ArrayList<HikariDataSource>();
    try {
      HikariDataSource writer = pool(Role.WRITER, postgres(config, Role.WRITER), WRITERS, config);
      opened.add(writer);
      try (Connection connection = writer.getConnection()) {
        requireDurablePostgres(connection, config.jdbcUrl());
      }
      schema.prepare(writer, config.jdbcUrl(), "postgresql");
      HikariDataSource readers =
          pool(Role.READER, postgres(config, Role.READER), config.readConnections(), config);
      opened.add(readers);
      return new Database(writer, readers, null);
    } catch (SQLException | RuntimeException failure) {
      opened.forEach(HikariDataSource::close);
      throw explained(failure, config.jdbcUrl());
    }
  }

  /// Opens the database for reading alone: beside a coordinator that writes, or of a run that
  /// ended.
  static Database openForReading(LedgerConfig config, Schema schema) {
    String where = config.isSqlite() ? config.file().toString() : config.jdbcUrl();
    if (config.isSqlite() && !Files.isRegularFile(config.file())) {
      throw new LedgerException(
          Kind.UNAVAILABLE, "%s: no ledger is there; name a run directory".formatted(where));
    }
    var opened = new ArrayList<HikariDataSource>();
    try {
      Consumer<HikariConfig> settings;
      if (config.isSqlite()) {
        SQLiteDataSource source = sqlite(config, Role.READER);
        requireWholeFile(config, source);
        settings = taken(source);
      } else {
        settings = postgres(config, Role.READER);
      }
      HikariDataSource readers = pool(Role.READER, settings, config.readConnections(), config);
      opened.add(readers);
      try (Connection connection = readers.getConnection()) {
        schema.requireReadable(connection, where);
      }
      return new Database(readers, readers, null);
    } catch (SQLException | RuntimeException failure) {
      opened.forEach(HikariDataSource::close);
      throw explained(failure, where);
    }
  }

  /// Longest pause between two statements of a writing transaction. A process that stands still in
  /// the middle of one, or lost its way to the server, holds the row of its run, and whoever takes
  /// the run over waits for that row: no longer than for a lock.
  private static final Duration WRITER_STANDS_STILL_FOR = Duration.ofSeconds(3);

  private enum Role {
    WRITER,
    READER
  }

  private static SQLiteDataSource sqlite(LedgerConfig config, Role role) {
    var pragmas = new SQLiteConfig();
    pragmas.setBusyTimeout(Math.toIntExact(config.lockTimeout().toMillis()));
    pragmas.setTempStore(SQLiteConfig.TempStore.MEMORY);
    if (role == Role.WRITER) {
      pragmas.setJournalMode(SQLiteConfig.JournalMode.WAL);
      pragmas.setSynchronous(SQLiteConfig.SynchronousMode.FULL);
      pragmas.setTransactionMode(SQLiteConfig.TransactionMode.IMMEDIATE);
    }
    var source = new SQLiteDataSource(pragmas);
    source.setUrl(config.jdbcUrl());
    return source;
  }

  private static Consumer<HikariConfig> taken(DataSource source) {
    return settings -> settings.setDataSource(source);
  }

  private static Consumer<HikariConfig> postgres(LedgerConfig config, Role role) {
    long statement = config.statementTimeout().toMillis();
    Duration idle =
        role == Role.WRITER ? WRITER_STANDS_STILL_FOR : config.statementTimeout().multipliedBy(2);
    return settings -> {
      settings.setJdbcUrl(config.jdbcUrl());
      if (!config.user().isEmpty()) {
        settings.setUsername(config.user());
        settings.setPassword(config.password());
      }
      settings.addDataSourceProperty(
          "ApplicationName", "gradus-" + role.name().toLowerCase(Locale.ROOT));
      settings.addDataSourceProperty("connectTimeout", seconds(config.lockTimeout().toMillis()));
      // One statement of many rows instead of many: less work for both sides. No batch of
      // the writer has two rows of one key, which such a statement could not update twice.
      settings.addDataSourceProperty("reWriteBatchedInserts", role == Role.WRITER);
      // Longer than any statement may take: it ends waits for a server that is gone.
      settings.addDataSourceProperty("socketTimeout", seconds(statement) + 5);
      settings.addDataSourceProperty(
          "options",
          "-c statement_timeout=%d -c lock_timeout=%d -c idle_in_transaction_session_timeout=%d"
                  .formatted(statement, config.lockTimeout().toMillis(), idle.toMillis())
              + (role == Role.WRITER ? " -c synchronous_commit=on" : ""));
    };
  }

  private static HikariDataSource pool(
      Role role, Consumer<HikariConfig> source, int size, LedgerConfig config) {
    var settings = new HikariConfig();
    settings.setPoolName("gradus-ledger-" + role.name().toLowerCase(Locale.ROOT));
    source.accept(settings);
    settings.setMaximumPoolSize(size);
    settings.setMinimumIdle(0);
    // A file is not closed for being idle: opening it again reads its schema again.
    settings.setIdleTimeout(config.isSqlite() ? 0 : 600_000);
    settings.setMaxLifetime(config.isSqlite() ? 0 : 1_800_000);
    settings.setConnectionTimeout(Math.max(250, config.lockTimeout().toMillis()));
    settings.setInitializationFailTimeout(-1);
    if (role == Role.READER) {
      // Not SQLite's read-only mode: reading a write-ahead log needs its shared-memory file.
      settings.setConnectionInitSql(
          config.isSqlite() ? "pragma query_only = on" : "set default_transaction_read_only = on");
    }
    return new HikariDataSource(settings);
  }

  /// One writing process a file; SQLite itself would let two take turns.
  private static FileChannel lock(Path file) {
    Path beside = file.resolveSibling(file.getFileName() + ".lock");
    FileChannel channel = null;
    try {
      channel = FileChannel.open(beside, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
      FileLock lock = channel.tryLock();
      if (lock != null) {
        return channel;
      }
    } catch (OverlappingFileLockException inThisProcess) {
      // Said below, in the same words as for another process.
    } catch (IOException failure) {
      closeQuietly(channel);
      throw new LedgerException(
          Kind.UNAVAILABLE,
          "%s: cannot be written: %s; check the directory and its permissions"
              .formatted(file, failure),
          failure);
    }
    closeQuietly(channel);
    throw new LedgerException(
        Kind.IN_USE,
        "%s: another process writes to this ledger; wait for it or stop it".formatted(file));
  }

  private static void requireWholeFile(LedgerConfig config, DataSource source) throws SQLException {
    try (Connection connection = source.getConnection()) {
      requireWholeFile(config, connection);
    }
  }

  private static void requireWholeFile(LedgerConfig config, Connection connection)
      throws SQLException {
    Path file = config.file();
    long size = file.toFile().length();
    List<String> findings =
        size > config.integrityCheckMaxBytes()
            ? column(connection, "pragma schema_version").isEmpty()
                ? List.of("no schema version")
                : List.of()
            : column(connection, "pragma quick_check(3)").stream()
                .filter(line -> !line.equals("ok"))
                .toList();
    if (!findings.isEmpty()) {
      throw damaged(file.toString(), findings.getFirst());
    }
  }

  private static void requireDurableSqlite(Connection connection, Path file) throws SQLException {
    require(connection, file.toString(), "pragma journal_mode", "journal_mode", Set.of("wal"));
    // 2 is FULL: the log is synced in every commit. 1, NORMAL, would lose the newest commits.
    require(connection, file.toString(), "pragma synchronous", "synchronous", Set.of("2", "3"));
  }

  private static void requireDurablePostgres(Connection connection, String where)
      throws SQLException {
    require(connection, where, "show fsync", "fsync", Set.of("on"));
    require(
        connection,
        where,
        "show synchronous_commit",
        "synchronous_commit",
        Set.of("on", "remote_apply"));
    require(connection, where, "show full_page_writes", "full_page_writes", Set.of("on"));
  }

  private static void require(
      Connection connection, String where, String question, String setting, Set<String> safe)
      throws SQLException {
    String found = column(connection, question).getFirst();
    if (!safe.contains(found.toLowerCase(Locale.ROOT))) {
      throw new LedgerException(
          Kind.UNSAFE,
          ("%s: %s is %s but must be one of %s: otherwise a commit that was acknowledged could be"
                  + " lost; change the setting of the database")
              .formatted(where, setting, found, safe));
    }
  }

  private static List<String> column(Connection connection, String question) throws SQLException {
    try (Statement statement = connection.createStatement();
        ResultSet answer = statement.executeQuery(question)) {
      var values = new ArrayList<String>();
      while (answer.next()) {
        values.add(String.valueOf(answer.getString(1)));
      }
      return values;
    }
  }

  /// Turns what the driver says into one sentence that names the place and the remedy.
  private static LedgerException explained(Exception failure, String where) {
    for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
      if (cause instanceof LedgerException known) {
        return known;
      }
      String text = String.valueOf(cause.getMessage());
      for (Map.Entry<String, Kind> sign : SIGNS.entrySet()) {
        if (text.contains(sign.getKey())) {
          return sign.getValue() == Kind.DAMAGED
              ? damaged(where, firstLine(text))
              : new LedgerException(
                  sign.getValue(),
                  "%s: cannot be opened: %s".formatted(where, firstLine(text)),
                  failure);
        }
      }
    }
    Throwable root = failure;
    while (root.getCause() != null) {
      root = root.getCause();
    }
    return new LedgerException(
        Kind.UNAVAILABLE,
        "%s: the ledger cannot be opened: %s".formatted(where, firstLine(String.valueOf(root))),
        failure);
  }

  private static final Map<String, Kind> SIGNS =
      Map.of(
          "SQLITE_NOTADB", Kind.DAMAGED,
          "SQLITE_CORRUPT", Kind.DAMAGED,
          "malformed", Kind.DAMAGED,
          "SQLITE_BUSY", Kind.IN_USE,
          "SQLITE_READONLY", Kind.UNAVAILABLE,
          "SQLITE_FULL", Kind.UNAVAILABLE,
          "SQLITE_CANTOPEN", Kind.UNAVAILABLE);

  private static LedgerException damaged(String where, String finding) {
    return new LedgerException(
        Kind.DAMAGED,
        ("%s: the ledger is damaged (%s); restore it from a backup, or begin a new run in another"
                + " directory")
            .formatted(where, finding));
  }

  private static String firstLine(String text) {
    return text.lines().findFirst().orElse(text);
  }

  private static int seconds(long millis) {
    return Math.toIntExact(Math.max(1, (millis + 999) / 1000));
  }

  private static void closeQuietly(@Nullable FileChannel channel) {
    if (channel != null) {
      try {
        channel.close();
      } catch (IOException _) {
        // Closing gives the lock back either way; there is nothing else to lose.
      }
    }
  }
}
