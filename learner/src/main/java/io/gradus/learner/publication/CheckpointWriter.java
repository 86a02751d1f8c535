package io.gradus.learner.publication;

import io.gradus.core.batch.BatchNumber;
import io.gradus.core.policy.LearnerEpoch;
import io.gradus.core.policy.Lineage;
import io.gradus.core.policy.Manifest;
import io.gradus.core.policy.PolicyVersion;
import io.gradus.policy.checkpoint.CheckpointDirectory;
import io.gradus.policy.checkpoint.CheckpointDirectory.FileWriter;
import io.gradus.policy.checkpoint.CheckpointManifest;
import io.gradus.policy.nativememory.TorchThread;
import io.gradus.policy.training.TrainerSnapshot;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.function.LongSupplier;

/// Writes checkpoints on a thread of its own, one at a time.
public final class CheckpointWriter implements AutoCloseable {

  /// A checkpoint that is to be written.
  ///
  /// @param store file URI of the directory that it goes into
  public record Order(
      String store,
      PolicyVersion version,
      PolicyVersion parent,
      long step,
      Optional<BatchNumber> batch,
      Lineage lineage,
      LearnerEpoch epoch,
      Canary canary) {}

  /// A checkpoint that is whole on the disk.
  ///
  /// @param took time to check and write it
  public record Written(Manifest manifest, PolicyVersion parent, Duration took) {}

  private final TorchThread thread;
  private final double canaryNats;
  private final LongSupplier nanoTime;

  /// @param canaryNats so many nats a token the canary may cost in any case
  public CheckpointWriter(String name, double canaryNats, LongSupplier nanoTime) {
    thread = new TorchThread(name, 2);
    this.canaryNats = canaryNats;
    this.nanoTime = nanoTime;
  }

  /// Writes `snapshot`, which is durable if it has the optimizer's state, and closes it.
  ///
  /// The future fails with [UnpublishableException] if the weights must not be published.
  public CompletableFuture<Written> write(Order order, TrainerSnapshot snapshot) {
    try {
      return thread.submit(() -> {
        try (snapshot) {
          long before = nanoTime.getAsLong();
          requireSound(order, snapshot);
          Manifest manifest = stored(order, snapshot);
          return new Written(
              manifest, order.parent(), Duration.ofNanos(nanoTime.getAsLong() - before));
        }
      });
    } catch (RuntimeException refused) {
      snapshot.close();
      throw refused;
    }
  }

  private void requireSound(Order order, TrainerSnapshot snapshot) throws UnpublishableException {
    if (!snapshot.isFinite()) {
      throw new UnpublishableException(
          "the weights after step %d are not all finite; lower optimizer.learning_rate or"
                  .formatted(order.step())
              + " optimizer.gradient_clip, and resume from the last checkpoint");
    }
    Canary.Verdict verdict = order.canary().judge(snapshot.decoder(), canaryNats);
    if (!verdict.isAcceptable()) {
      throw new UnpublishableException(
          "after step %d the policy gives known text %.1f nats a token, more than %.1f: it has"
                  .formatted(order.step(), verdict.nats(), verdict.limit())
              + " diverged; lower optimizer.learning_rate, and resume from the last checkpoint");
    }
  }

  private static Manifest stored(Order order, TrainerSnapshot snapshot) throws IOException {
    try {
      return writeFiles(order, snapshot);
    } catch (IOException e) {
      throw new IOException(
          ("version %d cannot be written to the checkpoint store %s: %s; what was learned since the"
                  + " last durable checkpoint is learned again")
              .formatted(order.version().value(), order.store(), told(e)),
          e);
    }
  }

  private static String told(IOException e) {
    return e.getMessage() == null ? e.toString() : e.getMessage();
  }

  private static Manifest writeFiles(Order order, TrainerSnapshot snapshot) throws IOException {
    String name =
        "v%08d-s%08d-e%d".formatted(order.version().value(), order.step(), order.epoch().value());
    Path store = Path.of(URI.create(order.store()));
    Files.createDirectories(store);
    boolean durable = snapshot.hasOptimizer();
    Map<String, FileWriter> additional =
        durable
            ? Map.of(CheckpointDirectory.OPTIMIZER, file -> snapshot.saveOptimizer(file, Map.of()))
            : Map.of();
    CheckpointManifest written =
        CheckpointDirectory.write(
            store.resolve(name),
            snapshot.decoder(),
            CheckpointManifest.of(
                order.version().value(),
                order.parent().value(),
                order.step(),
                order.batch().map(BatchNumber::value).orElse(0L),
                order.lineage().hex(),
                order.epoch().value(),
                durable),
            additional);
    return new Manifest(
        order.version(),
        order.step(),
        order.batch(),
        order.store() + (order.store().endsWith("/") ? "" : "/") + name,
        written.files().entrySet().stream()
            .map(file ->
                new Manifest.CheckpointFile(
                    file.getKey(), file.getValue().bytes(), file.getValue().sha256()))
            .toList(),
        order.lineage(),
        durable);
  }

  /// Lets a checkpoint under way finish.
  @Override
  public void close() {
    thread.close();
  }
}
