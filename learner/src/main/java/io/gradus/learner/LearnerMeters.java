package io.gradus.learner;

import java.time.Duration;
import java.util.concurrent.atomic.AtomicLong;

/// The counters behind [LearnerFigures]. Each has one writing thread; atomics make the numbers
/// visible to readers, who may see counters of one batch at slightly different moments.
final class LearnerMeters {

  final AtomicLong sessions = new AtomicLong();
  final AtomicLong batches = new AtomicLong();
  final AtomicLong optimizerSteps = new AtomicLong();
  final AtomicLong skippedSteps = new AtomicLong();
  final AtomicLong tokens = new AtomicLong();
  final AtomicLong sequences = new AtomicLong();
  final AtomicLong failedBatches = new AtomicLong();
  final AtomicLong publications = new AtomicLong();
  final AtomicLong waitedNanos = new AtomicLong();
  final AtomicLong steppedNanos = new AtomicLong();
  final AtomicLong publishedNanos = new AtomicLong();
  final AtomicLong writtenNanos = new AtomicLong();

  LearnerFigures figures() {
    return new LearnerFigures(
        sessions.get(),
        batches.get(),
        optimizerSteps.get(),
        skippedSteps.get(),
        tokens.get(),
        sequences.get(),
        failedBatches.get(),
        publications.get(),
        Duration.ofNanos(waitedNanos.get()),
        Duration.ofNanos(steppedNanos.get()),
        Duration.ofNanos(publishedNanos.get()),
        Duration.ofNanos(writtenNanos.get()));
  }
}
