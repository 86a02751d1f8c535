package io.gradus.worker.engine.libtorch;

import io.gradus.core.policy.PolicyVersion;
import io.gradus.core.task.Ending;
import io.gradus.policy.CharacterVocabulary;
import io.gradus.policy.sampling.Completion;
import io.gradus.policy.sampling.SampleKey;
import io.gradus.policy.sampling.SamplingParameters;
import io.gradus.policy.sampling.SamplingRequest;
import io.gradus.worker.engine.EngineException;
import io.gradus.worker.engine.LoadedPolicy;
import io.gradus.worker.engine.SampleOrder;
import io.gradus.worker.engine.SampledCompletion;
import io.gradus.worker.engine.SamplingRule;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;

/// One version's weights in a seat, which it gives back when it is closed.
final class LibtorchPolicy implements LoadedPolicy {

  private final PolicyVersion version;
  private final Seat seat;
  private final Consumer<Seat> giveBack;
  private final CharacterVocabulary vocabulary;
  private boolean isClosed;

  LibtorchPolicy(PolicyVersion version, Seat seat, Consumer<Seat> giveBack) {
    this.version = version;
    this.seat = seat;
    this.giveBack = giveBack;
    vocabulary = seat.config().vocabulary();
  }

  @Override
  public PolicyVersion version() {
    return version;
  }

  @Override
  public int[] promptIds(String prompt) {
    int[] characters = vocabulary.encode(prompt);
    var ids = new int[characters.length + 1];
    ids[0] = vocabulary.bos();
    System.arraycopy(characters, 0, ids, 1, characters.length);
    return ids;
  }

  @Override
  public String text(int[] completionIds) {
    int end = completionIds.length;
    boolean isEnded = end > 0 && completionIds[end - 1] == vocabulary.eos();
    return vocabulary.decode(isEnded ? Arrays.copyOf(completionIds, end - 1) : completionIds);
  }

  @Override
  public List<SampledCompletion> sample(
      SamplingRule rule, List<SampleOrder> orders, BooleanSupplier abandoned)
      throws EngineException {
    if (isClosed) {
      throw new IllegalStateException("policy version " + version.value() + " is closed");
    }
    var requests = new ArrayList<SamplingRequest>(orders.size());
    for (SampleOrder order : orders) {
      requests.add(
          new SamplingRequest(
              order.promptIds(),
              new SampleKey(rule.seed(), order.group(), order.member()),
              order.maxTokens()));
    }
    var parameters = new SamplingParameters(rule.temperature(), rule.topK(), rule.topP(), 0);
    List<Completion> completions = seat.sampler().sample(requests, parameters, abandoned);
    var sampled = new ArrayList<SampledCompletion>(completions.size());
    for (Completion completion : completions) {
      refuseNonFinite(completion.logprobs());
      sampled.add(
          new SampledCompletion(
              completion.tokenIds(),
              completion.logprobs(),
              switch (completion.finish()) {
                case EOS -> Ending.END_OF_SEQUENCE;
                case LENGTH -> Ending.TOKEN_LIMIT;
              }));
    }
    return sampled;
  }

  /// Weights that are no numbers still give an argmax; it is not an answer of the policy.
  private void refuseNonFinite(float[] logprobs) throws EngineException {
    for (float logprob : logprobs) {
      if (!Float.isFinite(logprob)) {
        throw new EngineException(
            "policy version %d gives a token the log-probability %s; its weights are not finite"
                .formatted(version.value(), logprob));
      }
    }
  }

  @Override
  public void close() {
    if (!isClosed) {
      isClosed = true;
      giveBack.accept(seat);
    }
  }
}
