package io.gradus.policy.sampling;

/// The name of a completion's random numbers, so that it does not depend on what is sampled beside
/// it, nor on when.
///
/// The number for token `t` and vocabulary id `v` is a hash of (seed, group, member, t, v): a
/// counter-based generator with the finalizer of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014) as
/// its mixing function.
///
/// @param seed the run's
/// @param group number of the group in the run
/// @param member index of the completion in its group
public record SampleKey(long seed, long group, int member) {

  private static final long GOLDEN = 0x9E3779B97F4A7C15L;

  /// The numbers of one completion are hashes of this and of what they are for.
  long row() {
    return mix(mix(mix(seed + GOLDEN) ^ (group + GOLDEN)) ^ (member + GOLDEN));
  }

  /// Fills `target[offset .. offset + vocabSize)` with uniform numbers for token `tokenIndex`.
  ///
  /// They are odd multiples of 2^-24, so neither they nor one minus them is ever 0, and exact in
  /// fp32.
  static void fillUniform(long row, int tokenIndex, float[] target, int offset, int vocabSize) {
    long counter = mix(row + GOLDEN * (tokenIndex + 1L));
    for (int v = 0; v < vocabSize; v++) {
      counter += GOLDEN;
      int bits = (int) (mix(counter) >>> 41);
      target[offset + v] = (2 * bits + 1) * 0x1p-24f;
    }
  }

  private static long mix(long z) {
    z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
    z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
    return z ^ (z >>> 31);
  }
}
