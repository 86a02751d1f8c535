package io.gradus.core.worker;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class WorkerProtocolTest {

  @Test
  void understandsWorkersBetweenTheOldestAndItself() {
    assertThat(WorkerProtocol.standing(5, 3, 5)).isEqualTo(new WorkerProtocol.Standing.Same());
    assertThat(WorkerProtocol.standing(4, 3, 5)).isEqualTo(new WorkerProtocol.Standing.Older());
    assertThat(WorkerProtocol.standing(3, 3, 5)).isEqualTo(new WorkerProtocol.Standing.Older());
  }

  @Test
  void saysWhichSideIsToBeUpgraded() {
    assertThat(WorkerProtocol.standing(2, 3, 5))
        .isEqualTo(new WorkerProtocol.Standing.Unknown("upgrade the worker"));
    assertThat(WorkerProtocol.standing(6, 3, 5))
        .isInstanceOfSatisfying(
            WorkerProtocol.Standing.Unknown.class,
            unknown -> assertThat(unknown.remedy()).contains("upgrade the coordinators"));
  }
}
