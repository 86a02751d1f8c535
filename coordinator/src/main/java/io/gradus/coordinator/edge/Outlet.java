package io.gradus.coordinator.edge;

import io.grpc.StatusRuntimeException;
import io.grpc.stub.ServerCallStreamObserver;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.function.LongSupplier;

/// The sending side of a stream, with what its client has not room for yet. Owned by one actor.
///
/// gRPC buffers without a bound whatever is handed to it; so a message is handed over only while
/// the call says that it is ready, and the rest waits here, bounded.
final class Outlet<T> {

  private final ServerCallStreamObserver<T> call;
  private final int capacity;
  private final LongSupplier nanoTime;
  private final ArrayDeque<T> waiting = new ArrayDeque<>();
  private long lastSentNanos;
  private boolean isClosed;

  Outlet(ServerCallStreamObserver<T> call, int capacity, LongSupplier nanoTime) {
    this.call = call;
    this.capacity = capacity;
    this.nanoTime = nanoTime;
    this.lastSentNanos = nanoTime.getAsLong();
  }

  /// Sends or keeps a message.
  ///
  /// @return whether there was room
  boolean send(T message) {
    if (isClosed) {
      return true;
    }
    if (waiting.isEmpty()) {
      lastSentNanos = nanoTime.getAsLong();
    }
    if (waiting.isEmpty() && call.isReady()) {
      call.onNext(message);
      return true;
    }
    if (waiting.size() >= capacity) {
      return false;
    }
    waiting.add(message);
    return true;
  }

  /// Sends what waited, as far as the client has room now.
  void drain() {
    while (!isClosed && !waiting.isEmpty() && call.isReady()) {
      call.onNext(waiting.remove());
      lastSentNanos = nanoTime.getAsLong();
    }
  }

  boolean isEmpty() {
    return waiting.isEmpty();
  }

  /// Whether the client has read nothing for longer than `timeout` although something waits.
  boolean isStuck(Duration timeout) {
    return !waiting.isEmpty()
        && Duration.ofNanos(nanoTime.getAsLong() - lastSentNanos).compareTo(timeout) > 0;
  }

  void complete() {
    if (!isClosed) {
      isClosed = true;
      waiting.clear();
      call.onCompleted();
    }
  }

  void fail(StatusRuntimeException refusal) {
    if (!isClosed) {
      isClosed = true;
      waiting.clear();
      call.onError(refusal);
    }
  }

  /// The client is gone; nothing can be sent.
  void abandon() {
    isClosed = true;
    waiting.clear();
  }

  static StatusRuntimeException tooSlow() {
    return Refusals.exhausted(
        "SLOW_CONSUMER", "the client does not read what it is sent; open the stream again");
  }
}
