package io.gradus.policy;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.within;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// Steps against plain loops over the whole rows, which know no cache.
class DecodingStateTest {

  /// Lengths of the prompts; the first two rows share one.
  private static final int[] LENGTHS = {2, 2, 2, 3, 5, 5, 5, 5, 5, 5, 5, 9};

  static Stream<ModelConfig> configs() {
    return Stream.of(
        ReferenceDecoder.smallConfig(16, 2, 4, true, PositionIds.DIGIT_COUPLED),
        ReferenceDecoder.smallConfig(16, 2, 2, true, PositionIds.SEQUENTIAL),
        ReferenceDecoder.smallConfig(20, 3, 1, true, PositionIds.SEQUENTIAL),
        ReferenceDecoder.smallConfig(1100, 1, 2, true, PositionIds.SEQUENTIAL),
        ReferenceDecoder.fullConfig(16, 2, 2),
        ReferenceDecoder.fullConfig(1100, 3, 1));
  }

  @ParameterizedTest
  @MethodSource("configs")
  void agreesWithPlainLoopsWhicheverRowsStay(ModelConfig config) {
    try (Decoder decoder = ReferenceDecoder.decoderWithGains(config, 5);
        FusedWeights weights = decoder.fused();
        var _ = new PointerScope()) {
      var rows = new Rows(config, new ReferenceDecoder(decoder));
      DecodingState.Prefill prefill =
          DecodingState.prefill(weights, rows.prompts, rows.promptOfRow);
      try (DecodingState state = prefill.state()) {
        rows.compare(prefill.logitsBV());
        rows.step(state);
        rows.step(state);

        // The last rows, as when shorter prompts have shorter answers: one run.
        rows.keep(state, IntStream.range(3, 12).toArray());
        rows.step(state);
        rows.keep(state, new int[] {0, 2, 3, 6, 8});
        rows.step(state);
        rows.keep(state, new int[] {0, 2});
        rows.step(state);
      }
    }
  }

  @Test
  void refusesShorterPromptsBehindLongerOnes() {
    ModelConfig config = ReferenceDecoder.smallConfig(16, 1, 2, true, PositionIds.SEQUENTIAL);
    List<int[]> prompts = List.of(new int[] {13, 1}, new int[] {13, 1, 2});
    try (Decoder decoder = ReferenceDecoder.decoderWithGains(config, 5);
        FusedWeights weights = decoder.fused();
        var _ = new PointerScope()) {
      assertThatIllegalArgumentException()
          .isThrownBy(() -> DecodingState.prefill(weights, prompts, new int[] {1, 0}))
          .withMessageContaining("shorter ones come first");
    }
  }

  /// What is decoded, row by row, with random tokens instead of sampled ones.
  private static final class Rows {

    private final ModelConfig config;
    private final ReferenceDecoder reference;
    private final SplittableRandom random = new SplittableRandom(8);
    private final List<int[]> prompts = new ArrayList<>();
    private final int[] promptOfRow = new int[LENGTHS.length];
    private List<int[]> rows = new ArrayList<>();

    Rows(ModelConfig config, ReferenceDecoder reference) {
      this.config = config;
      this.reference = reference;
      for (int row = 0; row < LENGTHS.length; row++) {
        if (row != 1) {
          var prompt = new int[LENGTHS[row]];
          Arrays.setAll(prompt, _ -> random.nextInt(16));
          prompts.add(prompt);
        }
        promptOfRow[row] = prompts.size() - 1;
        rows.add(prompts.getLast());
      }
    }

    void step(DecodingState state) {
      var ids = new long[rows.size()];
      var positions = new long[rows.size()];
      for (int i = 0; i < ids.length; i++) {
        int id = random.nextInt(16);
        int[] longer = Arrays.copyOf(rows.get(i), rows.get(i).length + 1);
        longer[longer.length - 1] = id;
        rows.set(i, longer);
        int position = 0;
        for (int t = 0; t < longer.length; t++) {
          position = PackedRows.nextPosition(config, longer[t], position, t);
        }
        ids[i] = id;
        positions[i] = position;
      }
      compare(state.step(ids, positions));
    }

    void keep(DecodingState state, int[] kept) {
      state.keep(kept);
      rows = new ArrayList<>(Arrays.stream(kept).mapToObj(rows::get).toList());
      assertThat(state.rows()).isEqualTo(rows.size());
    }

    void compare(Tensor logitsBV) {
      double[] logits = ReferenceDecoder.doubles(logitsBV);
      assertThat(logits).hasSize(rows.size() * config.vocabSize());
      for (int i = 0; i < rows.size(); i++) {
        double[] expected = reference.logits(rows.get(i))[rows.get(i).length - 1];
        for (int v = 0; v < expected.length; v++) {
          // Rounding of fp32 over a dozen operations on numbers near 1.
          assertThat(logits[i * expected.length + v])
              .as("row %d of %d tokens, id %d", i, rows.get(i).length, v)
              .isCloseTo(expected[v], within(2e-5));
        }
      }
    }
  }
}
