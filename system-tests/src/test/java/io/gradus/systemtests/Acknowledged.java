package io.gradus.systemtests;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.sql.SQLException;
import java.util.List;

/// What a witness heard, joined with the ledger: the ledger does not testify for itself.
public final class Acknowledged {

  private Acknowledged() {}

  /// Every acknowledgement that the witness has is in the ledger, which holds one run.
  public static void areIn(LedgerTables ledger, WitnessLog witness) throws SQLException {
    for (JsonNode line : witness.of("group")) {
      isIn(ledger, line);
    }
    String digest = ledger.hex("digest");
    for (JsonNode line : witness.of("batch")) {
      List<String> row =
          // What was applied may be rolled back and turn out to be poisonous the next time, or lie
          // beyond the last publication of a run that ended.
          ledger.rows(
              """
              select %s from batch
              where number = ?
                and (state <> 'VOID' or reason like 'failed in %%' or reason like '%%the run ended%%')\
              """
                  .formatted(digest),
              line.path("batch").asLong());
      assertThat(row).as(line.toString()).contains(line.path("sha256").asText());
    }
    for (JsonNode line : witness.of("version")) {
      assertThat(
              ledger.rows(
                  "select step from policy_version where version = ?",
                  line.path("version").asLong()))
          .as(line.toString())
          .containsExactly(line.path("step").asText());
    }
  }

  private static void isIn(LedgerTables ledger, JsonNode line) throws SQLException {
    long group = line.path("group").asLong();
    String admission = line.path("admission").asText();
    List<String> row =
        ledger.rows("select state, admitted_lease from rollout_group where group_id = ?", group);
    assertThat(row).as("group %d, acknowledged as %s", group, admission).hasSize(1);
    String state = row.getFirst().split(" ", 2)[0];
    switch (admission) {
      case "ADMISSION_ACCEPTED" ->
          assertThat(row.getFirst())
              .as("group %d", group)
              .matches("(ACCEPTED|TRAINED|STALE|CANCELLED|FAILED) " + line.path("lease").asLong());
      case "ADMISSION_FILTERED" -> assertThat(state).isEqualTo("FILTERED");
      case "ADMISSION_EVALUATED" -> assertThat(state).isEqualTo("EVALUATED");
      case "ADMISSION_STALE" -> assertThat(state).isEqualTo("STALE");
      default -> assertThat(state).isNotEmpty();
    }
  }

  /// No trajectory is in more batches than it may be.
  public static void areUsedAtMost(int maxUses, LedgerTables ledger) throws SQLException {
    assertThat(
            ledger.rows(
                """
                select group_id, member, count(*) from batch_use u join batch b
                  on b.number = u.number and b.binding = u.binding and b.state <> 'VOID'
                group by group_id, member having count(*) > %d\
                """
                    .formatted(maxUses)))
        .as("trajectories in more than max_uses batches")
        .isEmpty();
  }

  /// Every batch number below the newest that is not open has exactly one batch that was applied.
  public static void areAppliedOnce(LedgerTables ledger) throws SQLException {
    assertThat(
            ledger.rows(
                """
                select number, sum(case when state in ('APPLIED', 'SETTLED') then 1 else 0 end)
                from batch
                where number <= (select max(number) from batch where state in ('APPLIED', 'SETTLED'))
                group by number
                having sum(case when state in ('APPLIED', 'SETTLED') then 1 else 0 end) <> 1\
                """))
        .as("batch numbers without or with two applied batches")
        .isEmpty();
    long last =
        ledger.number(
            "select coalesce(max(number), 0) from batch where state in ('APPLIED', 'SETTLED')");
    assertThat(ledger.number("select count(distinct number) from batch where number <= ?", last))
        .as("batch numbers without holes")
        .isEqualTo(last);
  }
}
