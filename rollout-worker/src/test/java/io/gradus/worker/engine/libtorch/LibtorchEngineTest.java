package io.gradus.worker.engine.libtorch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.within;

import io.gradus.core.policy.Manifest;
import io.gradus.core.policy.Manifest.CheckpointFile;
import io.gradus.core.task.Ending;
import io.gradus.policy.Decoder;
import io.gradus.policy.ModelConfig;
import io.gradus.policy.nativememory.NativeMemory;
import io.gradus.policy.training.TokenScorer;
import io.gradus.policy.training.TrainingRow;
import io.gradus.worker.engine.EngineException;
import io.gradus.worker.engine.LoadedPolicy;
import io.gradus.worker.engine.SampleOrder;
import io.gradus.worker.engine.SampledCompletion;
import io.gradus.worker.engine.SamplingRule;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.CancellationException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Scalar;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class LibtorchEngineTest {

  private static final ModelConfig CONFIG = Checkpoints.config(16);
  private static final SamplingRule RULE = new SamplingRule(9, 0.8f, 0, 1);

  @TempDir private Path store;

  private final LibtorchEngine engine = new LibtorchEngine();

  @BeforeAll
  static void loadLibraries() {
    NativeMemory.load();
  }

  @AfterEach
  void close() {
    engine.close();
  }

  @Test
  void givesAnOrderTheSameCompletionWhateverIsInTheBatch() throws Exception {
    try (LoadedPolicy policy = engine.load(Checkpoints.write(store, CONFIG, 1))) {
      List<SampleOrder> orders = orders(policy, 12);
      List<SampledCompletion> together = policy.sample(RULE, orders, () -> false);

      for (int i = 0; i < orders.size(); i++) {
        List<SampledCompletion> alone = policy.sample(RULE, orders.subList(i, i + 1), () -> false);
        assertThat(alone.getFirst().ids()).isEqualTo(together.get(i).ids());
      }
      List<SampledCompletion> reversed = policy.sample(RULE, orders.reversed(), () -> false);
      assertThat(ids(reversed.reversed())).isEqualTo(ids(together));
      assertThat(ids(together).stream().distinct())
          .as("members and groups differ")
          .hasSizeGreaterThan(orders.size() / 2);
    }
  }

  @Test
  void drawsOtherCompletionsForAnotherSeed() throws Exception {
    try (LoadedPolicy policy = engine.load(Checkpoints.write(store, CONFIG, 1))) {
      List<SampleOrder> orders = orders(policy, 12);

      var one = policy.sample(RULE, orders, () -> false);
      var other = policy.sample(new SamplingRule(10, 0.8f, 0, 1), orders, () -> false);

      assertThat(ids(other)).isNotEqualTo(ids(one));
    }
  }

  @Test
  void recordsTheLogprobsThatTheLearnerWillFind() throws Exception {
    Manifest manifest = Checkpoints.write(store, CONFIG, 1);
    for (SamplingRule rule : List.of(RULE, new SamplingRule(9, 1.5f, 3, 0.9f))) {
      try (LoadedPolicy policy = engine.load(manifest);
          Decoder decoder = Decoder.load(Path.of(URI.create(manifest.uri())))) {
        List<SampleOrder> orders = orders(policy, 20);
        List<SampledCompletion> completions = policy.sample(rule, orders, () -> false);

        var scorer = new TokenScorer(decoder, 4096);
        List<float[]> scores = scorer.score(rows(orders, completions, rule.temperature()));

        for (int i = 0; i < orders.size(); i++) {
          // Rounding of fp32; also with filters it is the whole distribution that counts.
          assertThat(completions.get(i).logprobs()).containsExactly(scores.get(i), within(1e-4f));
        }
      }
    }
  }

  @Test
  void isGreedyForEvaluations() throws Exception {
    Manifest manifest = Checkpoints.write(store, CONFIG, 1);
    try (LoadedPolicy policy = engine.load(manifest);
        Decoder decoder = Decoder.load(Path.of(URI.create(manifest.uri())))) {
      List<SampleOrder> orders = orders(policy, 12);

      List<SampledCompletion> greedy = policy.sample(SamplingRule.greedy(1), orders, () -> false);

      assertThat(ids(policy.sample(SamplingRule.greedy(2), orders, () -> false)))
          .isEqualTo(ids(greedy));
      List<float[]> scores = new TokenScorer(decoder, 4096).score(rows(orders, greedy, 1));
      for (int i = 0; i < orders.size(); i++) {
        assertThat(greedy.get(i).logprobs()).containsExactly(scores.get(i), within(1e-4f));
        for (float logprob : greedy.get(i).logprobs()) {
          assertThat((double) logprob)
              .as("the most probable of 16 tokens is no rarer than the mean")
              .isGreaterThan(Math.log(1.0 / 16));
        }
      }
    }
  }

  @Test
  void keepsToTheLimitOfEachOrder() throws Exception {
    try (LoadedPolicy policy = engine.load(Checkpoints.write(store, CONFIG, 1))) {
      List<SampleOrder> orders = orders(policy, 12);

      for (int i = 0; i < orders.size(); i++) {
        SampledCompletion completion = policy.sample(RULE, orders, () -> false).get(i);
        assertThat(completion.ids().length).isLessThanOrEqualTo(orders.get(i).maxTokens());
        assertThat(completion.ending())
            .isEqualTo(
                completion.ids()[completion.ids().length - 1] == 12
                    ? Ending.END_OF_SEQUENCE
                    : Ending.TOKEN_LIMIT);
      }
    }
  }

  @Test
  void asksOnceATokenWhetherItIsStillWanted() throws Exception {
    try (LoadedPolicy policy = engine.load(Checkpoints.write(store, CONFIG, 1))) {
      List<SampleOrder> orders = orders(policy, 12);
      var asked = new AtomicInteger();

      int longest =
          policy
              .sample(
                  RULE,
                  orders,
                  () -> {
                    asked.incrementAndGet();
                    return false;
                  })
              .stream()
              .mapToInt(completion -> completion.ids().length)
              .max()
              .orElseThrow();

      assertThat(asked).hasValue(longest);
      assertThatExceptionOfType(CancellationException.class)
          .isThrownBy(
              () -> policy.sample(RULE, orders, () -> asked.incrementAndGet() > longest + 3));
      assertThat(asked).hasValue(longest + 4);
    }
  }

  @Test
  void readsPromptsAndWritesTexts() throws Exception {
    try (LoadedPolicy policy = engine.load(Checkpoints.write(store, CONFIG, 1))) {
      assertThat(policy.version().value()).isEqualTo(1);
      assertThat(policy.promptIds("19+2=")).containsExactly(13, 1, 9, 10, 2, 11);
      assertThat(policy.text(new int[] {1, 2, 12})).isEqualTo("12");
      assertThat(policy.text(new int[] {1, 2})).isEqualTo("12");
      assertThat(policy.text(new int[] {1, 13, 2, 12})).isEqualTo("1<bos>2");
    }
  }

  @Test
  void keepsTwoVersionsApart() throws Exception {
    Manifest first = Checkpoints.write(store, CONFIG, 1);
    Manifest second = Checkpoints.write(store, CONFIG, 2);
    List<String> ofFirst = alone(first);
    List<String> ofSecond = alone(second);
    // A seat has been used before: what it holds is overwritten.
    engine.load(first).close();

    try (LoadedPolicy one = engine.load(first);
        LoadedPolicy two = engine.load(second)) {
      assertThat(ids(two)).isEqualTo(ofSecond);
      assertThat(ids(one)).isEqualTo(ofFirst);
      assertThat(ids(two)).isEqualTo(ofSecond);
    }
    assertThat(ofFirst).isNotEqualTo(ofSecond);
  }

  @Test
  void loadsAnotherShape() throws Exception {
    engine.load(Checkpoints.write(store, CONFIG, 1)).close();

    Manifest wider = Checkpoints.write(store, Checkpoints.config(24), 2);

    List<String> wanted = alone(wider);
    try (LoadedPolicy policy = engine.load(wider)) {
      assertThat(ids(policy)).isEqualTo(wanted);
    }
  }

  @Test
  void givesBackAllNativeMemoryOverFiftyVersions() throws Exception {
    var manifests = new ArrayList<Manifest>();
    for (int version = 1; version <= 5; version++) {
      manifests.add(Checkpoints.write(store, CONFIG, version));
    }
    long before = NativeMemory.pointerCount();
    try (var measured = new LibtorchEngine()) {
      cycle(measured, manifests, 50);
      long pointers = NativeMemory.pointerCount();
      long bytes = Pointer.physicalBytes();

      cycle(measured, manifests, 50);

      assertThat(NativeMemory.pointerCount()).isLessThanOrEqualTo(pointers);
      // Fifty leaked decoders and samples would hold more than what the heap grows by meanwhile.
      assertThat(Pointer.physicalBytes() - bytes).isLessThan(64L << 20);
    }
    assertThat(NativeMemory.pointerCount()).isLessThanOrEqualTo(before);
  }

  /// Loads as a worker does: the next version before the last is closed, now and then an old one.
  private static void cycle(LibtorchEngine measured, List<Manifest> manifests, int times)
      throws EngineException {
    LoadedPolicy newest = measured.load(manifests.getFirst());
    for (int i = 0; i < times; i++) {
      LoadedPolicy next = measured.load(manifests.get(i % manifests.size()));
      newest.close();
      newest = next;
      newest.sample(RULE, orders(newest, 12), () -> false);
      if (i % 7 == 0) {
        try (LoadedPolicy pinned = measured.load(manifests.getFirst())) {
          pinned.sample(SamplingRule.greedy(1), orders(pinned, 12), () -> false);
        }
      }
    }
    newest.close();
  }

  /// What is done to a sound checkpoint, and what the message then names.
  interface Damage {
    Manifest to(Manifest manifest, Path directory) throws IOException;
  }

  static Stream<Arguments> damages() {
    return Stream.of(
        damage(
            "flipped byte",
            "model.safetensors: its SHA-256",
            (manifest, directory) -> {
              Path file = directory.resolve("model.safetensors");
              byte[] bytes = Files.readAllBytes(file);
              bytes[bytes.length - 5] ^= 1;
              Files.write(file, bytes);
              return manifest;
            }),
        damage(
            "truncated",
            "model.safetensors: has ",
            (manifest, directory) -> {
              Path file = directory.resolve("model.safetensors");
              Files.write(file, Arrays.copyOf(Files.readAllBytes(file), 1000));
              return manifest;
            }),
        damage(
            "changed config",
            "config.json: its SHA-256",
            (manifest, directory) -> {
              Path file = directory.resolve("config.json");
              Files.writeString(file, Files.readString(file).replace("\"silu\"", "\"sila\""));
              return manifest;
            }),
        damage(
            "missing file",
            "model.safetensors: is missing",
            (manifest, directory) -> {
              Files.delete(directory.resolve("model.safetensors"));
              return manifest;
            }),
        damage(
            "other weights of this name",
            "config.json: has ",
            (manifest, _) -> {
              Manifest other =
                  Checkpoints.write(
                      Files.createTempDirectory(Path.of(URI.create(manifest.uri())), "other"),
                      Checkpoints.config(20),
                      2);
              return with(manifest, other.uri(), manifest.files());
            }),
        damage(
            "no weights announced",
            "without model.safetensors",
            (manifest, _) ->
                with(
                    manifest,
                    manifest.uri(),
                    manifest.files().stream()
                        .filter(file -> !file.name().equals("model.safetensors"))
                        .toList())),
        damage(
            "a way out of the directory",
            "names the file ../",
            (manifest, _) -> {
              var files = new ArrayList<>(manifest.files());
              files.add(new CheckpointFile("../secret", 1, "00"));
              return with(manifest, manifest.uri(), files);
            }),
        damage(
            "absent directory",
            "is missing",
            (manifest, _) ->
                with(manifest, "file:///nowhere/v00000001-s00000001-e1/", manifest.files())),
        damage(
            "another store",
            "not a file URI",
            (manifest, _) -> with(manifest, "s3://bucket/v1", manifest.files())));
  }

  private static Arguments damage(String name, String message, Damage damage) {
    return Arguments.of(name, message, damage);
  }

  private static Manifest with(Manifest manifest, String uri, List<CheckpointFile> files) {
    return new Manifest(
        manifest.version(),
        manifest.step(),
        manifest.batch(),
        uri,
        files,
        manifest.lineage(),
        manifest.durable());
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("damages")
  void refusesADamagedCheckpointAndGoesOnWithTheOneAtHand(
      String name, String message, Damage damage) throws Exception {
    Manifest sound = Checkpoints.write(store, CONFIG, 1);
    List<String> wanted = alone(sound);
    Manifest manifest = Checkpoints.write(store, CONFIG, 2);
    Manifest damaged = damage.to(manifest, Path.of(URI.create(manifest.uri())));

    try (LoadedPolicy policy = engine.load(sound)) {
      assertThatExceptionOfType(EngineException.class)
          .as(name)
          .isThrownBy(() -> engine.load(damaged))
          .withMessageContaining("policy version 2")
          .withMessageContaining(message);
      assertThat(ids(policy)).isEqualTo(wanted);
    }
  }

  @Test
  void refusesWeightsThatAreNoNumbers() throws Exception {
    Manifest manifest;
    try (Decoder decoder = Checkpoints.decoder(CONFIG, 1);
        var _ = new PointerScope()) {
      decoder.weights().flat().fill_(new Scalar(Double.NaN));
      manifest = Checkpoints.write(store, decoder, 1);
    }
    try (LoadedPolicy policy = engine.load(manifest)) {
      assertThatExceptionOfType(EngineException.class)
          .isThrownBy(() -> policy.sample(RULE, orders(policy, 4), () -> false))
          .withMessageContaining("not finite");
    }
  }

  /// What a fresh engine samples from a version.
  private static List<String> alone(Manifest manifest) throws EngineException {
    try (var fresh = new LibtorchEngine();
        LoadedPolicy policy = fresh.load(manifest)) {
      return ids(policy);
    }
  }

  private static List<String> ids(LoadedPolicy policy) throws EngineException {
    return ids(policy.sample(RULE, orders(policy, 12), () -> false));
  }

  private static List<String> ids(List<SampledCompletion> completions) {
    return completions.stream().map(completion -> Arrays.toString(completion.ids())).toList();
  }

  /// Two members each of groups of one to four digits.
  private static List<SampleOrder> orders(LoadedPolicy policy, int groups) {
    var random = new SplittableRandom(3);
    var orders = new ArrayList<SampleOrder>();
    for (int group = 0; group < groups; group++) {
      int digits = 1 + group % 4;
      int[] prompt = policy.promptIds(number(random, digits) + "+" + number(random, digits) + "=");
      for (int member = 0; member < 2; member++) {
        orders.add(new SampleOrder(prompt, group, member, digits + 4));
      }
    }
    return orders;
  }

  private static String number(SplittableRandom random, int digits) {
    return random
        .ints(digits, 0, 10)
        .collect(StringBuilder::new, StringBuilder::append, StringBuilder::append)
        .toString();
  }

  private static List<TrainingRow> rows(
      List<SampleOrder> orders, List<SampledCompletion> completions, float temperature) {
    var rows = new ArrayList<TrainingRow>();
    for (int i = 0; i < orders.size(); i++) {
      int[] prompt = orders.get(i).promptIds();
      int[] all =
          IntStream.concat(IntStream.of(prompt), IntStream.of(completions.get(i).ids())).toArray();
      rows.add(TrainingRow.of(all, prompt.length, temperature));
    }
    return rows;
  }
}
