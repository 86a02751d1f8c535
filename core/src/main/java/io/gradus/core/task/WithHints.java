package io.gradus.core.task;

import io.gradus.core.group.GroupPurpose;

/// A family whose gold text also shows what a hint is: every other sequence has the answer in its
/// prompt, as [Problem#hintedPrompt] does. A policy that never saw one would not know what to make
/// of it; STaR shows its hints in the same way, in the examples before a problem.
///
/// Problems are those of the family.
public record WithHints(TaskFamily family) implements TaskFamily {

  private static final String SUFFIX = "/with-hints";

  /// @throws IllegalArgumentException if completions of the family have no rationale
  public WithHints {
    if (!family.format().hasRationale() || family instanceof WithHints) {
      throw new IllegalArgumentException(
          "generator %s has no rationale that a hint could help to find"
              .formatted(family.generator()));
    }
  }

  /// The name of the family's own generator.
  static String plainName(String generator) {
    return generator.endsWith(SUFFIX)
        ? generator.substring(0, generator.length() - SUFFIX.length())
        : generator;
  }

  @Override
  public String generator() {
    return family.generator() + SUFFIX;
  }

  @Override
  public int version() {
    return family.version();
  }

  @Override
  public ArithmeticFormat format() {
    return family.format();
  }

  @Override
  public Problem problem(long seed, GroupPurpose purpose, int stratum, long index) {
    return family.problem(seed, purpose, stratum, index);
  }

  @Override
  public GoldText gold(long seed, int stratum, long index) {
    GoldText gold = family.gold(seed, stratum, index);
    if (index % 2 == 0) {
      return gold;
    }
    String answer =
        gold.completion().substring(gold.completion().indexOf(Problem.ANSWER_FOLLOWS) + 1);
    var problem = new Problem(gold.prompt(), answer, format());
    return new GoldText(stratum, problem.hintedPrompt(), gold.completion());
  }

  @Override
  public int goldLength(int stratum) {
    return family.goldLength(stratum);
  }
}
