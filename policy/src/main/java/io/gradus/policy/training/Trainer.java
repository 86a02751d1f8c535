package io.gradus.policy.training;

import io.gradus.policy.Decoder;
import io.gradus.policy.FusedWeights;
import io.gradus.policy.nativememory.NativeMemory;
import io.gradus.policy.nativememory.TorchThread;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;

/// Optimizer steps on a decoder: gradients from one or more single-threaded replicas, summed, then
/// AdamW.
///
/// It owns the decoder. The first replica computes on the calling platform thread, the others each
/// on a thread of their own; no two of them write to the same memory, and none computes while the
/// weights change.
public final class Trainer implements AutoCloseable {

  /// Tokens in flight in a replica; beyond it a batch is worked off in micro-batches.
  private static final int DEFAULT_TOKENS_PER_MICROBATCH = 1 << 14;

  private final Decoder decoder;
  private final OptimizerConfig config;
  private final AdamW optimizer;
  private final List<Decoder> replicas = new ArrayList<>();
  private final List<TorchThread> threads = new ArrayList<>();
  private final int tokensPerMicrobatch;

  public Trainer(Decoder decoder, OptimizerConfig config, int replicas) {
    this(decoder, config, replicas, DEFAULT_TOKENS_PER_MICROBATCH);
  }

  /// A trainer that takes over `decoder`.
  ///
  /// @param replicas how many threads share a step, at least 1
  /// @param tokensPerMicrobatch bound of the tokens that are in flight in a replica
  public Trainer(Decoder decoder, OptimizerConfig config, int replicas, int tokensPerMicrobatch) {
    if (replicas < 1 || replicas > 64) {
      throw new IllegalArgumentException(
          "replicas is %d but must be in [1, 64]".formatted(replicas));
    }
    this.decoder = decoder;
    this.config = config;
    this.tokensPerMicrobatch = tokensPerMicrobatch;
    optimizer = new AdamW(config, decoder.weights().flat().numel());
    this.replicas.add(decoder);
    for (int r = 1; r < replicas; r++) {
      this.replicas.add(decoder.replica());
      threads.add(new TorchThread("trainer-replica-" + r, 1));
    }
  }

  /// The decoder that is trained; it belongs to this trainer.
  public Decoder decoder() {
    return decoder;
  }

  /// Optimizer steps taken, skipped ones not counted.
  public long steps() {
    return optimizer.steps();
  }

  /// Writes the optimizer's state, and what the caller wants to find again with it.
  public void saveOptimizer(Path file, Map<String, String> metadata) throws IOException {
    optimizer.state().write(file, decoder, metadata);
  }

  /// Reads what [#saveOptimizer] wrote, and returns the metadata.
  public Map<String, String> loadOptimizer(Path file) throws IOException {
    OptimizerState.Read read = optimizer.state().read(file, decoder);
    optimizer.setSteps(read.steps());
    return read.metadata();
  }

  /// Forgets the optimizer's state, as if no step had been taken.
  public void resetOptimizer() {
    optimizer.reset();
  }

  /// A copy of the weights and, if asked for, of the optimizer's state, which another thread may
  /// write while this one takes further steps. The caller closes it.
  public TrainerSnapshot snapshot(boolean withOptimizer) {
    Decoder weights = Decoder.zeros(decoder.config());
    weights.copyFrom(decoder);
    if (!withOptimizer) {
      return new TrainerSnapshot(weights, Optional.empty());
    }
    return new TrainerSnapshot(weights, Optional.of(OptimizerState.copyOf(optimizer)));
  }

  /// Takes one optimizer step with all replicas, or none if loss or gradient is not finite.
  public StepResult step(List<TrainingRow> rows, TokenLoss loss, double learningRate) {
    return step(rows, loss, learningRate, replicas.size());
  }

