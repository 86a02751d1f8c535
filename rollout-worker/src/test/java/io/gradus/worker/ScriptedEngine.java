package io.gradus.worker;

import io.gradus.core.policy.Manifest;
import io.gradus.core.policy.PolicyVersion;
import io.gradus.core.task.Ending;
import io.gradus.policy.CharacterVocabulary;
import io.gradus.worker.engine.Engine;
import io.gradus.worker.engine.EngineException;
import io.gradus.worker.engine.LoadedPolicy;
import io.gradus.worker.engine.SampleOrder;
import io.gradus.worker.engine.SampledCompletion;
import io.gradus.worker.engine.SamplingRule;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BooleanSupplier;

/// An engine that adds: members with an even index answer right, those with an odd one wrong.
final class ScriptedEngine implements Engine {

  static final CharacterVocabulary VOCABULARY = CharacterVocabulary.of("0123456789+=#!*");

  /// Prompts of every batch, in order.
  final List<List<String>> batches = new CopyOnWriteArrayList<>();

  final List<SamplingRule> rules = new CopyOnWriteArrayList<>();
  final List<PolicyVersion> versions = new CopyOnWriteArrayList<>();

  /// A batch is sampled for each permit; unlimited unless a test drains it.
  final Semaphore permits = new Semaphore(1_000_000);

  /// Versions that cannot be loaded.
  final Set<Long> damaged = ConcurrentHashMap.newKeySet();

  /// Batches still to fail.
  final AtomicInteger failures = new AtomicInteger();

  final AtomicInteger open = new AtomicInteger();
  final AtomicInteger abandoned = new AtomicInteger();
  final AtomicInteger sampling = new AtomicInteger();

  @Override
  public String name() {
    return "scripted";
  }

  @Override
  public LoadedPolicy load(Manifest manifest) throws EngineException {
    if (damaged.contains(manifest.version().value())) {
      throw new EngineException("version " + manifest.version().value() + " is damaged");
    }
    open.incrementAndGet();
    return new Policy(manifest.version());
  }

  @Override
  public void close() {}

  private final class Policy implements LoadedPolicy {

    private final PolicyVersion version;

    private Policy(PolicyVersion version) {
      this.version = version;
    }

    @Override
    public PolicyVersion version() {
      return version;
    }

    @Override
    public int[] promptIds(String prompt) {
      int[] characters = VOCABULARY.encode(prompt);
      var ids = new int[characters.length + 1];
      ids[0] = VOCABULARY.bos();
      System.arraycopy(characters, 0, ids, 1, characters.length);
      return ids;
    }

    @Override
    public String text(int[] completionIds) {
      return VOCABULARY.decode(completionIds).replace("<eos>", "");
    }

    @Override
    public List<SampledCompletion> sample(
        SamplingRule rule, List<SampleOrder> orders, BooleanSupplier isAbandoned)
        throws EngineException {
      sampling.incrementAndGet();
      while (!permits.tryAcquire()) {
        if (isAbandoned.getAsBoolean()) {
          abandoned.incrementAndGet();
          throw new CancellationException("abandoned");
        }
        Thread.onSpinWait();
      }
      if (failures.getAndUpdate(left -> Math.max(0, left - 1)) > 0) {
        throw new EngineException("the engine has a bad day");
      }
      var prompts = new ArrayList<String>();
      var completions = new ArrayList<SampledCompletion>();
      for (SampleOrder order : orders) {
        if (isAbandoned.getAsBoolean()) {
          throw new CancellationException("abandoned");
        }
        String prompt =
            VOCABULARY.decode(Arrays.copyOfRange(order.promptIds(), 1, order.promptIds().length));
        prompts.add(prompt);
        completions.add(completion(prompt, order));
      }
      batches.add(prompts);
      rules.add(rule);
      versions.add(version);
      return completions;
    }

    private static SampledCompletion completion(String prompt, SampleOrder order) {
      String[] numbers = prompt.substring(0, prompt.indexOf('+') * 2 + 1).split("\\+", -1);
      BigInteger sum = number(numbers[0]).add(number(numbers[1]));
      if (order.member() % 2 == 1) {
        sum = sum.add(BigInteger.ONE);
      }
      String digits = new StringBuilder(sum.toString()).reverse().toString();
      String answer = digits + "0".repeat(numbers[0].length() + 1 - digits.length());
      int[] text = VOCABULARY.encode(prompt.contains("!") ? "1#" + answer : answer);
      int length = Math.min(text.length + 1, order.maxTokens());
      int[] ids = Arrays.copyOf(text, length);
      boolean ended = length == text.length + 1;
      if (ended) {
        ids[length - 1] = VOCABULARY.eos();
      }
      var logprobs = new float[length];
      Arrays.fill(logprobs, -0.25f);
      return new SampledCompletion(
          ids, logprobs, ended ? Ending.END_OF_SEQUENCE : Ending.TOKEN_LIMIT);
    }

    private static BigInteger number(String leastSignificantFirst) {
      return new BigInteger(new StringBuilder(leastSignificantFirst).reverse().toString());
    }

    @Override
    public void close() {
      open.decrementAndGet();
    }
  }
}
