package io.gradus.policy.sampling;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.within;

import io.gradus.policy.Decoder;
import io.gradus.policy.ModelConfig;
import io.gradus.policy.PositionIds;
import io.gradus.policy.ReferenceDecoder;
import io.gradus.policy.training.TokenScorer;
import io.gradus.policy.training.TrainingRow;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.SplittableRandom;
import java.util.concurrent.CancellationException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

class SamplerTest {

  private static final int MAX_TOKENS = 40;

  private final Decoder decoder =
      ReferenceDecoder.decoderWithGains(
          ReferenceDecoder.smallConfig(16, 2, 2, true, PositionIds.DIGIT_COUPLED), 11);

  @AfterEach
  void close() {
    decoder.close();
  }

  @ParameterizedTest
  @EnumSource
  void recordsTheLogprobsThatAPassWithoutCacheGives(PositionIds positionIds) {
    ModelConfig config = ReferenceDecoder.smallConfig(16, 2, 2, true, positionIds);
    try (Decoder other = ReferenceDecoder.decoderWithGains(config, 12);
        var sampler = new Sampler(other)) {
      var reference = new ReferenceDecoder(other);
      var parameters = SamplingParameters.unfiltered(0.8);
      List<SamplingRequest> requests = requests();

      List<Completion> completions = sampler.sample(requests, parameters, () -> false);

      var rows = new ArrayList<TrainingRow>();
      for (int i = 0; i < requests.size(); i++) {
        int[] prompt = requests.get(i).promptIds();
        int[] all =
            IntStream.concat(IntStream.of(prompt), IntStream.of(completions.get(i).tokenIds()))
                .toArray();
        rows.add(TrainingRow.of(all, prompt.length, 0.8));
        double[][] logprobs = reference.logprobs(all, 0.8);
        for (int t = prompt.length; t < all.length; t++) {
          assertThat((double) completions.get(i).logprobs()[t - prompt.length])
              .isCloseTo(logprobs[t - 1][all[t]], within(5e-5));
        }
      }
      List<float[]> scores = new TokenScorer(other, 4096).score(rows);
      for (int i = 0; i < requests.size(); i++) {
        for (int t = 0; t < scores.get(i).length; t++) {
          assertThat(scores.get(i)[t]).isCloseTo(completions.get(i).logprobs()[t], within(1e-4f));
        }
      }
      assertThat(completions.stream().mapToInt(c -> c.tokenIds().length).max().orElse(0))
          .as("long enough for the cache to grow")
          .isGreaterThan(33);
    }
  }

  @Test
  void givesARequestTheSameTokensWhateverIsSampledBesideIt() {
    List<SamplingRequest> requests = requests();
    var parameters = SamplingParameters.unfiltered(1);
    try (var sampler = new Sampler(decoder);
        var narrow = new Sampler(decoder, 3)) {
      List<int[]> together = ids(sampler.sample(requests, parameters, () -> false));

      var alone = new ArrayList<int[]>();
      for (SamplingRequest request : requests) {
        alone.addAll(ids(sampler.sample(List.of(request), parameters, () -> false)));
      }
      var shuffled = new ArrayList<>(IntStream.range(0, requests.size()).boxed().toList());
      Collections.shuffle(shuffled, new Random(1));
      List<int[]> otherOrder =
          ids(
              narrow.sample(
                  shuffled.stream().map(requests::get).toList(), parameters, () -> false));

      for (int i = 0; i < requests.size(); i++) {
        assertThat(alone.get(i)).isEqualTo(together.get(i));
        assertThat(otherOrder.get(shuffled.indexOf(i))).isEqualTo(together.get(i));
      }
    }
  }

  @Test
  void givesMembersOfAGroupDifferentCompletions() {
    try (var sampler = new Sampler(decoder)) {
      var requests = new ArrayList<SamplingRequest>();
      for (int member = 0; member < 16; member++) {
        requests.add(
            new SamplingRequest(new int[] {13, 1, 10, 2, 11}, new SampleKey(1, 7, member), 12));
      }

      List<int[]> found =
          ids(sampler.sample(requests, SamplingParameters.unfiltered(4), () -> false));

      assertThat(found.stream().map(Arrays::toString).distinct().count()).isGreaterThan(12);
    }
  }

