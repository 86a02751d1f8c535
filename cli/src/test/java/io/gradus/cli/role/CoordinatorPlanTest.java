package io.gradus.cli.role;

import static org.assertj.core.api.Assertions.assertThat;

import io.gradus.config.v1.CoordinatorSettings;
import io.gradus.config.v1.Ledger;
import org.junit.jupiter.api.Test;

class CoordinatorPlanTest {

  @Test
  void handsOnHowManyPayloadsAreKeptWhereItIsSaid() {
    var ledger = Ledger.newBuilder().setJdbcUrl("jdbc:sqlite:ledger.db");

    assertThat(CoordinatorPlan.keys(CoordinatorSettings.newBuilder().setLedger(ledger).build()))
        .doesNotContainKey("ledger.payload-retention-groups");
    ledger.setPayloadRetentionGroups(1_000_000);
    assertThat(CoordinatorPlan.keys(CoordinatorSettings.newBuilder().setLedger(ledger).build()))
        .containsEntry("ledger.payload-retention-groups", 1_000_000L);
  }
}
