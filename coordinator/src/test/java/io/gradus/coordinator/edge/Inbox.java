package io.gradus.coordinator.edge;

import io.grpc.Status;
import io.grpc.stub.StreamObserver;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;

/// What a stream brought, in order; waiting has a limit.
public final class Inbox<T> implements StreamObserver<T> {

  private sealed interface Event<T> {
    record Next<T>(T value) implements Event<T> {}

    record Failed<T>(Throwable failure) implements Event<T> {}

    record Completed<T>() implements Event<T> {}
  }

  private final LinkedBlockingQueue<Event<T>> events = new LinkedBlockingQueue<>();

  @Override
  public void onNext(T value) {
    events.add(new Event.Next<>(value));
  }

  @Override
  public void onError(Throwable failure) {
    events.add(new Event.Failed<>(failure));
  }

  @Override
  public void onCompleted() {
    events.add(new Event.Completed<>());
  }

  private Event<T> poll() throws InterruptedException {
    Event<T> event = events.poll(20, TimeUnit.SECONDS);
    if (event == null) {
      throw new AssertionError("nothing came within 20 s");
    }
    return event;
  }

  /// The next message.
  public T next() throws InterruptedException {
    return switch (poll()) {
      case Event.Next<T>(var value) -> value;
      case Event.Failed<T>(var failure) -> throw new AssertionError("the stream failed", failure);
      case Event.Completed<T>() -> throw new AssertionError("the stream ended");
    };
  }

  /// The next message that is wanted; others are skipped.
  public T next(Predicate<T> isWanted) throws InterruptedException {
    T value = next();
    while (!isWanted.test(value)) {
      value = next();
    }
    return value;
  }

  /// The failure that ends the stream.
  public Status failure() throws InterruptedException {
    return Status.fromThrowable(throwable());
  }

  public Throwable throwable() throws InterruptedException {
    while (true) {
      switch (poll()) {
        case Event.Next<T> _ -> {}
        case Event.Failed<T>(var failure) -> {
          return failure;
        }
        case Event.Completed<T>() -> throw new AssertionError("the stream ended well");
      }
    }
  }

  /// Waits for a good end.
  public void completion() throws InterruptedException {
    while (true) {
      switch (poll()) {
        case Event.Next<T> _ -> {}
        case Event.Failed<T>(var failure) -> throw new AssertionError("the stream failed", failure);
        case Event.Completed<T>() -> {
          return;
        }
      }
    }
  }
}
