package io.gradus.learner.publication;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import io.gradus.core.batch.GoldRange;
import io.gradus.core.policy.LearnerEpoch;
import io.gradus.core.policy.Lineage;
import io.gradus.core.policy.Manifest;
import io.gradus.core.policy.PolicyVersion;
import io.gradus.policy.AttentionShape;
import io.gradus.policy.CharacterVocabulary;
import io.gradus.policy.Decoder;
import io.gradus.policy.Initialization;
import io.gradus.policy.ModelConfig;
import io.gradus.policy.PositionIds;
import io.gradus.policy.Rope;
import io.gradus.policy.checkpoint.DamagedCheckpointException;
import io.gradus.policy.nativememory.NativeMemory;
import io.gradus.policy.training.OptimizerConfig;
import io.gradus.policy.training.Trainer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Scalar;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CheckpointWriterTest {

  private static final CharacterVocabulary VOCABULARY = CharacterVocabulary.of("0123456789+=#!*");
  private static final ModelConfig CONFIG =
      ModelConfig.llama(
          17,
          16,
          1,
          AttentionShape.llama(2, 2, 8, Rope.plain(10_000)),
          32,
          1e-5,
          true,
          64,
          PositionIds.DIGIT_COUPLED,
          VOCABULARY);
  private static final GoldRange TEXT =
      new GoldRange("addition/direct", 1, 0, 1, 1L << 40, 16, 1, 3);

  @TempDir Path store;
  private final long pointersBefore = pointers();
  private final CheckpointWriter writer = new CheckpointWriter("writer", 20, System::nanoTime);
  private final Trainer trainer =
      new Trainer(
          Decoder.initialize(CONFIG, new Initialization(0.1, true), 1),
          OptimizerConfig.defaults(),
          1);

  private static long pointers() {
    NativeMemory.prepareThread();
    return NativeMemory.pointerCount();
  }

  @AfterEach
  void closesEverySnapshot() {
    writer.close();
    trainer.close();
    assertThat(NativeMemory.pointerCount()).isLessThanOrEqualTo(pointersBefore);
  }

  @Test
  void writesWhatTheManifestSays() throws Exception {
    Manifest manifest = write(canary(), true);

    assertThat(manifest.uri()).endsWith("/v00000003-s00000042-e2").startsWith("file:///");
    assertThat(manifest.durable()).isTrue();
    assertThat(manifest.files())
        .extracting(Manifest.CheckpointFile::name)
        .contains("config.json", "model.safetensors", "optimizer.safetensors", "tokenizer.json");
    assertThat(CheckpointFiles.verified(manifest))
        .isEqualTo(store.resolve("v00000003-s00000042-e2"));
  }

  @Test
  void leavesTheOptimizerOutOfAPublicationThatIsNotDurable() throws Exception {
    Manifest manifest = write(canary(), false);

    assertThat(manifest.durable()).isFalse();
    assertThat(manifest.files())
        .extracting(Manifest.CheckpointFile::name)
        .doesNotContain("optimizer.safetensors");
  }

  @Test
  void refusesWeightsThatAreNotFinite() throws IOException {
    multiplyWeights(Double.NaN);

    refuses(canary(), "not all finite");
  }

  @Test
  void refusesAPolicyThatNoLongerKnowsPlainText() throws Exception {
    Canary canary = canary();
    Path sound = CheckpointFiles.verified(write(canary, false));
    multiplyWeights(60);

    refuses(canary, "diverged");

    assertThat(sound).exists();
  }

  @Test
  void measuresAPolicyByTheWeightsThatItBeganWith() throws Exception {
    multiplyWeights(60);

    assertThat(write(canary(), false)).isNotNull();
  }

  @Test
  void publishesAPolicyWhoseVocabularyCannotWriteTheCanary() throws Exception {
    multiplyWeights(60);

    assertThat(write(Canary.of(TEXT, CharacterVocabulary.of("abc")), false)).isNotNull();
  }

  @Test
  void namesWhatIsWrongWithACheckpoint() throws Exception {
    Manifest manifest = write(canary(), true);
    Path directory = CheckpointFiles.verified(manifest);

    damaged(withStep(manifest, 43), "step 42");
    damaged(withUri(manifest, "http://elsewhere/v1"), "no file URI");
    damaged(withUri(manifest, manifest.uri() + "x"), "gradus.json");
    Files.delete(directory.resolve("optimizer.safetensors"));
    damaged(manifest, "optimizer.safetensors");
  }

  private static void damaged(Manifest manifest, String message) {
    assertThatExceptionOfType(DamagedCheckpointException.class)
        .isThrownBy(() -> CheckpointFiles.verified(manifest))
        .withMessageContaining(message);
  }

  private static Manifest withStep(Manifest m, long step) {
    return new Manifest(m.version(), step, m.batch(), m.uri(), m.files(), m.lineage(), m.durable());
  }

  private static Manifest withUri(Manifest m, String uri) {
    return new Manifest(m.version(), m.step(), m.batch(), uri, m.files(), m.lineage(), m.durable());
  }

  private void refuses(Canary canary, String message) throws IOException {
    assertThat(writer.write(order(canary, 43), trainer.snapshot(true)))
        .failsWithin(Duration.ofSeconds(20))
        .withThrowableOfType(ExecutionException.class)
        .withCauseInstanceOf(UnpublishableException.class)
        .withMessageContaining(message);
    try (Stream<Path> files = Files.list(store)) {
      assertThat(files.filter(file -> String.valueOf(file.getFileName()).contains("s00000043")))
          .isEmpty();
    }
  }

  private Manifest write(Canary canary, boolean durable) throws Exception {
    return writer
        .write(order(canary, 42), trainer.snapshot(durable))
        .get(20, TimeUnit.SECONDS)
        .manifest();
  }

  private void multiplyWeights(double factor) {
    try (var _ = new PointerScope()) {
      trainer.decoder().weights().flat().mul_(new Scalar(factor));
    }
  }

  private static Canary canary() {
    return Canary.of(TEXT, VOCABULARY);
  }

  private CheckpointWriter.Order order(Canary canary, long step) {
    return new CheckpointWriter.Order(
        "file://" + store,
        new PolicyVersion(3),
        new PolicyVersion(2),
        step,
        Optional.empty(),
        Lineage.root(),
        new LearnerEpoch(2),
        canary);
  }

  @Test
  void storesAreMadeWhenTheyAreNotThere() throws Exception {
    Path deeper = store.resolve("a/b");
    var order = order(canary(), 42);

    var written =
        writer
            .write(
                new CheckpointWriter.Order(
                    "file://" + deeper + "/",
                    order.version(),
                    order.parent(),
                    order.step(),
                    order.batch(),
                    order.lineage(),
                    order.epoch(),
                    order.canary()),
                trainer.snapshot(false))
            .get(20, TimeUnit.SECONDS);

    assertThat(CheckpointFiles.verified(written.manifest())).hasParent(deeper);
    assertThat(written.parent()).isEqualTo(new PolicyVersion(2));
  }
}
