package io.gradus.worker.engine;

import io.gradus.core.policy.PolicyVersion;
import java.util.List;
import java.util.function.BooleanSupplier;

/// The weights of one version, ready to sample.
public interface LoadedPolicy extends AutoCloseable {

  PolicyVersion version();

  /// Token ids of a prompt, BOS included.
  ///
  /// @throws IllegalArgumentException if the vocabulary lacks a character of it
  int[] promptIds(String prompt);

  /// Text of sampled ids without a final EOS; other special tokens become text that no answer has.
  String text(int[] completionIds);

  /// Samples one completion for each order, in the order of the orders. What is sampled depends on
  /// the seed, the order and the weights, not on the other orders.
  ///
  /// @param abandoned asked at least once a token position; once it says yes, all is dropped
  /// @throws EngineException if infrastructure failed; then nothing was sampled
  /// @throws java.util.concurrent.CancellationException if `abandoned` said yes
  List<SampledCompletion> sample(
      SamplingRule rule, List<SampleOrder> orders, BooleanSupplier abandoned)
      throws EngineException;

  @Override
  void close();
}
