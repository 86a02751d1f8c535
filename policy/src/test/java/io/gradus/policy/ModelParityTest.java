package io.gradus.policy;

import static io.gradus.policy.ParityCases.expected;
import static io.gradus.policy.ParityCases.ints;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.offset;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import io.gradus.policy.DecoderPass.Purpose;
import io.gradus.policy.checkpoint.Safetensors;
import io.gradus.policy.sampling.Completion;
import io.gradus.policy.sampling.SampleKey;
import io.gradus.policy.sampling.Sampler;
import io.gradus.policy.sampling.SamplingParameters;
import io.gradus.policy.sampling.SamplingRequest;
import io.gradus.policy.training.LossValue;
import io.gradus.policy.training.OptimizerConfig;
import io.gradus.policy.training.StepResult;
import io.gradus.policy.training.TokenLoss;
import io.gradus.policy.training.TokenScorer;
import io.gradus.policy.training.Trainer;
import io.gradus.policy.training.TrainingRow;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.IntStream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// Compares with numbers that transformers and torch computed for the same checkpoints; tolerances
/// are those that the README of the fixtures advises from a comparison of fp32 with fp64.
@SuppressWarnings("NullAway") // Of JSON, which says what is missing by itself.
class ModelParityTest {

  static List<Path> models() throws IOException {
    return ParityCases.models();
  }

  @ParameterizedTest
  @MethodSource("models")
  void givesTheSameLogits(Path model) throws IOException {
    try (Decoder decoder = Decoder.load(model);
        Safetensors file = Safetensors.open(model.resolve("expected.safetensors"))) {
      int cases = expected(model).get("cases").size();
      for (int i = 0; i < cases; i++) {
        String name = "case" + i;
        int[] row = ints(file, name + ".ids");

        double[][] logits = logits(decoder, row);

        float[] wanted = ParityCases.floats(file, name + ".logits");
        assertClose(name, logits, wanted, 0);
      }
      assertThat(cases).isPositive();
    }
  }

  @ParameterizedTest
  @MethodSource("models")
  void givesTheSameLogitsWithoutPadding(Path model) throws IOException {
    try (Decoder decoder = Decoder.load(model);
        Safetensors file = Safetensors.open(model.resolve("expected.safetensors"))) {
      int width = (int) ParityCases.shapeOf(file, "padded.ids")[1];
      int[] ids = ints(file, "padded.ids");
      int[] mask = ints(file, "padded.attention_mask");
      float[] wanted = ParityCases.floats(file, "padded.logits");
      for (int begin = 0; begin < ids.length; begin += width) {
        int first = begin;
        while (mask[first] == 0) {
          first++;
        }

        double[][] logits = logits(decoder, Arrays.copyOfRange(ids, first, begin + width));

        assertClose("row at " + begin, logits, wanted, first * decoder.config().vocabSize());
      }
    }
  }

  private static double[][] logits(Decoder decoder, int[] row) {
    try (FusedWeights weights = decoder.fused();
        var _ = new PointerScope()) {
      PackedRows packed = PackedRows.of(decoder.config(), List.of(row), new int[] {0});
      Tensor logits = weights.logits(new DecoderPass(weights, packed, Purpose.INFERENCE).forward());
      int width = decoder.config().vocabSize();
      double[] flat = ReferenceDecoder.doubles(logits);
      var result = new double[row.length][];
      Arrays.setAll(result, t -> Arrays.copyOfRange(flat, t * width, (t + 1) * width));
      return result;
    }
  }

  private static void assertClose(String what, double[][] logits, float[] wanted, int from) {
    double largest = 0;
    int at = from;
    for (double[] row : logits) {
      for (double logit : row) {
        largest = Math.max(largest, Math.abs(logit - wanted[at++]));
      }
    }
    assertThat(largest).as(what).isLessThan(1e-4);
  }

  @ParameterizedTest
  @MethodSource("models")
  void givesTheSameLogprobsAndEntropies(Path model) throws IOException {
    try (Decoder decoder = Decoder.load(model)) {
      for (JsonNode one : expected(model).get("cases")) {
        int[] prompt = ints(one.get("prompt_ids"));
        int[] continuation = ints(one.get("continuation_ids"));
        int[] all = IntStream.concat(IntStream.of(prompt), IntStream.of(continuation)).toArray();
        List<float[]> scores =
            new TokenScorer(decoder, 1000)
                .score(
                    List.of(
                        TrainingRow.of(all, prompt.length, 1),
                        TrainingRow.of(all, prompt.length, 0.7)));
        double[][] logits = logits(decoder, all);

        double sum = 0;
        for (int t = 0; t < continuation.length; t++) {
          assertThat((double) scores.get(0)[t])
              .isCloseTo(one.get("continuation_logprobs").get(t).asDouble(), within(5e-5));
          assertThat((double) scores.get(1)[t])
              .isCloseTo(one.get("continuation_logprobs_t0_7").get(t).asDouble(), within(5e-5));
          assertThat(entropy(logits[prompt.length - 1 + t]))
              .isCloseTo(one.get("continuation_entropy").get(t).asDouble(), within(5e-5));
          sum += scores.get(0)[t];
        }
        assertThat(sum).isCloseTo(one.get("sequence_logprob_t1").asDouble(), within(2e-4));
        assertThat(largest(logits[prompt.length - 1], one.get("top5_ids").size()))
            .containsExactly(ints(one.get("top5_ids")));
      }
    }
  }

