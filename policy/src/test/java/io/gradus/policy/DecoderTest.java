package io.gradus.policy;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.within;

import io.gradus.policy.DecoderPass.Purpose;
import java.util.List;
import java.util.stream.Stream;
import org.bytedeco.javacpp.PointerScope;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class DecoderTest {

  static Stream<ModelConfig> configs() {
    return Stream.of(
        ReferenceDecoder.smallConfig(16, 2, 4, true, PositionIds.DIGIT_COUPLED),
        ReferenceDecoder.smallConfig(16, 1, 2, false, PositionIds.DIGIT_COUPLED),
        ReferenceDecoder.smallConfig(20, 3, 1, true, PositionIds.SEQUENTIAL),
        ReferenceDecoder.smallConfig(1100, 2, 2, false, PositionIds.SEQUENTIAL),
        ReferenceDecoder.fullConfig(16, 2, 2),
        ReferenceDecoder.fullConfig(1100, 3, 1));
  }

  @ParameterizedTest
  @MethodSource("configs")
  void agreesWithPlainLoopsAtEverySelectedToken(ModelConfig config) {
    int vocabSize = config.vocabSize();
    int[] firstNeeded = {4, 3, 6, 0};
    try (Decoder decoder = ReferenceDecoder.decoderWithGains(config, 1);
        FusedWeights weights = decoder.fused();
        var _ = new PointerScope()) {
      var reference = new ReferenceDecoder(decoder);
      List<int[]> rows = ReferenceDecoder.rows();
      PackedRows packed = PackedRows.of(config, rows, firstNeeded);

      double[] logits =
          ReferenceDecoder.doubles(
              weights.logits(new DecoderPass(weights, packed, Purpose.INFERENCE).forward()));

      for (int r = 0; r < rows.size(); r++) {
        double[][] expected = reference.logits(rows.get(r));
        for (int t = firstNeeded[r]; t < rows.get(r).length; t++) {
          int at = packed.selectedIndex(r, t) * vocabSize;
          for (int v = 0; v < vocabSize; v++) {
            // Rounding of fp32 over a dozen operations on numbers near 1.
            assertThat(logits[at + v])
                .as("row %d position %d id %d", r, t, v)
                .isCloseTo(expected[t][v], within(2e-5));
          }
        }
      }
    }
  }

  @Test
  void givesTheSameBitsForTheSameSeed() {
    ModelConfig config = ReferenceDecoder.smallConfig(16, 2, 4, true, PositionIds.DIGIT_COUPLED);
    try (Decoder first = Decoder.initialize(config, new Initialization(0.1, true), 7);
        Decoder second = Decoder.initialize(config, new Initialization(0.1, true), 7);
        Decoder other = Decoder.initialize(config, new Initialization(0.1, true), 8)) {
      double[] bits = ReferenceDecoder.doubles(first.weights().flat());

      assertThat(ReferenceDecoder.doubles(second.weights().flat())).isEqualTo(bits);
      assertThat(ReferenceDecoder.doubles(other.weights().flat())).isNotEqualTo(bits);
    }
  }

  @Test
  void sharesWeightsButNotGradientsWithItsReplica() {
    ModelConfig config = ReferenceDecoder.smallConfig(16, 2, 4, true, PositionIds.DIGIT_COUPLED);
    try (Decoder decoder = Decoder.initialize(config, new Initialization(0.1, true), 7);
        Decoder source = Decoder.initialize(config, new Initialization(0.1, true), 8);
        Decoder replica = decoder.replica()) {
      decoder.copyFrom(source);

      assertThat(ReferenceDecoder.doubles(replica.weights().flat()))
          .isEqualTo(ReferenceDecoder.doubles(source.weights().flat()));
      assertThat(replica.weightsVersion()).isEqualTo(decoder.weightsVersion()).isPositive();
      assertThat(replica.gradients().flat().data_ptr().address())
          .isNotEqualTo(decoder.gradients().flat().data_ptr().address());
      assertThat(replica.weights().flat().data_ptr().address())
          .isEqualTo(decoder.weights().flat().data_ptr().address());
    }
  }

  @Test
  void namesAndShapesItsParametersAsTheConfigSays() {
    ModelConfig config = ReferenceDecoder.smallConfig(16, 2, 2, false, PositionIds.SEQUENTIAL);
    try (Decoder decoder = Decoder.zeros(config)) {
      assertThat(decoder.parameters().keySet())
          .containsExactlyElementsOf(config.parameterShapes().keySet());
      long count = 0;
      for (var entry : decoder.parameters().entrySet()) {
        count += entry.getValue().numel();
        assertThat(entry.getValue().sizes().vec().get())
            .as(entry.getKey())
            .containsExactly(
                config.parameterShapes().getOrDefault(entry.getKey(), List.of()).stream()
                    .mapToLong(size -> size)
                    .toArray());
      }
      assertThat(config.parameterCount()).isEqualTo(count);
    }
  }

  @Test
  void refusesIdsOutsideTheVocabularyAndRowsThatAreTooLong() {
    ModelConfig config = ReferenceDecoder.smallConfig(16, 1, 2, true, PositionIds.SEQUENTIAL);

    assertThatIllegalArgumentException()
        .isThrownBy(() -> PackedRows.of(config, List.of(new int[] {1, 16}), new int[] {0}))
        .withMessageContaining("token id 16 at position 1");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> PackedRows.of(config, List.of(new int[65]), new int[] {0}))
        .withMessageContaining("65 tokens");
  }
}