  /// Takes one optimizer step, or none if loss or gradient is not finite.
  ///
  /// @param activeReplicas how many of the replicas share it; the number decides in which order
  ///   numbers are added, so that equal bits need equal numbers
  public StepResult step(
      List<TrainingRow> rows, TokenLoss loss, double learningRate, int activeReplicas) {
    if (!(learningRate >= 0 && learningRate < 10)) {
      throw new IllegalArgumentException(
          "learning rate is %s but must be in [0, 10)".formatted(learningRate));
    }
    Sum sum = gradients(rows, loss, activeReplicas);
    Tensor gradient = decoder.gradients().flat();
    try (var _ = new PointerScope();
        var _ = new NoGradGuard()) {
      double norm = gradient.norm().item_double();
      boolean finite = Double.isFinite(norm) && Double.isFinite(sum.loss);
      if (finite) {
        double shrink = config.gradientClip() / (norm + 1e-6);
        if (shrink < 1) {
          gradient.mul_(new Scalar(shrink));
        }
        optimizer.step(decoder.weights().flat(), gradient, learningRate);
        decoder.weightsChanged();
      }
      return new StepResult(
          sum.loss, norm, sum.entropy / sum.tokens, !finite, sum.tokens, Map.copyOf(sum.named));
    }
  }

  /// Leaves the gradient of the batch in the decoder's gradients, without a step.
  Sum gradients(List<TrainingRow> rows, TokenLoss loss) {
    return gradients(rows, loss, replicas.size());
  }

  private Sum gradients(List<TrainingRow> rows, TokenLoss loss, int active) {
    if (active < 1 || active > replicas.size()) {
      throw new IllegalArgumentException(
          "%d active replicas but must be in [1, %d]".formatted(active, replicas.size()));
    }
    NativeMemory.prepareThread();
    long tokens = 0;
    for (TrainingRow row : rows) {
      tokens += row.lossTokens();
    }
    if (tokens == 0) {
      throw new IllegalArgumentException(
          "a batch of %d rows has no token that carries loss".formatted(rows.size()));
    }
    long batchTokens = tokens;
    List<List<int[]>> parts = Partition.of(rows, active, tokensPerMicrobatch);
    var others = new ArrayList<CompletableFuture<Sum>>();
    for (int r = 1; r < active; r++) {
      Decoder replica = replicas.get(r);
      List<int[]> part = parts.get(r);
      others.add(
          threads.get(r - 1).submit(() -> gradients(replica, rows, part, loss, batchTokens)));
    }
    Sum sum;
    try {
      sum = gradients(decoder, rows, parts.getFirst(), loss, batchTokens);
    } finally {
      // Even if this replica failed: nothing may compute when the caller goes on.
      CompletableFuture.allOf(others.toArray(CompletableFuture[]::new))
          .exceptionally(_ -> null)
          .join();
    }
    try (var _ = new PointerScope();
        var _ = new NoGradGuard()) {
      for (int r = 1; r < active; r++) {
        sum.add(resultOf(others.get(r - 1)));
        decoder.gradients().flat().add_(replicas.get(r).gradients().flat());
      }
    }
    return sum;
  }

  private static Sum gradients(
      Decoder replica,
      List<TrainingRow> rows,
      List<int[]> microBatches,
      TokenLoss loss,
      long batchTokens) {
    var sum = new Sum(batchTokens, loss.needsEntropy());
    try (var _ = new PointerScope()) {
      replica.gradients().flat().zero_();
      if (microBatches.isEmpty()) {
        return sum;
      }
      try (FusedWeights weights = replica.fused()) {
        for (int[] numbers : microBatches) {
          try (var _ = new PointerScope()) {
            sum.add(
                new MicroBatch(replica.config(), rows, numbers)
                    .backward(weights, loss, batchTokens, rows.size()));
          }
        }
      }
    }
    return sum;
  }

  private static Sum resultOf(CompletableFuture<Sum> future) {
    try {
      return future.join();
    } catch (CompletionException e) {
      throw e.getCause() instanceof RuntimeException cause ? cause : e;
    }
  }

  @Override
  public void close() {
    threads.forEach(TorchThread::close);
    for (Decoder replica : replicas.reversed()) {
      replica.close();
    }
    optimizer.close();
  }

  /// What replicas and micro-batches add up to.
  static final class Sum {
    private final long tokens;
    private final Map<String, Double> named = new TreeMap<>();
    private double loss;
    private double entropy;

    Sum(long tokens, boolean withEntropy) {
      this.tokens = tokens;
      entropy = withEntropy ? 0 : Double.NaN;
    }

    double loss() {
      return loss;
    }

    void add(MicroBatch.Outcome outcome) {
      loss += outcome.loss();
      entropy += outcome.entropySum();
      outcome.value().sums().forEach((name, value) -> named.merge(name, value, Double::sum));
    }

    void add(Sum other) {
      loss += other.loss;
      entropy += other.entropy;
      other.named.forEach((name, value) -> named.merge(name, value, Double::sum));
    }
  }
}
