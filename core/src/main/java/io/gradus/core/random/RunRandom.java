package io.gradus.core.random;

/// The random sequence of a run's decisions: draw k is a function of (seed, k), and the ledger
/// keeps k.
///
/// With `mix` the finalizer of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014, variant 13 of Stafford)
/// draw k is `mix(mix(seed + g) + g·k)`, all arithmetic modulo 2^64.
public final class RunRandom {

  private static final long GOLDEN = 0x9E3779B97F4A7C15L;

  private final long key;
  private long draws;

  /// @param draws how many were made before
  public RunRandom(long seed, long draws) {
    this.key = mix(seed + GOLDEN);
    this.draws = draws;
  }

  /// How many draws were made.
  public long draws() {
    return draws;
  }

  /// In `[0, bound)`; its bias is below bound / 2^64.
  public int below(int bound) {
    if (bound < 1) {
      throw new IllegalArgumentException("bound must be at least 1 but is " + bound);
    }
    return (int) Math.unsignedMultiplyHigh(next(), bound);
  }

  /// In `[0, 1)`, a multiple of 2^-53.
  public double unit() {
    return (next() >>> 11) * 0x1.0p-53;
  }

  private long next() {
    draws++;
    return mix(key + GOLDEN * draws);
  }

  private static long mix(long z) {
    z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
    z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
    return z ^ (z >>> 31);
  }
}