  @Test
  void drawsTokensAsOftenAsTheirProbabilitySays() {
    int[] prompt = {13, 1, 10, 2, 11};
    double[] logprobs = new ReferenceDecoder(decoder).logprobs(prompt, 1.5)[prompt.length - 1];
    int draws = 20_000;
    var requests = new ArrayList<SamplingRequest>();
    for (int i = 0; i < draws; i++) {
      requests.add(new SamplingRequest(prompt, new SampleKey(3, i / 8, i % 8), 1));
    }
    var counts = new int[logprobs.length];
    try (var sampler = new Sampler(decoder)) {
      for (Completion completion :
          sampler.sample(requests, SamplingParameters.unfiltered(1.5), () -> false)) {
        counts[completion.tokenIds()[0]]++;
      }
    }

    double chiSquare = 0;
    for (int v = 0; v < counts.length; v++) {
      double mean = draws * Math.exp(logprobs[v]);
      chiSquare += (counts[v] - mean) * (counts[v] - mean) / mean;
    }
    // 15 degrees of freedom: one in a hundred thousand seeds is above 51.
    assertThat(chiSquare).isLessThan(51);
  }

  @Test
  void endsAtEosOrAtTheLimit() {
    try (var sampler = new Sampler(decoder)) {
      List<Completion> completions =
          sampler.sample(requests(6), SamplingParameters.unfiltered(4), () -> false);

      int eos = decoder.config().vocabulary().eos();
      for (Completion completion : completions) {
        int[] ids = completion.tokenIds();
        int end = ids.length - 1;
        assertThat(Arrays.stream(ids, 0, end)).doesNotContain(eos);
        assertThat(completion.finish())
            .isEqualTo(ids[end] == eos ? FinishReason.EOS : FinishReason.LENGTH);
        if (completion.finish() == FinishReason.LENGTH) {
          assertThat(ids).hasSize(6);
        }
      }
      assertThat(completions.stream().map(Completion::finish).distinct()).hasSize(2);
    }
  }

  @Test
  void givesEachRequestItsOwnLimit() {
    List<SamplingRequest> requests = new ArrayList<>();
    for (SamplingRequest request : requests()) {
      int limit = 1 + requests.size() % 7;
      requests.add(new SamplingRequest(request.promptIds(), request.key(), limit));
    }
    try (var sampler = new Sampler(decoder)) {
      List<int[]> whole =
          ids(sampler.sample(requests(), SamplingParameters.unfiltered(1), () -> false));

      List<int[]> limited =
          ids(sampler.sample(requests, SamplingParameters.unfiltered(1), () -> false));

      for (int i = 0; i < requests.size(); i++) {
        int length = Math.min(requests.get(i).maxTokens(), whole.get(i).length);
        assertThat(limited.get(i)).isEqualTo(Arrays.copyOf(whole.get(i), length));
      }
    }
  }

  @Test
  void takesTheMostProbableTokenWhenGreedy() {
    try (var sampler = new Sampler(decoder)) {
      var reference = new ReferenceDecoder(decoder);
      int[] prompt = {13, 1, 10, 2, 11};
      int[] ids =
          sampler
              .sample(
                  List.of(new SamplingRequest(prompt, new SampleKey(1, 1, 1), 10)),
                  SamplingParameters.greedy(),
                  () -> false)
              .getFirst()
              .tokenIds();

      int[] row = prompt;
      for (int id : ids) {
        double[] logits = reference.logits(row)[row.length - 1];
        int best = IntStream.range(0, 16).reduce(0, (a, b) -> logits[a] >= logits[b] ? a : b);
        assertThat(id).isEqualTo(best);
        row = IntStream.concat(IntStream.of(row), IntStream.of(id)).toArray();
      }
    }
  }

  @Test
  void usesNewWeightsAtTheNextCall() {
    try (var sampler = new Sampler(decoder);
        Decoder other = ReferenceDecoder.decoderWithGains(decoder.config(), 99);
        var fresh = new Sampler(other)) {
      var parameters = SamplingParameters.unfiltered(1);
      List<int[]> before = ids(sampler.sample(requests(), parameters, () -> false));

      decoder.copyFrom(other);

      List<int[]> after = ids(sampler.sample(requests(), parameters, () -> false));
      List<int[]> wanted = ids(fresh.sample(requests(), parameters, () -> false));
      assertThat(Arrays.deepEquals(after.toArray(), before.toArray())).isFalse();
      assertThat(Arrays.deepEquals(after.toArray(), wanted.toArray())).isTrue();
    }
  }

