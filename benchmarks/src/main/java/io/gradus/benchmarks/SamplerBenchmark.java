package io.gradus.benchmarks;

import io.gradus.policy.Decoder;
import io.gradus.policy.sampling.Completion;
import io.gradus.policy.sampling.SampleKey;
import io.gradus.policy.sampling.Sampler;
import io.gradus.policy.sampling.SamplingParameters;
import io.gradus.policy.sampling.SamplingRequest;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
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

/// Completions of sums of 1 to 12 digits, 17 tokens at most.
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
public class SamplerBenchmark {

  private static final int MAX_TOKENS = 17;

  @Param({"32", "256"})
  public int rows;

  private final Decoder decoder = AdditionModel.decoder();
  private final Sampler sampler = new Sampler(decoder);
  private List<SamplingRequest> requests = List.of();

  /// Makes the requests.
  @Setup
  public void setUp() {
    var made = new ArrayList<SamplingRequest>();
    for (int[] prompt : AdditionModel.prompts(rows, 12)) {
      made.add(new SamplingRequest(prompt, new SampleKey(1, made.size() + 1, 0), MAX_TOKENS));
    }
    requests = made;
  }

  /// Frees its native memory.
  @TearDown
  public void tearDown() {
    sampler.close();
    decoder.close();
  }

  /// All completions.
  @Benchmark
  public List<Completion> sample() {
    return sampler.sample(requests, SamplingParameters.unfiltered(1), () -> false);
  }
}
