package io.gradus.policy.nativememory;

import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;

/// The named platform thread that owns a model; others hand it work through a bounded queue.
///
/// Tasks run one after another in the order they were accepted. A full queue refuses instead of
/// growing.
public final class TorchThread implements AutoCloseable {

  private final ThreadPoolExecutor executor;
  private final String name;

  /// Starts the thread.
  ///
  /// @param name what thread dumps show
  /// @param queueCapacity how many tasks may wait, at least 1
  public TorchThread(String name, int queueCapacity) {
    this.name = name;
    executor =
        new ThreadPoolExecutor(
            1,
            1,
            0,
            TimeUnit.SECONDS,
            new ArrayBlockingQueue<>(queueCapacity),
            Thread.ofPlatform().name(name).daemon(true).factory());
    executor.execute(NativeMemory::prepareThread);
  }

  /// Runs `task` on the thread; its result or its exception arrives in the future.
  ///
  /// @throws RejectedExecutionException if the queue is full or the thread is closed
  public <T> CompletableFuture<T> submit(Callable<T> task) {
    var future = new CompletableFuture<T>();
    executor.execute(() -> {
      try {
        future.complete(task.call());
      } catch (Throwable e) {
        future.completeExceptionally(e);
      }
    });
    return future;
  }

  /// Lets accepted tasks finish, for at most a minute, and ends the thread.
  @Override
  public void close() {
    executor.shutdown();
    try {
      if (!executor.awaitTermination(1, TimeUnit.MINUTES)) {
        throw new IllegalStateException("thread " + name + " is still busy after one minute");
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
