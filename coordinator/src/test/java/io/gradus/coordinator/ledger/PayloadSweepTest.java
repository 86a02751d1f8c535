package io.gradus.coordinator.ledger;

import static org.assertj.core.api.Assertions.assertThat;

import io.gradus.coordinator.ledger.PayloadSweep.Step;
import java.util.List;
import org.junit.jupiter.api.Test;

class PayloadSweepTest {

  private static final long SPAN = PayloadPartition.SPAN;
  private static final PayloadPartition FIRST = PayloadPartition.of(7, 1);
  private static final PayloadPartition SECOND = PayloadPartition.of(7, SPAN);

  @Test
  void dropsAPartitionOnceAllOfItIsBelowTheFloor() {
    assertThat(PayloadSweep.next(0, SPAN - 1, List.of(FIRST, SECOND))).isEmpty();
    assertThat(PayloadSweep.next(0, SPAN, List.of(FIRST, SECOND))).contains(new Step.Drop(FIRST));
    assertThat(PayloadSweep.next(5, 2 * SPAN, List.of(FIRST, SECOND)))
        .contains(new Step.Drop(FIRST));
    assertThat(PayloadSweep.next(SPAN, 2 * SPAN, List.of(FIRST, SECOND)))
        .contains(new Step.Drop(SECOND));
    assertThat(PayloadSweep.next(SPAN, 2 * SPAN, List.of(SECOND))).contains(new Step.Drop(SECOND));
  }

  @Test
  void deletesSmallRangesOfWhatIsInNoPartition() {
    assertThat(PayloadSweep.next(1, 1024, List.of())).isEmpty();
    assertThat(PayloadSweep.next(1, 1025, List.of())).contains(new Step.Delete(1, 1025));
    assertThat(PayloadSweep.next(1025, 5000, List.of())).contains(new Step.Delete(1025, 2049));
    assertThat(PayloadSweep.next(SPAN - 10, 2 * SPAN, List.of(SECOND)))
        .as("up to the partition")
        .contains(new Step.Delete(SPAN - 10, SPAN));
    assertThat(PayloadSweep.next(2 * SPAN, 3 * SPAN, List.of(FIRST, SECOND)))
        .as("behind the partitions")
        .contains(new Step.Delete(2 * SPAN, 2 * SPAN + 1024));
  }

  @Test
  void namesPartitionsByRunAndGroups() {
    assertThat(FIRST.table()).isEqualTo("payload_7_0_" + SPAN);
    assertThat(SECOND).isEqualTo(new PayloadPartition(7, SPAN, 2 * SPAN));
  }
}
