package io.gradus.policy;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.offset;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
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
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/// Compares with numbers that transformers and torch computed for the same checkpoint; tolerances
/// are those that their README advises from a comparison of fp32 with fp64.
class LlamaGoldenTest {

  private static final Path MODEL = Path.of("src/test/resources/models/llama-gqa");

  private static Decoder decoder;
  private static JsonNode expected;

  @BeforeAll
  static void load() throws IOException {
    decoder = Decoder.load(MODEL);
    expected = new ObjectMapper().readTree(MODEL.resolve("expected.json").toFile());
  }

  @AfterAll
  static void close() {
    decoder.close();
  }

  @Test
  void givesTheSameLogits() throws IOException {
    try (Safetensors file = Safetensors.open(MODEL.resolve("expected.safetensors"));
        FusedWeights weights = decoder.fused();
        var _ = new PointerScope()) {
      for (int i = 0; i < expected.get("cases").size(); i++) {
        JsonNode one = expected.get("cases").get(i);
        int length = one.get("prompt_ids").size() + one.get("continuation_ids").size();
        int[] row = ints(file, "case" + i + ".ids", length);
        Tensor wanted = torch.zeros(row.length, decoder.config().vocabSize());
        file.copyTo("case" + i + ".logits", wanted);

        PackedRows packed = PackedRows.of(decoder.config(), List.of(row), new int[] {0});
        Tensor logits =
            weights.logits(new DecoderPass(weights, packed, Purpose.INFERENCE).forward());

        assertThat(logits.sub(wanted).abs().max().item_double()).isLessThan(1e-4);
      }
    }
  }

  @Test
  void givesTheSameLogprobs() {
    for (JsonNode one : expected.get("cases")) {
      int[] prompt = ints(one.get("prompt_ids"));
      int[] continuation = ints(one.get("continuation_ids"));
      int[] all = IntStream.concat(IntStream.of(prompt), IntStream.of(continuation)).toArray();

      List<float[]> scores =
          new TokenScorer(decoder, 1000)
              .score(
                  List.of(
                      TrainingRow.of(all, prompt.length, 1),
                      TrainingRow.of(all, prompt.length, 0.7)));

      for (int t = 0; t < continuation.length; t++) {
        assertThat((double) scores.get(0)[t])
            .isCloseTo(one.get("continuation_logprobs").get(t).asDouble(), within(5e-5));
        assertThat((double) scores.get(1)[t])
            .isCloseTo(one.get("continuation_logprobs_t0_7").get(t).asDouble(), within(5e-5));
      }
    }
  }

  @Test
  void continuesGreedilyWithTheSameTokens() {
    var requests = new ArrayList<SamplingRequest>();
    for (JsonNode one : expected.get("cases")) {
      requests.add(new SamplingRequest(ints(one.get("prompt_ids")), new SampleKey(0, 0, 0), 24));
    }
    try (var sampler = new Sampler(decoder)) {
      List<Completion> completions =
          sampler.sample(requests, SamplingParameters.greedy(), () -> false);

      for (int i = 0; i < requests.size(); i++) {
        JsonNode one = expected.get("cases").get(i);
        int[] ids = ints(one.get("greedy_24"));
        // The fixture did not stop at the EOS of the checkpoint; we do.
        int[] sampled = completions.get(i).tokenIds();
        for (int t = 0; t < sampled.length; t++) {
          assertThat(sampled[t]).isEqualTo(ids[t]);
          assertThat((double) completions.get(i).logprobs()[t])
              .isCloseTo(one.get("greedy_24_logprobs").get(t).asDouble(), within(5e-5));
        }
        boolean ended = sampled[sampled.length - 1] == decoder.config().vocabulary().eos();
        assertThat(ended || sampled.length == 24).isTrue();
      }
    }
  }

