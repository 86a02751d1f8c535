package io.gradus.learner.objective;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.gradus.learner.objective.Leaves.Evaluated;
import io.gradus.policy.training.TrainingRow;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/// Against numbers that verl and trl computed; see the README beside them.
class ObjectivesGoldenTest {

  /// fp32 on both sides.
  private static final double TOLERANCE = 1e-5;

  static Stream<Arguments> verlLosses() {
    return cases("verl-policy-losses.json");
  }

  static Stream<Arguments> trlLosses() {
    return cases("trl-losses.json");
  }

  static Stream<Arguments> verlAdvantages() {
    return cases("verl-advantages.json");
  }

  static Stream<Arguments> trlAdvantages() {
    return cases("trl-advantages.json");
  }

  static Stream<Arguments> verlKl() {
    return cases("verl-kl.json");
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("verlLosses")
  void clippedLossIsThatOfVerl(String id, JsonNode batch, JsonNode golden) {
    JsonNode params = golden.path("params");
    var grpo =
        new Grpo(params.path("clip_low").asDouble(), params.path("clip_high").asDouble(), false, 0);
    var rows = new Rows(batch, "response_mask");

    Evaluated found =
        Leaves.evaluate(
            grpo.loss(rows.examples(batch.path("old_log_prob"), batch.path("advantages"))),
            rows.masked(batch.path("log_prob")),
            rows.masked(batch.path("log_prob")));

    JsonNode expected = golden.path("expected");
    assertThat(found.loss()).isCloseTo(expected.path("loss").asDouble(), within(TOLERANCE));
    assertSame(found.byLogprob(), rows.masked(expected.path("grad_log_prob")));
    assertThat(found.sums().getOrDefault("clipped", Double.NaN) / rows.tokens())
        .isCloseTo(
            expected.path("metrics").path("actor/pg_clipfrac").asDouble(), within(TOLERANCE));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("trlLosses")
  void clippedLossIsThatOfTrl(String id, JsonNode batch, JsonNode golden) {
    JsonNode params = golden.path("params");
    var grpo =
        new Grpo(
            params.path("epsilon_low").asDouble(),
            params.path("epsilon_high").asDouble(),
            false,
            params.path("entropy_coef").asDouble());
    var rows = new Rows(batch, "completion_mask");

    Evaluated found =
        Leaves.evaluate(
            grpo.loss(rows.examples(batch.path("old_per_token_logps"), batch.path("advantages"))),
            rows.masked(batch.path("per_token_logps")),
            rows.masked(batch.path("entropies")));

    JsonNode expected = golden.path("expected");
    assertThat(found.loss()).isCloseTo(expected.path("loss").asDouble(), within(TOLERANCE));
    assertSame(found.byLogprob(), rows.masked(expected.path("grad_per_token_logps")));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("verlAdvantages")
  void advantagesAreThoseOfVerl(String id, JsonNode batch, JsonNode golden) {
    boolean scale = golden.path("params").path("norm_adv_by_std_in_grpo").asBoolean();
    var groups = new LinkedHashMap<String, List<Integer>>();
    for (int row = 0; row < batch.path("index").size(); row++) {
      groups
          .computeIfAbsent(batch.path("index").get(row).asText(), _ -> new ArrayList<>())
          .add(row);
    }
    for (List<Integer> members : groups.values()) {
      if (members.size() == 1) {
        // verl gives a group of one its reward, we give it no signal: see Advantages.
        continue;
      }
      var rewardsG = new float[members.size()];
      for (int g = 0; g < rewardsG.length; g++) {
        for (JsonNode reward : batch.path("token_level_rewards").get(members.get(g))) {
          rewardsG[g] += (float) reward.asDouble();
        }
      }

      float[] advantagesG = Advantages.of(rewardsG, scale);

      for (int g = 0; g < rewardsG.length; g++) {
        JsonNode expected = golden.path("expected").path("advantages").get(members.get(g));
        JsonNode mask = batch.path("response_mask").get(members.get(g));
        for (int t = 0; t < mask.size(); t++) {
          if (mask.get(t).asInt() == 1) {
            assertThat((double) advantagesG[g])
                .isCloseTo(expected.get(t).asDouble(), within(TOLERANCE));
          }
        }
      }
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("trlAdvantages")
  void advantagesWithoutScalingAreThoseOfTrl(String id, JsonNode batch, JsonNode golden) {
    int size = golden.path("params").path("num_generations").asInt();
    JsonNode rewards = golden.path("rewards_per_func");
    for (int first = 0; first < rewards.size(); first += size) {
      var rewardsG = new float[size];
      for (int g = 0; g < size; g++) {
        rewardsG[g] = (float) rewards.get(first + g).get(0).asDouble();
      }

      float[] advantagesG = Advantages.of(rewardsG, false);

      for (int g = 0; g < size; g++) {
        double expected = golden.path("expected").path("advantages").get(first + g).asDouble();
        assertThat((double) advantagesG[g]).isCloseTo(expected, within(TOLERANCE));
      }
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("verlKl")
  void divergenceIsThatOfVerl(String id, JsonNode batch, JsonNode golden) {
    var rows = new Rows(batch, "response_mask");
    JsonNode zeros = new ObjectMapper().valueToTree(new double[batch.path("logprob").size()]);

    Evaluated found =
        Leaves.evaluate(
            new Grpo(0.2, 0.2, false, 0).loss(rows.examples(batch.path("logprob"), zeros)),
            rows.masked(batch.path("ref_logprob")),
            rows.masked(batch.path("ref_logprob")));

    double expected = 0;
    for (float[] row : rows.masked(golden.path("expected").path("kl"))) {
      for (float value : row) {
        expected += value;
      }
    }
    assertThat(found.sums().getOrDefault("kl", Double.NaN))
        .isCloseTo(expected, within(TOLERANCE * Math.max(1, expected)));
  }

  private static void assertSame(double[] found, List<float[]> expected) {
    int at = 0;
    for (float[] row : expected) {
      for (float value : row) {
        assertThat(found[at])
            .as("gradient %d", at)
            .isCloseTo(value, within(TOLERANCE * Math.max(1, Math.abs(value))));
        at++;
      }
    }
    assertThat(found).hasSize(at);
  }

  /// The rows of a fixture's batch, reduced to the tokens that its mask lets through.
  private static final class Rows {

    private final JsonNode mask;

    private Rows(JsonNode batch, String maskName) {
      mask = batch.path(maskName);
    }

    private long tokens() {
      return masked(mask).stream().mapToInt(row -> row.length).sum();
    }

    private List<float[]> masked(JsonNode tensor) {
      var rows = new ArrayList<float[]>();
      for (int row = 0; row < mask.size(); row++) {
        var values = new float[mask.get(row).size()];
        int count = 0;
        for (int t = 0; t < values.length; t++) {
          if (mask.get(row).get(t).asInt() == 1) {
            values[count++] = (float) tensor.get(row).get(t).asDouble();
          }
        }
        rows.add(java.util.Arrays.copyOf(values, count));
      }
      return rows;
    }

    /// @param advantages one a row, or one a token, alike over a row
    private List<Example> examples(JsonNode behavior, JsonNode advantages) {
      List<float[]> recorded = masked(behavior);
      var examples = new ArrayList<Example>();
      for (int row = 0; row < recorded.size(); row++) {
        JsonNode advantage = advantages.get(row);
        int tokens = recorded.get(row).length;
        var lossMask = new boolean[tokens + 2];
        java.util.Arrays.fill(lossMask, 1, tokens + 1, true);
        examples.add(
            new Example(
                new TrainingRow(new int[tokens + 2], lossMask, 1),
                (float) (advantage.isArray() ? advantage.get(0) : advantage).asDouble(),
                recorded.get(row)));
      }
      return examples;
    }
  }

  private static Stream<Arguments> cases(String file) {
    try (InputStream input =
        Objects.requireNonNull(
            ObjectivesGoldenTest.class.getResourceAsStream("/objectives/" + file), file)) {
      JsonNode fixture = new ObjectMapper().readTree(input);
      Map<String, JsonNode> inputs = new LinkedHashMap<>();
      fixture.path("inputs").properties().forEach(e -> inputs.put(e.getKey(), e.getValue()));
      return StreamSupport.stream(fixture.path("cases").spliterator(), false)
          .map(golden ->
              Arguments.of(
                  golden.path("id").asText(),
                  inputs.getOrDefault(golden.path("batch").asText(), golden),
                  golden));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
