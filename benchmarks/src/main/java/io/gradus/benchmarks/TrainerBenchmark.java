package io.gradus.benchmarks;

import io.gradus.policy.training.LossValue;
import io.gradus.policy.training.OptimizerConfig;
import io.gradus.policy.training.StepResult;
import io.gradus.policy.training.TokenLoss;
import io.gradus.policy.training.Trainer;
import io.gradus.policy.training.TrainingRow;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.bytedeco.pytorch.Scalar;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/// One optimizer step on 128 sums of mixed lengths.
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Warmup(iterations = 3, time = 2)
@Measurement(iterations = 5, time = 2)
@Fork(
    value = 1,
    jvmArgsAppend = {
      "--enable-native-access=ALL-UNNAMED",
      "-Dorg.bytedeco.javacpp.maxphysicalbytes=0",
      "-Dorg.bytedeco.javacpp.maxbytes=0",
      "-Dorg.bytedeco.javacpp.nopointergc=true"
    })
public class TrainerBenchmark {

  /// Longest sum: warm-up has three digits, the run twelve.
  @Param({"3", "12"})
  public int digits;

  @Param({"1", "2"})
  public int replicas;

  private List<TrainingRow> rows = List.of();
  private Trainer trainer = new Trainer(AdditionModel.decoder(), OptimizerConfig.defaults(), 1);

  /// Makes the trainer and its batch.
  @Setup
  public void setUp() {
    trainer.close();
    trainer = new Trainer(AdditionModel.decoder(), OptimizerConfig.defaults(), replicas);
    rows = AdditionModel.rows(128, digits);
  }

  /// Frees its native memory.
  @TearDown
  public void tearDown() {
    trainer.close();
  }

  /// The step.
  @Benchmark
  public StepResult step() {
    TokenLoss meanNll =
        leaves -> LossValue.of(leaves.logp().sum().mul(new Scalar(-1.0 / leaves.batchTokens())));
    return trainer.step(rows, meanNll, 1e-5);
  }
}
