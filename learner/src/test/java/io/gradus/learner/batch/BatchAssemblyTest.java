package io.gradus.learner.batch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import io.gradus.learner.Batches;
import io.gradus.learner.FakeBatch;
import io.gradus.learner.v1.StreamBatchesResponse;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class BatchAssemblyTest {

  private final FakeBatch batch = Batches.replay(4, 3, header -> header);

  @Test
  void isWholeWithItsLastPartAndNotBefore() {
    var assembly = new BatchAssembly(4);
    int messages = batch.messages().size();

    for (StreamBatchesResponse message : batch.messages().subList(0, messages - 1)) {
      assertThat(assembly.accept(message)).isEmpty();
      assertThat(assembly.next()).isEqualTo(4);
    }
    Optional<BatchAssembly.Assembled> whole = assembly.accept(batch.messages().getLast());

    assertThat(whole).isPresent();
    assertThat(whole.orElseThrow().payloads()).containsOnlyKeys(4000L, 4001L, 4002L);
    assertThat(assembly.next()).isEqualTo(5);
    assertThat(assembly.accept(Batches.gold(5, header -> header).messages().getFirst()))
        .as("gold is whole with its header")
        .isPresent();
  }

  @Test
  void refusesABatchOutOfOrder() {
    var assembly = new BatchAssembly(5);

    assertThatIllegalStateException()
        .isThrownBy(() -> assembly.accept(batch.messages().getFirst()))
        .withMessageContaining("batch 4 begins but 5 is next");
  }

  @Test
  void refusesABatchThatBeginsInsideAnother() {
    var assembly = new BatchAssembly(4);
    assembly.accept(batch.messages().getFirst());

    assertThatIllegalStateException()
        .isThrownBy(() -> assembly.accept(batch.messages().getFirst()))
        .withMessageContaining("before batch 4 is whole");
  }

  @Test
  void refusesAFrameThatBelongsToNoBatch() {
    var assembly = new BatchAssembly(4);

    assertThatIllegalStateException()
        .isThrownBy(() -> assembly.accept(batch.messages().get(1)))
        .withMessageContaining("does not belong here");
  }

  @Test
  void refusesMorePayloadThanTheHeaderSays() {
    var assembly = new BatchAssembly(4);
    FakeBatch shorter = batch.with(batch.header().toBuilder().setPayloadBytes(50).build());
    assembly.accept(shorter.messages().getFirst());
    assembly.accept(shorter.messages().get(1));

    assertThatIllegalStateException()
        .isThrownBy(() -> assembly.accept(shorter.messages().get(2)))
        .withMessageContaining("not wanted");
  }

  @Test
  void refusesAHeaderThatWouldNotFitIntoMemory() {
    var assembly = new BatchAssembly(4);
    FakeBatch huge = batch.with(batch.header().toBuilder().setPayloadBytes(1L << 50).build());

    assertThatIllegalStateException().isThrownBy(() -> assembly.accept(huge.messages().getFirst()));
  }
}
