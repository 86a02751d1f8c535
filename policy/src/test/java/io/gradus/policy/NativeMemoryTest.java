package io.gradus.policy;

import static org.assertj.core.api.Assertions.assertThat;

import io.gradus.policy.nativememory.NativeMemory;
import io.gradus.policy.nativememory.TorchThread;
import io.gradus.policy.sampling.SampleKey;
import io.gradus.policy.sampling.Sampler;
import io.gradus.policy.sampling.SamplingParameters;
import io.gradus.policy.sampling.SamplingRequest;
import io.gradus.policy.training.LossValue;
import io.gradus.policy.training.OptimizerConfig;
import io.gradus.policy.training.Trainer;
import io.gradus.policy.training.TrainingRow;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.RejectedExecutionException;
import org.assertj.core.api.Assertions;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.Test;

class NativeMemoryTest {

  @Test
  void isBackWhereItWasAfterAHundredStepsAndSamples() {
    NativeMemory.load();
    long beforeAnything = NativeMemory.pointerCount();
    ModelConfig config = ReferenceDecoder.smallConfig(16, 2, 2, true, PositionIds.DIGIT_COUPLED);
    var rows = new ArrayList<TrainingRow>();
    var requests = new ArrayList<SamplingRequest>();
    for (int i = 0; i < 64; i++) {
      int[] ids = ReferenceDecoder.rows().get(i % 4);
      rows.add(TrainingRow.of(ids, 1, i % 2 == 0 ? 1 : 0.7));
      requests.add(new SamplingRequest(new int[] {13, i % 10, 10}, new SampleKey(1, i, 0), 12));
    }
    Decoder decoder = ReferenceDecoder.decoderWithGains(config, 3);
    try (var trainer = new Trainer(decoder, OptimizerConfig.defaults(), 2);
        var sampler = new Sampler(decoder)) {
      work(trainer, sampler, rows, requests, 20);
      long pointers = NativeMemory.pointerCount();
      long bytes = Pointer.physicalBytes();

      work(trainer, sampler, rows, requests, 100);

      assertThat(NativeMemory.pointerCount()).isLessThanOrEqualTo(pointers);
      // A hundred leaked steps would hold far more than what allocator and JIT add meanwhile.
      assertThat(Pointer.physicalBytes() - bytes).isLessThan(64L << 20);
    }
    assertThat(NativeMemory.pointerCount()).isLessThanOrEqualTo(beforeAnything);
  }

  private static void work(
      Trainer trainer,
      Sampler sampler,
      List<TrainingRow> rows,
      List<SamplingRequest> requests,
      int times) {
    for (int i = 0; i < times; i++) {
      trainer.step(
          rows,
          leaves -> LossValue.of(leaves.logp().sum().mul(new Scalar(-1.0 / leaves.batchTokens()))),
          1e-3);
      sampler.sample(requests, SamplingParameters.unfiltered(1), () -> false);
    }
  }

  /// Every other test for leaks rests on this one.
  @Test
  void countsWhatIsNotClosed() {
    NativeMemory.prepareThread();
    long before = NativeMemory.pointerCount();

    Tensor open = torch.zeros(3);

    assertThat(NativeMemory.pointerCount()).isGreaterThan(before);
    open.close();
    assertThat(NativeMemory.pointerCount()).isLessThanOrEqualTo(before);
  }

  @Test
  void runsTasksOnOneNamedPlatformThreadWithOneNativeThread()
      throws ExecutionException, InterruptedException {
    try (var owner = new TorchThread("model-owner", 4)) {
      Thread first = owner.submit(Thread::currentThread).get();

      assertThat(first.getName()).isEqualTo("model-owner");
      assertThat(first.isVirtual()).isFalse();
      assertThat(owner.submit(Thread::currentThread).get()).isSameAs(first);
      assertThat(owner.submit(torch::get_num_threads).get()).isEqualTo(1);
      assertThat(torch.get_num_interop_threads()).isEqualTo(1);
    }
  }

  @Test
  void refusesTasksBeyondItsQueue() throws InterruptedException {
    var running = new CountDownLatch(1);
    var release = new CountDownLatch(1);
    try (var owner = new TorchThread("model-owner", 1)) {
      var first =
          owner.submit(() -> {
            running.countDown();
            release.await();
            return 0;
          });
      running.await();
      var second = owner.submit(() -> 1);

      Assertions.assertThatExceptionOfType(RejectedExecutionException.class)
          .isThrownBy(() -> owner.submit(() -> 2));
      release.countDown();
      assertThat(first.join() + second.join()).isEqualTo(1);
    }
  }

  @Test
  void refusesVirtualThreads() throws InterruptedException {
    var failure = new ArrayList<Throwable>();
    Thread.ofVirtual()
        .start(() -> {
          try {
            NativeMemory.prepareThread();
          } catch (IllegalStateException e) {
            failure.add(e);
          }
        })
        .join();

    assertThat(failure).singleElement().asString().contains("virtual thread");
  }
}