  @Test
  void trainsToTheSameWeights() throws IOException {
    JsonNode train = expected.get("train");
    JsonNode settings = train.get("optimizer");
    List<TrainingRow> rows = trainingRows();
    TokenLoss loss =
        leaves -> LossValue.of(leaves.logp().sum().mul(new Scalar(-1.0 / leaves.batchTokens())));
    var config =
        new OptimizerConfig(
            settings.get("betas").get(0).asDouble(),
            settings.get("betas").get(1).asDouble(),
            settings.get("eps").asDouble(),
            settings.get("weight_decay").asDouble(),
            train.get("optimizer").get("clip_global_norm").asDouble());
    Decoder trained = Decoder.load(MODEL);
    try (var trainer = new Trainer(trained, config, 2)) {
      for (int step = 0; step < 3; step++) {
        StepResult result = trainer.step(rows, loss, settings.get("lr").asDouble());

        assertThat(result.tokens()).isEqualTo(train.get("tokens").asLong());
        assertThat(result.loss())
            .isCloseTo(train.get("loss_per_step").get(step).asDouble(), within(2e-5));
        double norm = train.get("global_grad_norm_before_clip").get(step).asDouble();
        assertThat(result.gradientNorm()).isCloseTo(norm, offset(1e-5 * norm));
        if (step == 0) {
          double shrink = Math.min(1, config.gradientClip() / (result.gradientNorm() + 1e-6));
          for (JsonNode parameter : train.get("parameters")) {
            double[] gradient = values(trained.gradients().byName(), parameter);
            for (int e = 0; e < parameter.get("entry_index").size(); e++) {
              double wanted = parameter.get("entry_grad").get(e).asDouble();
              assertThat(gradient[parameter.get("entry_index").get(e).asInt()] / shrink)
                  .as(parameter.get("name").asText())
                  .isCloseTo(wanted, offset(1e-6 + 1e-4 * Math.abs(wanted)));
            }
          }
        }
      }
      for (JsonNode parameter : train.get("parameters")) {
        double[] weights = values(trained.parameters(), parameter);
        for (int e = 0; e < parameter.get("entry_index").size(); e++) {
          assertThat(weights[parameter.get("entry_index").get(e).asInt()])
              .as(parameter.get("name").asText())
              .isCloseTo(parameter.get("entry_after").get(e).asDouble(), within(2e-6));
        }
      }
    }
  }

  private static double[] values(Map<String, Tensor> tensors, JsonNode parameter) {
    String name = parameter.get("name").asText();
    Tensor tensor = tensors.get(name);
    assertThat(tensor).as(name).isNotNull();
    return tensor == null ? new double[0] : ReferenceDecoder.doubles(tensor);
  }

  /// The rows of the fixture without their padding.
  private static List<TrainingRow> trainingRows() throws IOException {
    try (Safetensors file = Safetensors.open(MODEL.resolve("expected.safetensors"))) {
      int[] ids = ints(file, "train.ids", 72);
      int[] attention = ints(file, "train.attention_mask", 72);
      int[] loss = ints(file, "train.loss_mask", 72);
      var rows = new ArrayList<TrainingRow>();
      for (int r = 0; r < 4; r++) {
        int begin = r * 18;
        int[] kept = IntStream.range(begin, begin + 18).filter(i -> attention[i] == 1).toArray();
        var mask = new boolean[kept.length];
        for (int t = 0; t < kept.length; t++) {
          mask[t] = loss[kept[t]] == 1;
        }
        rows.add(new TrainingRow(IntStream.of(kept).map(i -> ids[i]).toArray(), mask, 1));
      }
      return rows;
    }
  }

  private static int[] ints(JsonNode array) {
    var result = new int[array.size()];
    for (int i = 0; i < result.length; i++) {
      result[i] = array.get(i).asInt();
    }
    return result;
  }

  private static int[] ints(Safetensors file, String name, long count) throws IOException {
    try (var _ = new PointerScope()) {
      // Two of the arrays have rows; both shapes hold the same numbers in the same order.
      long[] shape = name.startsWith("train") ? new long[] {count / 18, 18} : new long[] {count};
      Tensor target = torch.zeros(shape, torch.dtype(torch.ScalarType.Int));
      file.copyTo(name, target);
      var result = new int[Math.toIntExact(count)];
      new IntPointer(target.data_ptr_int()).get(result);
      return result;
    }
  }
}
