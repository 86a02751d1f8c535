package io.gradus.policy.sampling;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import io.gradus.policy.Decoder;
import io.gradus.policy.ParityCases;
import io.gradus.policy.ReferenceDecoder;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// Compares with what transformers' warpers leave of the same distribution.
class TokenFilterParityTest {

  static List<Path> models() throws IOException {
    return ParityCases.models();
  }

  @ParameterizedTest
  @MethodSource("models")
  void keepsWhatTransformersKeeps(Path model) throws IOException {
    JsonNode expected = ParityCases.expected(model);
    int compared = 0;
    try (Decoder decoder = Decoder.load(model);
        var _ = new PointerScope()) {
      var reference = new ReferenceDecoder(decoder);
      for (JsonNode one : expected.get("cases")) {
        var prompt = new int[one.get("prompt_ids").size()];
        for (int t = 0; t < prompt.length; t++) {
          prompt[t] = one.get("prompt_ids").get(t).asInt();
        }
        for (JsonNode filter : one.path("sampling_filters")) {
          double temperature = filter.path("temperature").asDouble(1);
          double[] logprobs = reference.logprobs(prompt, temperature)[prompt.length - 1];
          var parameters =
              new SamplingParameters(
                  temperature,
                  filter.path("top_k").asInt(0),
                  filter.path("top_p").asDouble(1),
                  filter.path("min_p").asDouble(0));
          var floats = new float[logprobs.length];
          for (int v = 0; v < floats.length; v++) {
            floats[v] = (float) logprobs[v];
          }

          Tensor left = new TokenFilter(parameters).apply(Tensor.create(floats, 1, floats.length));

          double[] probabilities = ReferenceDecoder.doubles(left.softmax(-1));
          int kept = 0;
          for (double probability : probabilities) {
            kept += probability > 0 ? 1 : 0;
          }
          assertThat(kept).isEqualTo(filter.get("kept").asInt());
          for (int i = 0; i < filter.get("ids").size(); i++) {
            assertThat(probabilities[filter.get("ids").get(i).asInt()])
                .isCloseTo(filter.get("probs").get(i).asDouble(), within(1e-5));
          }
          compared++;
        }
      }
    }
    assertThat(compared).isPositive();
  }
}
