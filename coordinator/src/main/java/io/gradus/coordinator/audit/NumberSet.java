package io.gradus.coordinator.audit;

import java.util.HashMap;
import java.util.Map;

/// A set of numbers from 0, one bit each where they lie close together.
final class NumberSet {

  private static final int BITS_OF_A_CHUNK = 4096;

  private final Map<Long, long[]> chunks = new HashMap<>();

  /// Adds a number; whether it was not there.
  boolean add(long number) {
    long[] chunk =
        chunks.computeIfAbsent(
            number / BITS_OF_A_CHUNK, _ -> new long[BITS_OF_A_CHUNK / Long.SIZE]);
    int bit = (int) (number % BITS_OF_A_CHUNK);
    long mask = 1L << (bit % Long.SIZE);
    boolean isNew = (chunk[bit / Long.SIZE] & mask) == 0;
    chunk[bit / Long.SIZE] |= mask;
    return isNew;
  }

  boolean contains(long number) {
    long[] chunk = chunks.get(number / BITS_OF_A_CHUNK);
    int bit = (int) (number % BITS_OF_A_CHUNK);
    return chunk != null && (chunk[bit / Long.SIZE] & (1L << (bit % Long.SIZE))) != 0;
  }
}
