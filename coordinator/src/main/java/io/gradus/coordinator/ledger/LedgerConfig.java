package io.gradus.coordinator.ledger;

import java.nio.file.Path;
import java.time.Duration;

/// How to reach the ledger, and its limits.
///
/// @param jdbcUrl `jdbc:sqlite:PATH` or `jdbc:postgresql://…`
/// @param user empty for SQLite
/// @param password empty for SQLite
/// @param readConnections most connections that read at once
/// @param queueCapacity most commits that wait for the writer
/// @param lockTimeout longest wait for a lock of the database
/// @param statementTimeout longest run of one statement
/// @param commitDeadline longest time spent on finding out what became of one commit
/// @param integrityCheckMaxBytes a larger SQLite file is opened without reading it whole
/// @param payloadCacheBytes payloads kept in memory after their commit
/// @param payloadRetentionGroups newest groups of a run whose payloads are kept after they were
///   trained on; 0: all
public record LedgerConfig(
    String jdbcUrl,
    String user,
    String password,
    int readConnections,
    int queueCapacity,
    Duration lockTimeout,
    Duration statementTimeout,
    Duration commitDeadline,
    long integrityCheckMaxBytes,
    long payloadCacheBytes,
    long payloadRetentionGroups) {

  private static final String SQLITE = "jdbc:sqlite:";
  private static final String POSTGRES = "jdbc:postgresql:";

  public LedgerConfig {
    if (!jdbcUrl.startsWith(SQLITE) && !jdbcUrl.startsWith(POSTGRES)) {
      throw new IllegalArgumentException(
          "ledger.jdbc-url is %s but must begin with %s or %s"
              .formatted(jdbcUrl, SQLITE, POSTGRES));
    }
    if (jdbcUrl.startsWith(SQLITE)
        && (jdbcUrl.length() == SQLITE.length() || jdbcUrl.contains(":memory:"))) {
      throw new IllegalArgumentException(
          "ledger.jdbc-url is %s but must name a file: what is in memory is not durable"
              .formatted(jdbcUrl));
    }
    requirePositive("ledger.read-connections", readConnections);
    requirePositive("ledger.queue-capacity", queueCapacity);
    requirePositive("ledger.lock-timeout", lockTimeout.toMillis());
    requirePositive("ledger.statement-timeout", statementTimeout.toMillis());
    requirePositive("ledger.commit-deadline", commitDeadline.toMillis());
    requirePositive("ledger.payload-cache-bytes", payloadCacheBytes + 1);
    requirePositive("ledger.payload-retention-groups", payloadRetentionGroups + 1);
  }

  /// An embedded ledger in one file, with the usual limits.
  public static LedgerConfig sqlite(Path file) {
    return usual(SQLITE + file.toAbsolutePath(), "", "");
  }

  /// A ledger in PostgreSQL, with the usual limits.
  public static LedgerConfig postgres(String jdbcUrl, String user, String password) {
    return usual(jdbcUrl, user, password);
  }

  private static LedgerConfig usual(String jdbcUrl, String user, String password) {
    return new LedgerConfig(
        jdbcUrl,
        user,
        password,
        4,
        4096,
        Duration.ofSeconds(5),
        Duration.ofSeconds(30),
        Duration.ofSeconds(30),
        2L << 30,
        64L << 20,
        0);
  }

  /// Whether the ledger is a file that one process has for itself.
  public boolean isSqlite() {
    return jdbcUrl.startsWith(SQLITE);
  }

  Path file() {
    if (!isSqlite()) {
      throw new IllegalStateException("not in a file: " + jdbcUrl);
    }
    return Path.of(jdbcUrl.substring(SQLITE.length()));
  }

  @Override
  public String toString() {
    return "LedgerConfig[%s, user=%s, password=(masked)]".formatted(jdbcUrl, user);
  }

  private static void requirePositive(String key, long value) {
    if (value < 1) {
      throw new IllegalArgumentException("%s is %d but must be positive".formatted(key, value));
    }
  }
}