  private static double entropy(double[] logits) {
    double greatest = Arrays.stream(logits).max().orElseThrow();
    double total = Arrays.stream(logits).map(logit -> Math.exp(logit - greatest)).sum();
    return Arrays.stream(logits)
        .map(logit -> {
          double logp = logit - greatest - Math.log(total);
          return -Math.exp(logp) * logp;
        })
        .sum();
  }

  private static int[] largest(double[] logits, int count) {
    return IntStream.range(0, logits.length)
        .boxed()
        .sorted((a, b) -> Double.compare(logits[b], logits[a]))
        .limit(count)
        .mapToInt(Integer::intValue)
        .toArray();
  }

  @ParameterizedTest
  @MethodSource("models")
  void continuesGreedilyWithTheSameTokens(Path model) throws IOException {
    JsonNode expected = expected(model);
    var requests = new ArrayList<SamplingRequest>();
    var wanted = new ArrayList<int[]>();
    var logprobs = new ArrayList<JsonNode>();
    for (JsonNode one : expected.get("cases")) {
      requests.add(request(ints(one.get("prompt_ids"))));
      wanted.add(ints(one.get("greedy_24")));
      logprobs.add(one.get("greedy_24_logprobs"));
    }
    for (int[] prompt : paddedPrompts(model)) {
      requests.add(request(prompt));
    }
    for (JsonNode row : expected.get("padded_batch").get("greedy_24")) {
      wanted.add(ints(row));
    }
    try (Decoder decoder = ParityCases.decoderEndingAt(model, neverIn(wanted));
        var sampler = new Sampler(decoder)) {
      List<Completion> completions =
          sampler.sample(requests, SamplingParameters.greedy(), () -> false);

      for (int i = 0; i < requests.size(); i++) {
        assertThat(completions.get(i).tokenIds()).containsExactly(wanted.get(i));
        for (int t = 0; i < logprobs.size() && t < logprobs.get(i).size(); t++) {
          assertThat((double) completions.get(i).logprobs()[t])
              .isCloseTo(logprobs.get(i).get(t).asDouble(), within(5e-5));
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("models")
  void endsGreedilyAtTheSameToken(Path model) throws IOException {
    for (JsonNode one : expected(model).get("cases")) {
      int[] ids = ints(one.path("greedy_eos").path("ids"));
      if (ids.length == 0) {
        continue;
      }
      try (Decoder decoder = ParityCases.decoderEndingAt(model, ids[ids.length - 1]);
          var sampler = new Sampler(decoder)) {
        List<Completion> completions =
            sampler.sample(
                List.of(request(ints(one.get("prompt_ids")))),
                SamplingParameters.greedy(),
                () -> false);

        assertThat(completions.getFirst().tokenIds()).containsExactly(ids);
      }
    }
  }

  private static SamplingRequest request(int[] prompt) {
    return new SamplingRequest(prompt, new SampleKey(0, 0, 0), 24);
  }

  private static int neverIn(List<int[]> rows) {
    Set<Integer> seen = new HashSet<>();
    rows.forEach(row -> Arrays.stream(row).forEach(seen::add));
    return IntStream.iterate(0, id -> id + 1)
        .filter(id -> !seen.contains(id))
        .findFirst()
        .orElse(0);
  }

  private static List<int[]> paddedPrompts(Path model) throws IOException {
    try (Safetensors file = Safetensors.open(model.resolve("expected.safetensors"))) {
      int width = (int) ParityCases.shapeOf(file, "padded.ids")[1];
      int[] ids = ints(file, "padded.ids");
      int[] mask = ints(file, "padded.attention_mask");
      var prompts = new ArrayList<int[]>();
      for (int begin = 0; begin < ids.length; begin += width) {
        int[] kept = IntStream.range(begin, begin + width).filter(i -> mask[i] == 1).toArray();
        prompts.add(IntStream.of(kept).map(i -> ids[i]).toArray());
      }
      return prompts;
    }
  }

  @ParameterizedTest
  @MethodSource("models")
  void trainsToTheSameWeights(Path model) throws IOException {
    JsonNode train = expected(model).get("train");
    JsonNode settings = train.get("optimizer");
    List<TrainingRow> rows = trainingRows(model);
    TokenLoss loss =
        leaves -> LossValue.of(leaves.logp().sum().mul(new Scalar(-1.0 / leaves.batchTokens())));
    var config =
        new OptimizerConfig(
            settings.get("betas").get(0).asDouble(),
            settings.get("betas").get(1).asDouble(),
            settings.get("eps").asDouble(),
            settings.get("weight_decay").asDouble(),
            settings.get("clip_global_norm").asDouble());
    Decoder trained = Decoder.load(model);
    try (var trainer = new Trainer(trained, config, 2)) {
      for (int step = 0; step < 3; step++) {
        StepResult result = trainer.step(rows, loss, settings.get("lr").asDouble());

        assertThat(result.tokens()).isEqualTo(train.get("tokens").asLong());
        assertThat(result.loss())
            .isCloseTo(
                train.get("loss_per_step").get(step).asDouble(), within(step == 0 ? 2e-5 : 1e-4));
        double norm = train.get("global_grad_norm_before_clip").get(step).asDouble();
        assertThat(result.gradientNorm()).isCloseTo(norm, offset(1e-5 * norm));
        if (step == 0) {
          hasGradients(trained, train, config, result);
        }
      }
      hasWeights(trained, train);
    }
  }

  private static void hasGradients(
      Decoder trained, JsonNode train, OptimizerConfig config, StepResult result) {
    double shrink = Math.min(1, config.gradientClip() / (result.gradientNorm() + 1e-6));
    for (JsonNode parameter : train.get("parameters")) {
      double[] gradient = values(trained.gradients().byName(), parameter);
      double norm = parameter.get("grad_l2").asDouble();
      assertThat(norm(gradient) / shrink)
          .as(parameter.get("name").asText())
          .isCloseTo(norm, offset(1e-5 * norm + 1e-7));
      for (int e = 0; e < parameter.get("entry_index").size(); e++) {
        double wanted = parameter.get("entry_grad").get(e).asDouble();
        assertThat(gradient[parameter.get("entry_index").get(e).asInt()] / shrink)
            .as(parameter.get("name").asText())
            .isCloseTo(wanted, offset(1e-6 + 1e-4 * Math.abs(wanted)));
      }
    }
  }

  private static void hasWeights(Decoder trained, JsonNode train) {
    var names = new ArrayList<String>();
    for (JsonNode parameter : train.get("parameters")) {
      names.add(parameter.get("name").asText());
      double[] weights = values(trained.parameters(), parameter);
      double norm = parameter.get("after_l2").asDouble();
      assertThat(norm(weights))
          .as(parameter.get("name").asText())
          .isCloseTo(norm, offset(1e-5 * norm));
      for (int e = 0; e < parameter.get("entry_index").size(); e++) {
        assertThat(weights[parameter.get("entry_index").get(e).asInt()])
            .as(parameter.get("name").asText())
            .isCloseTo(parameter.get("entry_after").get(e).asDouble(), within(2e-6));
      }
    }
    assertThat(trained.parameters().keySet()).containsExactlyElementsOf(names);
  }

  private static double norm(double[] values) {
    return Math.sqrt(Arrays.stream(values).map(value -> value * value).sum());
  }

  private static double[] values(Map<String, Tensor> tensors, JsonNode parameter) {
    String name = parameter.get("name").asText();
    Tensor tensor = tensors.get(name);
    assertThat(tensor).as(name).isNotNull();
    return tensor == null ? new double[0] : ReferenceDecoder.doubles(tensor);
  }

  /// The rows of the fixture without their padding.
  private static List<TrainingRow> trainingRows(Path model) throws IOException {
    try (Safetensors file = Safetensors.open(model.resolve("expected.safetensors"))) {
      int width = (int) ParityCases.shapeOf(file, "train.ids")[1];
      int[] ids = ints(file, "train.ids");
      int[] attention = ints(file, "train.attention_mask");
      int[] loss = ints(file, "train.loss_mask");
      var rows = new ArrayList<TrainingRow>();
      for (int begin = 0; begin < ids.length; begin += width) {
        int[] kept = IntStream.range(begin, begin + width).filter(i -> attention[i] == 1).toArray();
        var mask = new boolean[kept.length];
        for (int t = 0; t < kept.length; t++) {
          mask[t] = loss[kept[t]] == 1;
        }
        rows.add(new TrainingRow(IntStream.of(kept).map(i -> ids[i]).toArray(), mask, 1));
      }
      return rows;
    }
  }
}
