package io.gradus.core.group;

/// What the decider knows of one sampled trajectory: numbers, never tokens.
///
/// @param member index in the group, from 0
/// @param tokens completion tokens that carry loss
/// @param truncated whether the token limit cut it
public record Outcome(int member, Verdict verdict, float reward, int tokens, boolean truncated) {

  public Outcome {
    if (member < 0 || tokens < 0 || !Float.isFinite(reward)) {
      throw new IllegalArgumentException(
          "outcome of member %d with %d tokens and reward %s is impossible"
              .formatted(member, tokens, reward));
    }
  }
}
