package io.gradus.coordinator.ledger;

import io.gradus.coordinator.ledger.LedgerException.Kind;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.TreeSet;
import javax.sql.DataSource;
import org.flywaydb.core.Flyway;
import org.flywaydb.core.api.FlywayException;
import org.jspecify.annotations.Nullable;

/*
 * Releases share a ledger while a cluster is upgraded one node after the other, and when an upgrade
 * is taken back. So a migration comes in two steps, a release apart. It expands: tables, indexes and
 * columns with defaults are added, which programs that do not know them neither read nor write. It
 * contracts only when no program that needs what goes may still run. Each migration says in the
 * table schema_compatibility which programs may go on; a program that meets a schema newer than its
 * own obeys. Rejected: the version number alone, by which an older program would have to refuse
 * everything; and a rule in the program, which cannot know what comes after it.
 */

/// The tables of the ledger as one release knows them: migrations 1 to `newest`.
///
/// @param newest number of the newest migration of the release
record Schema(int newest) {

  /// What this release knows.
  static final Schema CURRENT = new Schema(4);

  /// The reading statements of this release work from here on.
  private static final int OLDEST_READABLE = 1;

  /// Migrations of every database; those of one kind are beside them under the same numbers.
  private static final String MIGRATIONS = "classpath:io/gradus/coordinator/ledger/migration";

  /// Whether payloads are in partitions, where the database has such.
  boolean hasPayloadPartitions() {
    return newest >= 4;
  }

  /// Brings the tables up to this release, where they are older.
  ///
  /// Flyway, half a second of start-up, is asked only then.
  ///
  /// @param kind of database: `sqlite` or `postgresql`
  /// @throws LedgerException when they are newer and do not allow this release
  void prepare(DataSource source, String where, String kind) throws SQLException {
    boolean isThere;
    try (Connection connection = source.getConnection()) {
      isThere = found(connection, where).filter(version -> version >= newest).isPresent();
    }
    if (!isThere) {
      migrate(source, where, kind);
    }
  }

  /// Checks that this release can read the tables.
  ///
  /// @throws LedgerException when there are none, or they do not allow this release
  void requireReadable(Connection connection, String where) throws SQLException {
    if (found(connection, where).filter(version -> version >= OLDEST_READABLE).isEmpty()) {
      throw new LedgerException(
          Kind.DAMAGED,
          "%s: not a ledger of this release; it has no tables of Gradus".formatted(where));
    }
  }

  /// The newest migration that was applied; empty: there are no tables.
  private Optional<Integer> found(Connection connection, String where) throws SQLException {
    if (!hasTable(connection, "gradus_schema")) {
      return Optional.empty();
    }
    var versions = new TreeSet<Integer>();
    try (Statement statement = connection.createStatement();
        ResultSet rows =
            statement.executeQuery("select version from gradus_schema where success")) {
      while (rows.next()) {
        @Nullable String version = rows.getString(1);
        if (version != null) {
          versions.add(Integer.parseInt(version));
        }
      }
    }
    if (versions.isEmpty()) {
      return Optional.of(0);
    }
    requireAllowed(connection, where, versions);
    return Optional.of(versions.last());
  }

  private void requireAllowed(Connection connection, String where, TreeSet<Integer> versions)
      throws SQLException {
    var unknown = versions.tailSet(newest, false);
    if (unknown.isEmpty()) {
      return;
    }
    Map<Integer, Integer> oldestProgram = oldestPrograms(connection);
    for (int version : unknown) {
      int needed = oldestProgram.getOrDefault(version, version);
      if (needed > newest) {
        throw new LedgerException(
            Kind.NEWER,
            ("%s: the ledger was written by a newer release: its schema %d needs a program that"
                    + " knows schema %d, and this one knows %d; use the newer release")
                .formatted(where, version, needed, newest));
      }
    }
  }

  private static Map<Integer, Integer> oldestPrograms(Connection connection) throws SQLException {
    var oldest = new HashMap<Integer, Integer>();
    if (hasTable(connection, "schema_compatibility")) {
      try (Statement statement = connection.createStatement();
          ResultSet rows =
              statement.executeQuery(
                  "select schema_version, oldest_program from schema_compatibility")) {
        while (rows.next()) {
          oldest.put(rows.getInt(1), rows.getInt(2));
        }
      }
    }
    return oldest;
  }

  private static boolean hasTable(Connection connection, String name) throws SQLException {
    try (ResultSet tables = connection.getMetaData().getTables(null, null, name, null)) {
      return tables.next();
    }
  }

  private void migrate(DataSource source, String where, String kind) {
    try {
      Flyway.configure()
          .dataSource(source)
          .locations(MIGRATIONS, MIGRATIONS + "_" + kind)
          .target(Integer.toString(newest))
          .table("gradus_schema")
          .loggers("slf4j")
          .load()
          .migrate();
    } catch (FlywayException failure) {
      throw new LedgerException(
          Kind.DAMAGED,
          "%s: its tables cannot be brought to this release: %s"
              .formatted(where, failure.getMessage()),
          failure);
    }
  }
}
