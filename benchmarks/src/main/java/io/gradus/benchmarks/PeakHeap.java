package io.gradus.benchmarks;

import java.lang.management.ManagementFactory;
import java.lang.management.MemoryPoolMXBean;
import java.lang.management.MemoryType;

/// The most heap that this process ever used: the sum of its pools' peaks, which is an upper bound.
final class PeakHeap {

  private PeakHeap() {}

  static long bytes() {
    return ManagementFactory.getMemoryPoolMXBeans().stream()
        .filter(pool -> pool.getType() == MemoryType.HEAP)
        .map(MemoryPoolMXBean::getPeakUsage)
        .mapToLong(peak -> peak == null ? 0 : peak.getUsed())
        .sum();
  }
}
