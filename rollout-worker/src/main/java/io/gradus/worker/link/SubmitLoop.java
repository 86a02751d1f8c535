package io.gradus.worker.link;

import static java.util.concurrent.TimeUnit.MILLISECONDS;
import static java.util.concurrent.TimeUnit.NANOSECONDS;

import io.gradus.core.group.LeaseId;
import io.gradus.core.retry.Backoff;
import io.gradus.rollout.v1.Admission;
import io.gradus.rollout.v1.GroupOutcome;
import io.gradus.rollout.v1.RolloutServiceGrpc;
import io.gradus.rollout.v1.SubmitGroupsRequest;
import io.gradus.rollout.v1.SubmitGroupsResponse;
import io.gradus.worker.WorkerConfig;
import io.gradus.worker.group.FinishedGroup;
import io.gradus.worker.lease.LeaseBook;
import io.gradus.worker.lease.LeasedGroup;
import io.grpc.Channel;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.ClientCallStreamObserver;
import io.grpc.stub.ClientResponseObserver;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.BiConsumer;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.slf4j.event.Level;

/// Submits finished engine batches, one after another, and repeats each with the very same bytes
/// until it is answered. The queue before it is bounded: while the coordinator is away the engine
/// waits, it does not pile up groups.
public final class SubmitLoop {

  private static final Logger log = LoggerFactory.getLogger(SubmitLoop.class);

  private final Channel channel;
  private final WorkerConfig config;
  private final LeaseBook book;
  private final LongSupplier nanoTime;
  private final BiConsumer<LeasedGroup, Admission> decided;
  private final Runnable settled;
  private final BiConsumer<List<LeasedGroup>, String> gaveUp;
  private final ArrayBlockingQueue<List<FinishedGroup>> queue;
  private final AtomicLong retries;
  private final CountDownLatch draining = new CountDownLatch(1);
  private final AtomicBoolean finishing = new AtomicBoolean();

  /// @param decided told the outcome of each group
  /// @param settled told after all outcomes of a call
  /// @param gaveUp told of groups whose submit cannot succeed
  /// @param retries counts repeated attempts
  public SubmitLoop(
      Channel channel,
      WorkerConfig config,
      LeaseBook book,
      LongSupplier nanoTime,
      BiConsumer<LeasedGroup, Admission> decided,
      Runnable settled,
      BiConsumer<List<LeasedGroup>, String> gaveUp,
      AtomicLong retries) {
    this.channel = channel;
    this.config = config;
    this.book = book;
    this.nanoTime = nanoTime;
    this.decided = decided;
    this.settled = settled;
    this.gaveUp = gaveUp;
    this.retries = retries;
    queue = new ArrayBlockingQueue<>(config.submitsInFlight());
  }

  /// Queues a batch; waits for room.
  public void submit(List<FinishedGroup> groups) throws InterruptedException {
    queue.put(List.copyOf(groups));
  }

  /// From now on nothing is repeated: what cannot be submitted at once is given up.
  public void drain() {
    draining.countDown();
  }

  /// Nothing more will be submitted: ends the loop once the queue is empty.
  public void finish() {
    draining.countDown();
    finishing.set(true);
  }

