package io.gradus.core.retry;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class DiagnosisTest {

  @Test
  void asksWhatAPersonWouldLookAtFirst() {
    assertThat(Diagnosis.hinted("UNAVAILABLE: io exception (Connection refused)"))
        .isEqualTo(
            "UNAVAILABLE: io exception (Connection refused); nothing listens there: is a"
                + " coordinator running, on this port?");
    assertThat(Diagnosis.hinted("(First received frame was not SETTINGS. Hex dump …)"))
        .endsWith("is this the port of the coordinator?");
    assertThat(Diagnosis.hinted("UNIMPLEMENTED: Method not found: a.B/c"))
        .endsWith("is this the port of the coordinator?");
  }

  @Test
  void leavesOtherFailuresAsTheyAre() {
    assertThat(Diagnosis.hinted("DEADLINE_EXCEEDED")).isEqualTo("DEADLINE_EXCEEDED");
  }
}
