package io.gradus.core.task;

import io.gradus.core.group.GroupPurpose;

/// Random digits as a pure function of (seed, stream, stratum, index): problem 1,000,000 costs no
/// more than problem 0, and any program can make it again.
///
/// With `mix` the finalizer of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014, variant 13 of Stafford)
/// and `g` = 0x9E3779B97F4A7C15, all arithmetic modulo 2^64:
///
/// ```
/// s = mix(mix(mix(mix(seed + g) + g·stream) + g·stratum) + g·index)
/// draw k = 1, 2, …:  floor(mix(s + g·k) · bound / 2^64)
/// ```
///
/// Each `mix` is a bijection, so two problems of a stream collide only as random ones do.
final class Draws {

  /// Streams that never share draws. The ordinals of enums are not used: reordering one would
  /// change every problem.
  enum Stream {
    TRAINING(1),
    EVALUATION(2),
    CONFIRMATION(3),
    GOLD(4),
    GOLD_STRATUM(5);

    private final long number;

    Stream(long number) {
      this.number = number;
    }
  }

  private static final long GOLDEN = 0x9E3779B97F4A7C15L;

  private long state;

  Draws(long seed, Stream stream, int stratum, long index) {
    long s = mix(seed + GOLDEN);
    s = mix(s + GOLDEN * stream.number);
    s = mix(s + GOLDEN * stratum);
    state = mix(s + GOLDEN * index);
  }

  /// Draws for problem `index` of a stratum, from the stream of its purpose.
  static Draws of(long seed, GroupPurpose purpose, int stratum, long index) {
    Stream stream =
        switch (purpose) {
          case TRAINING, RATIONALIZATION -> Stream.TRAINING;
          case EVALUATION -> Stream.EVALUATION;
          case CONFIRMATION -> Stream.CONFIRMATION;
        };
    return new Draws(seed, stream, stratum, index);
  }

  /// The next draw, in `[0, bound)`; its bias is below bound / 2^64.
  int below(int bound) {
    state += GOLDEN;
    return (int) Math.unsignedMultiplyHigh(mix(state), bound);
  }

  /// Fills `digits` with a number of exactly that many digits, least significant first: the last
  /// one is not 0, unless it is the only one.
  void number(byte[] digits) {
    int last = digits.length - 1;
    for (int i = 0; i < last; i++) {
      digits[i] = (byte) below(10);
    }
    digits[last] = (byte) (last == 0 ? below(10) : 1 + below(9));
  }

  private static long mix(long z) {
    z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
    z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
    return z ^ (z >>> 31);
  }
}