  /// Works until finished or interrupted.
  public void run() {
    try {
      while (true) {
        List<FinishedGroup> groups = queue.poll(50, MILLISECONDS);
        if (groups != null) {
          submitUntilAnswered(groups);
        } else if (finishing.get()) {
          return;
        }
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private void submitUntilAnswered(List<FinishedGroup> groups) throws InterruptedException {
    List<SubmitGroupsRequest> requests = ProtoMapper.requests(groups);
    var backoff = new Backoff(new SplittableRandom(groups.getFirst().group().lease().value()));
    long start = nanoTime.getAsLong();
    while (true) {
      Optional<Status> failure = attempt(groups, requests);
      if (failure.isEmpty()) {
        return;
      }
      Status status = failure.get();
      boolean tooLate =
          nanoTime.getAsLong() - start > config.reconnectDeadline().toNanos()
              || draining.getCount() == 0;
      if (!Refusals.mayPass(status) || tooLate) {
        log.atError()
            .addKeyValue("groups", groups.size())
            .addKeyValue("status", Refusals.told(status))
            .log("submit given up");
        gaveUp.accept(
            groups.stream().map(FinishedGroup::group).toList(),
            "submit failed: " + Refusals.told(status));
        return;
      }
      Duration wait = backoff.next();
      // While no coordinator is there the stream's loop says so.
      log.atLevel(status.getCode() == Status.Code.UNAVAILABLE ? Level.DEBUG : Level.WARN)
          .addKeyValue("groups", groups.size())
          .addKeyValue("status", Refusals.told(status))
          .addKeyValue("wait", wait)
          .log("submit will be repeated");
      retries.incrementAndGet();
      boolean _ = draining.await(wait.toNanos(), NANOSECONDS);
    }
  }

  /// One call; absent if it was answered.
  private Optional<Status> attempt(List<FinishedGroup> groups, List<SubmitGroupsRequest> requests)
      throws InterruptedException {
    long timeout = config.submitTimeout().toNanos();
    var call = new Call();
    try {
      RolloutServiceGrpc.newStub(channel)
          .withDeadlineAfter(timeout, NANOSECONDS)
          .submitGroups(call);
      for (SubmitGroupsRequest request : requests) {
        if (!call.awaitReady(timeout)) {
          break;
        }
        call.requests().onNext(request);
      }
      call.finish();
      settle(groups, call.response.get(timeout, NANOSECONDS));
      return Optional.empty();
    } catch (ExecutionException e) {
      return Optional.of(Status.fromThrowable(e.getCause()));
    } catch (StatusRuntimeException e) {
      return Optional.of(e.getStatus());
    } catch (IllegalStateException e) {
      // The call ended while it was written to; its own status says why.
      return Optional.of(call.failure(e));
    } catch (TimeoutException e) {
      call.cancel();
      return Optional.of(Status.DEADLINE_EXCEEDED.withDescription("no answer to a submit"));
    }
  }

  private void settle(List<FinishedGroup> groups, SubmitGroupsResponse response) {
    var byLease = new HashMap<Long, GroupOutcome>();
    response.getOutcomesList().forEach(outcome -> byLease.put(outcome.getLeaseId(), outcome));
    for (FinishedGroup finished : groups) {
      LeasedGroup group = finished.group();
      LeaseId lease = group.lease();
      book.release(group.run().runId(), lease);
      GroupOutcome outcome = byLease.get(lease.value());
      Admission admission =
          outcome == null ? Admission.ADMISSION_UNSPECIFIED : outcome.getAdmission();
      if (admission == Admission.ADMISSION_REFUSED
          || admission == Admission.ADMISSION_UNSPECIFIED) {
        log.atWarn()
            .addKeyValue("group", group.group().value())
            .addKeyValue("lease", lease.value())
            .addKeyValue("why", outcome == null ? "no outcome" : outcome.getMessage())
            .log("group refused");
      }
      decided.accept(group, admission);
    }
    settled.run();
  }

  /// One SubmitGroups call. gRPC's threads report readiness and the response; this loop's thread
  /// writes.
  private static final class Call
      implements ClientResponseObserver<SubmitGroupsRequest, SubmitGroupsResponse> {

    private final CompletableFuture<SubmitGroupsResponse> response = new CompletableFuture<>();
    private final Object ready = new Object();
    private @Nullable ClientCallStreamObserver<SubmitGroupsRequest> requests;

    @Override
    public void beforeStart(ClientCallStreamObserver<SubmitGroupsRequest> stream) {
      requests = stream;
      stream.setOnReadyHandler(this::wake);
    }

    private ClientCallStreamObserver<SubmitGroupsRequest> requests() {
      ClientCallStreamObserver<SubmitGroupsRequest> stream = requests;
      if (stream == null) {
        throw new IllegalStateException("the call has not started");
      }
      return stream;
    }

    private void wake() {
      synchronized (ready) {
        ready.notifyAll();
      }
    }

    /// Waits until the transport takes more; false if the call is over or time is up.
    private boolean awaitReady(long timeoutNanos) throws InterruptedException {
      long deadline = timeoutNanos;
      synchronized (ready) {
        while (!requests().isReady() && !response.isDone() && deadline > 0) {
          long slice = Math.min(deadline, Duration.ofMillis(100).toNanos());
          ready.wait(Math.max(1, slice / 1_000_000));
          deadline -= slice;
        }
      }
      return requests().isReady();
    }

    private void finish() {
      if (!response.isDone()) {
        requests().onCompleted();
      }
    }

    private void cancel() {
      requests().cancel("no answer in time", null);
    }

    private Status failure(IllegalStateException e) {
      if (response.isCompletedExceptionally()) {
        return Status.fromThrowable(response.exceptionNow());
      }
      cancel();
      return Status.UNAVAILABLE.withDescription("the call broke off").withCause(e);
    }

    @Override
    public void onNext(SubmitGroupsResponse value) {
      response.complete(value);
      wake();
    }

    @Override
    public void onError(Throwable failure) {
      response.completeExceptionally(failure);
      wake();
    }

    @Override
    public void onCompleted() {
      response.completeExceptionally(
          Status.INTERNAL.withDescription("no response").asRuntimeException());
      wake();
    }
  }
}
