package io.gradus.core.run.simulation;

import io.gradus.core.group.GroupPurpose;
import io.gradus.core.group.Outcome;
import io.gradus.core.group.PayloadDigest;
import io.gradus.core.group.Verdict;
import io.gradus.core.policy.Manifest;
import io.gradus.core.run.Effect;
import java.util.HexFormat;
import java.util.List;

/// What the simulated policy can do: it gets better with every batch and worse with every stratum.
/// A completion is a function of seed, group, member and weights, as with a counter-based
/// generator, so it does not depend on when or where it is sampled.
final class Skill {

  private static final long GOLDEN = 0x9E3779B97F4A7C15L;

  private final long seed;
  private final double first;

  /// @param first pass rate of the easiest stratum under the first version
  Skill(long seed, double first) {
    this.seed = seed;
    this.first = first;
  }

  Outcome outcome(Effect.Grant grant, int member, Manifest weights) {
    double passRate =
        first
            + 0.03 * weights.batchOrZero()
            - 0.12 * (grant.task().stratum() - 1)
            + (grant.purpose() == GroupPurpose.RATIONALIZATION ? 0.3 : 0);
    long version = weights.lineage().hashCode();
    long bits = mix(mix(mix(seed ^ grant.group().value() * GOLDEN) + member) + version);
    double point = (bits >>> 11) * 0x1.0p-53;
    int tokens = 1 + (int) ((bits & 0xff) % 9);
    if (point < Math.clamp(passRate, 0.15, 0.95)) {
      return new Outcome(member, Verdict.RIGHT, 1, tokens, false);
    }
    boolean isUndecided = (bits >> 8 & 0xf) == 0;
    boolean isTruncated = (bits >> 12 & 0x7) == 0;
    return new Outcome(
        member, isUndecided ? Verdict.UNDECIDED : Verdict.WRONG, 0, tokens, isTruncated);
  }

  /// The digest of what was sampled.
  PayloadDigest digest(Effect.Grant grant, List<Outcome> outcomes, long salt) {
    long bits = mix(grant.group().value() * GOLDEN ^ grant.lease().value());
    for (Outcome outcome : outcomes) {
      bits =
          mix(
              bits * 31
                  + outcome.member() * 4L
                  + (outcome.verdict() == Verdict.RIGHT ? 1 : 0)
                  + outcome.tokens() * 1024L);
    }
    return of(bits + salt);
  }

  /// The digest of other bytes for the same group.
  PayloadDigest otherDigest(Submission submission) {
    return of(mix(submission.digest().hex().hashCode() + GOLDEN));
  }

  private static PayloadDigest of(long bits) {
    HexFormat hex = HexFormat.of();
    return new PayloadDigest(
        hex.toHexDigits(bits)
            + hex.toHexDigits(mix(bits))
            + hex.toHexDigits(mix(bits + 1))
            + hex.toHexDigits(mix(bits + 2)));
  }

  private static long mix(long z) {
    z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
    z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
    return z ^ (z >>> 31);
  }
}
