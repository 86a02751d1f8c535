package io.gradus.learner.link;

import com.google.protobuf.ByteString;
import io.gradus.learner.batch.TrainingBatch;
import java.util.ArrayDeque;
import java.util.Optional;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.Lock;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/// What waits for the thread that trains: batches, at most as many as there are credits, and
/// whatever ends or interrupts a session. Only the newest stream is listened to.
///
/// Order of urgency: closing, failure, the end of the run, draining, batches, a broken stream. So a
/// batch that was received whole is applied even if its stream has broken since, and none is begun
/// once somebody asked to drain.
public final class Inbox {

  /// Something for the training thread.
  public sealed interface Arrival {

    /// A batch to apply.
    record Ready(TrainingBatch batch) implements Arrival {}

    /// A batch that is not what it should be.
    record Refused(long batch, ByteString sha256, String why) implements Arrival {}

    /// The run is over; no batch follows.
    record RunEnded() implements Arrival {}

    /// The stream broke.
    record Broken(Throwable failure) implements Arrival {}

    /// A report or a publication failed for good.
    record Failed(Exception failure) implements Arrival {}

    /// Somebody asked for a last checkpoint.
    record Draining() implements Arrival {}

    /// Somebody closed the learner.
    record Closed() implements Arrival {}

    /// Nothing came in time.
    record Nothing() implements Arrival {}
  }

  private final Lock lock = new ReentrantLock();
  private final Condition changed = lock.newCondition();

  // All guarded by the lock.
  private final ArrayDeque<Arrival> batches = new ArrayDeque<>();
  private @Nullable BatchStream stream;
  private @Nullable Arrival streamEnd;
  private @Nullable Exception failure;
  private long next = 1;
  private boolean wasHeard;
  private boolean isDraining;
  private boolean isClosed;

  /// Forgets everything of the session before.
  ///
  /// @param from number of the first batch that is lacking
  public void beginSession(long from) {
    lock.lock();
    try {
      batches.clear();
      stream = null;
      streamEnd = null;
      failure = null;
      next = from;
    } finally {
      lock.unlock();
    }
  }

  /// What a stream may send.
  ///
  /// @param from the first batch that is lacking
  /// @param batches how many, at once
  record Room(long from, int batches) {}

  /// Listens to `newer` alone from now on.
  Room listenTo(BatchStream newer, int credits) {
    lock.lock();
    try {
      stream = newer;
      streamEnd = null;
      wasHeard = false;
      return new Room(next, Math.max(0, credits - batches.size()));
    } finally {
      lock.unlock();
    }
  }

  /// Whether a message came since the last call or the last [#listenTo].
  boolean takeHeard() {
    lock.lock();
    try {
      boolean heard = wasHeard;
      wasHeard = false;
      return heard;
    } finally {
      lock.unlock();
    }
  }

  /// The most urgent arrival, waiting for one at most so long.
  public Arrival take(long nanos) throws InterruptedException {
    lock.lock();
    try {
      long left = nanos;
      while (true) {
        Optional<Arrival> arrival = poll();
        if (arrival.isPresent()) {
          return arrival.get();
        }
        if (left <= 0) {
          return new Arrival.Nothing();
        }
        left = changed.awaitNanos(left);
      }
    } finally {
      lock.unlock();
    }
  }

  private Optional<Arrival> poll() {
    if (isClosed) {
      return Optional.of(new Arrival.Closed());
    }
    Exception failed = failure;
    if (failed != null) {
      failure = null;
      return Optional.of(new Arrival.Failed(failed));
    }
    Arrival end = streamEnd;
    if (end instanceof Arrival.RunEnded) {
      return Optional.of(end);
    }
    if (isDraining) {
      return Optional.of(new Arrival.Draining());
    }
    if (!batches.isEmpty()) {
      return Optional.of(batches.remove());
    }
    streamEnd = null;
    return Optional.ofNullable(end);
  }

  /// Waits so long, or until somebody closes the learner; whether somebody did.
  public boolean awaitClosed(long nanos) throws InterruptedException {
    lock.lock();
    try {
      long left = nanos;
      while (!isClosed && left > 0) {
        left = changed.awaitNanos(left);
      }
      return isClosed;
    } finally {
      lock.unlock();
    }
  }

  void heard(BatchStream from) {
    lock.lock();
    try {
      wasHeard |= from == stream;
    } finally {
      lock.unlock();
    }
  }

  void received(BatchStream from, long number, Arrival batch) {
    change(() -> {
      if (from == stream) {
        batches.add(batch);
        next = number + 1;
      }
    });
  }

  void streamEnded(BatchStream from, Arrival end) {
    change(() -> {
      if (from == stream) {
        // What it says after its end, such as that it was cancelled, is not news.
        stream = null;
        streamEnd = end;
      }
    });
  }

  /// A report or a publication failed for good.
  public void fail(Exception cause) {
    change(() -> {
      if (failure == null) {
        failure = cause;
      }
    });
  }

  /// No further batch is begun.
  public void drain() {
    change(() -> isDraining = true);
  }

  public void close() {
    change(() -> isClosed = true);
  }

  private void change(Runnable mutation) {
    lock.lock();
    try {
      mutation.run();
      changed.signalAll();
    } finally {
      lock.unlock();
    }
  }
}
