package io.gradus.coordinator.ledger;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.InputStream;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.sql.DriverManager;
import java.time.Clock;
import java.util.HexFormat;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The rules that migrations hold to.
class SchemaTest {

  /// Migrations by which ledgers out there were made: what is written here never changes.
  private static final Map<String, String> RELEASED =
      Map.of(
          "V1__ledger.sql", "24e1d905bf7478cadceb5fcc91817494131fb82bf9ae884637e5fb104d8a5717",
          "V2__cluster_lease.sql",
              "1286247794b2132857a82bb4cea57b319fdd99b91dce5af95afc0238046ee20e");

  @TempDir private Path directory;

  @Test
  void leavesReleasedMigrationsAsTheyAre() throws Exception {
    for (var released : RELEASED.entrySet()) {
      try (InputStream file = Schema.class.getResourceAsStream("migration/" + released.getKey())) {
        assertThat(file).as(released.getKey()).isNotNull();
        byte[] digest = MessageDigest.getInstance("SHA-256").digest(file.readAllBytes());
        assertThat(HexFormat.of().formatHex(digest))
            .as("%s is in ledgers already: write another migration", released.getKey())
            .isEqualTo(released.getValue());
      }
    }
  }

  @Test
  void saysOfEachMigrationWhichProgramsMayGoOn() throws Exception {
    Path file = directory.resolve("ledger.db");
    Ledger.open(LedgerConfig.sqlite(file), Clock.systemUTC(), System::nanoTime).close();
    var oldestPrograms = new TreeMap<Integer, Integer>();
    try (var connection = DriverManager.getConnection("jdbc:sqlite:" + file);
        var statement = connection.createStatement();
        var rows = statement.executeQuery("select * from schema_compatibility")) {
      while (rows.next()) {
        oldestPrograms.put(rows.getInt(1), rows.getInt(2));
      }
    }

    for (int version = 3; version <= Schema.CURRENT.newest(); version++) {
      assertThat(oldestPrograms.get(version))
          .as("what migration %d says: a release never keeps the one before it out", version)
          .isNotNull()
          .isLessThanOrEqualTo(LedgerContract.PREVIOUS_RELEASE);
    }
    assertThat(oldestPrograms.lastKey())
        .as("the newest migration that there is")
        .isEqualTo(Schema.CURRENT.newest());
  }
}