  static Stream<SamplingParameters> filters() {
    return Stream.of(
        new SamplingParameters(1, 3, 1, 0),
        new SamplingParameters(1, 0, 0.6, 0),
        new SamplingParameters(1, 0, 1, 0.2),
        new SamplingParameters(0.7, 6, 0.8, 0.1));
  }

  @ParameterizedTest
  @MethodSource("filters")
  void drawsOnlyWhatTheFiltersLeave(SamplingParameters parameters) {
    int[] prompt = {13, 1, 10, 2, 11};
    double[] logprobs =
        new ReferenceDecoder(decoder).logprobs(prompt, parameters.temperature())[prompt.length - 1];
    List<Integer> kept = kept(logprobs, parameters);
    double mass = kept.stream().mapToDouble(v -> Math.exp(logprobs[v])).sum();
    var requests = new ArrayList<SamplingRequest>();
    for (int i = 0; i < 2000; i++) {
      requests.add(new SamplingRequest(prompt, new SampleKey(3, i, 0), 1));
    }
    try (var sampler = new Sampler(decoder)) {
      List<Completion> completions = sampler.sample(requests, parameters, () -> false);

      assertThat(completions.stream().map(c -> c.tokenIds()[0]).distinct())
          .containsExactlyInAnyOrderElementsOf(kept);
      for (Completion completion : completions) {
        double logprob = logprobs[completion.tokenIds()[0]];
        assertThat((double) completion.logprobs()[0]).isCloseTo(logprob, within(5e-5));
        assertThat((double) completion.filteredLogprobs()[0])
            .isCloseTo(logprob - Math.log(mass), within(5e-5));
      }
    }
  }

  /// The filters as plain loops over the tokens in descending order of probability.
  private static List<Integer> kept(double[] logprobs, SamplingParameters parameters) {
    List<Integer> kept =
        new ArrayList<>(
            IntStream.range(0, logprobs.length)
                .boxed()
                .sorted((a, b) -> Double.compare(logprobs[b], logprobs[a]))
                .toList());
    if (parameters.topK() > 0) {
      kept = kept.subList(0, parameters.topK());
    }
    double mass = kept.stream().mapToDouble(v -> Math.exp(logprobs[v])).sum();
    if (parameters.topP() < 1) {
      double sum = 0;
      int count = 0;
      while (sum < parameters.topP()) {
        sum += Math.exp(logprobs[kept.get(count++)]) / mass;
      }
      kept = kept.subList(0, count);
    }
    double least = Math.exp(logprobs[kept.getFirst()]) * parameters.minP();
    return kept.stream().filter(v -> Math.exp(logprobs[v]) >= least).toList();
  }

  @Test
  void stopsWhenItIsAborted() {
    var asked = new AtomicInteger();
    try (var sampler = new Sampler(decoder)) {
      assertThatExceptionOfType(CancellationException.class)
          .isThrownBy(() ->
              sampler.sample(
                  requests(), SamplingParameters.unfiltered(1), () -> asked.incrementAndGet() > 3));
      assertThat(asked).hasValue(4);
    }
  }

  @Test
  void refusesWhatDoesNotFitTheModel() {
    try (var sampler = new Sampler(decoder)) {
      assertThatIllegalArgumentException()
          .isThrownBy(() -> sampler.sample(requests(60), SamplingParameters.greedy(), () -> false))
          .withMessageContaining("do not fit 64 positions");
    }
  }

  private static List<int[]> ids(List<Completion> completions) {
    return completions.stream().map(Completion::tokenIds).toList();
  }

  /// Sixty requests of three prompt lengths, some of which share a prompt.
  private static List<SamplingRequest> requests() {
    return requests(MAX_TOKENS);
  }

  private static List<SamplingRequest> requests(int maxTokens) {
    var random = new SplittableRandom(4);
    var requests = new ArrayList<SamplingRequest>();
    for (int group = 0; group < 15; group++) {
      int digits = 1 + group % 3;
      var prompt = new int[2 * digits + 3];
      Arrays.setAll(prompt, _ -> random.nextInt(10));
      prompt[0] = 13;
      prompt[digits + 1] = 10;
      prompt[2 * digits + 2] = 11;
      for (int member = 0; member < 4; member++) {
        requests.add(new SamplingRequest(prompt, new SampleKey(5, group, member), maxTokens));
      }
    }
    return requests;
  }
}
