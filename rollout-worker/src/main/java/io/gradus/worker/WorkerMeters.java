package io.gradus.worker;

import java.time.Duration;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;

/// The counters behind [WorkerFigures]. Each has one writing thread; atomics make the numbers
/// visible to readers, who may see counters of one batch at slightly different moments.
final class WorkerMeters {

  final AtomicLong batches = new AtomicLong();
  final AtomicLong groups = new AtomicLong();
  final AtomicLong completions = new AtomicLong();
  final AtomicLong tokens = new AtomicLong();
  final AtomicLong right = new AtomicLong();
  final AtomicLong truncated = new AtomicLong();
  final AtomicLong versionsLoaded = new AtomicLong();
  final AtomicLong groupsFailed = new AtomicLong();
  final AtomicLong submitRetries = new AtomicLong();
  final AtomicLong samplingNanos = new AtomicLong();
  final AtomicLong verifyingNanos = new AtomicLong();
  final AtomicLong loadingNanos = new AtomicLong();
  final AtomicLong idleNanos = new AtomicLong();
  final AtomicLong blockedNanos = new AtomicLong();

  /// Token positions decoded, across batches: the progress that heartbeats report.
  final AtomicLong progress = new AtomicLong();

  final AtomicBoolean isSampling = new AtomicBoolean();

  WorkerFigures figures() {
    return new WorkerFigures(
        batches.get(),
        groups.get(),
        completions.get(),
        tokens.get(),
        right.get(),
        truncated.get(),
        versionsLoaded.get(),
        groupsFailed.get(),
        submitRetries.get(),
        Duration.ofNanos(samplingNanos.get()),
        Duration.ofNanos(verifyingNanos.get()),
        Duration.ofNanos(loadingNanos.get()),
        Duration.ofNanos(idleNanos.get()),
        Duration.ofNanos(blockedNanos.get()));
  }
}
