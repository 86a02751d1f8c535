package io.gradus.coordinator.ledger;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.gradus.coordinator.ledger.LedgerException.Kind;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Clock;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SqliteLedgerTest extends LedgerContract {

  @TempDir private Path directory;

  @Override
  LedgerConfig config() {
    return LedgerConfig.sqlite(file());
  }

  private Path file() {
    return directory.resolve("ledger.db");
  }

  private LedgerException refusal() {
    LedgerException refusal =
        catchThrowableOfType(
            LedgerException.class,
            () -> Ledger.open(config(), Clock.systemUTC(), System::nanoTime).close());
    assertThat(refusal).as("the ledger was opened").isNotNull();
    return refusal;
  }

  @Test
  void refusesASecondWriterAndLetsReadersIn() throws Exception {
    Ledger ledger = open();
    submit(ledger, "run-1", "spec");

    assertThat(refusal().kind()).isEqualTo(Kind.IN_USE);
    assertThat(refusal()).hasMessageContaining("another process writes to this ledger");
    try (var reading = ReadOnlyLedger.open(config())) {
      assertThat(reading.reader().findRun("run-1")).isPresent();
    }
  }

  @Test
  void isFreeAgainOnceItWasClosed() throws Exception {
    Ledger ledger = open();
    submit(ledger, "run-1", "spec");
    ledger.close();

    Ledger again = open();

    assertThat(again.reader().findRun("run-1")).isPresent();
  }

  @Test
  void refusesAFileThatIsNoLedger() throws Exception {
    Files.writeString(
        file(), "this is no database at all, but it is longer than a header ".repeat(9));

    assertThat(refusal().kind()).isEqualTo(Kind.DAMAGED);
    assertThat(refusal()).hasMessageContaining("ledger.db: the ledger is damaged");
  }

  @Test
  void refusesALedgerWithDamagedPages() throws Exception {
    Ledger ledger = open();
    for (int run = 0; run < 50; run++) {
      submit(ledger, "run-" + run, "spec ".repeat(300));
    }
    ledger.close();
    byte[] bytes = Files.readAllBytes(file());
    Arrays.fill(bytes, 4096 * 3, bytes.length - 4096, (byte) 0x5a);
    Files.write(file(), bytes, StandardOpenOption.TRUNCATE_EXISTING);

    assertThat(refusal().kind()).isEqualTo(Kind.DAMAGED);
  }

  @Test
  void refusesATruncatedLedger() throws Exception {
    Ledger ledger = open();
    for (int run = 0; run < 50; run++) {
      submit(ledger, "run-" + run, "spec ".repeat(300));
    }
    ledger.close();
    byte[] bytes = Files.readAllBytes(file());
    Files.write(file(), Arrays.copyOf(bytes, 4096 * 5), StandardOpenOption.TRUNCATE_EXISTING);

    assertThat(refusal().kind()).isEqualTo(Kind.DAMAGED);
  }

  @Test
  void refusesADirectoryThatIsNotThere() {
    LedgerException refusal =
        catchThrowableOfType(
            LedgerException.class,
            () ->
                Ledger.open(
                    LedgerConfig.sqlite(directory.resolve("absent/ledger.db")),
                    Clock.systemUTC(),
                    System::nanoTime));

    assertThat(refusal.kind()).isEqualTo(Kind.UNAVAILABLE);
    assertThat(refusal).hasMessageContaining("cannot be written");
  }

  @Test
  void refusesWhatIsNotDurable() {
    assertThat(
            catchThrowableOfType(
                IllegalArgumentException.class,
                () -> LedgerConfig.postgres("jdbc:sqlite::memory:", "", "")))
        .hasMessageContaining("not durable");
    assertThat(
            catchThrowableOfType(
                IllegalArgumentException.class,
                () -> LedgerConfig.postgres("jdbc:h2:mem:x", "", "")))
        .hasMessageContaining("must begin with");
  }

  @Test
  void enforcesAWriteAheadLogWithFullSync() throws Exception {
    open();

    assertThat(List.of(Files.exists(directory.resolve("ledger.db-wal")))).containsExactly(true);
  }
}
