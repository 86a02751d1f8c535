package io.gradus.benchmarks.load;

import java.util.Arrays;
import java.util.Locale;

/// Times of one measurement; beyond its capacity every further one takes the place of an older one.
final class Latencies {

  private final long[] nanos = new long[1 << 20];
  private int count;
  private long groups;

  synchronized void add(long time, int ofGroups) {
    nanos[count % nanos.length] = time;
    count++;
    groups += ofGroups;
  }

  synchronized void clear() {
    count = 0;
    groups = 0;
  }

  synchronized long groups() {
    return groups;
  }

  /// One line of JSON.
  synchronized String report(double seconds) {
    long[] sorted = Arrays.copyOf(nanos, Math.min(count, nanos.length));
    Arrays.sort(sorted);
    return String.format(
        Locale.ROOT,
        "{\"per_second\": %.1f, \"p50_ms\": %.2f, \"p99_ms\": %.2f, \"seconds\": %.2f}",
        groups / seconds,
        quantile(sorted, 0.5),
        quantile(sorted, 0.99),
        seconds);
  }

  private static double quantile(long[] sorted, double quantile) {
    return sorted.length == 0
        ? Double.NaN
        : sorted[(int) Math.min(sorted.length - 1, quantile * sorted.length)] / 1e6;
  }
}
