package io.gradus.learner.link;

import static java.util.concurrent.TimeUnit.NANOSECONDS;

import io.gradus.core.retry.Backoff;
import io.gradus.core.retry.Outage;
import io.gradus.learner.LearnerConfig;
import io.gradus.learner.v1.JoinRunRequest;
import io.gradus.learner.v1.JoinRunResponse;
import io.gradus.learner.v1.LearnerServiceGrpc;
import io.gradus.learner.v1.LearnerServiceGrpc.LearnerServiceFutureStub;
import io.gradus.learner.v1.PublishPolicyRequest;
import io.gradus.learner.v1.PublishPolicyResponse;
import io.gradus.learner.v1.ReportBatchRequest;
import io.grpc.Channel;
import io.grpc.Status;
import java.time.Duration;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Function;
import java.util.function.LongSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Calls of the LearnerService, each repeated until it is answered, with jitter and for as long as
/// the coordinator may be away; every call is idempotent by its key. Closing ends those under way.
public final class Calls {

  private static final Logger log = LoggerFactory.getLogger(Calls.class);

  private final LearnerServiceFutureStub stub;
  private final LearnerConfig config;
  private final LongSupplier nanoTime;
  private final CountDownLatch closing = new CountDownLatch(1);

  /// Of the coordinator, as calls and the batch stream see it: one line about it, not two.
  private final Outage outage = new Outage();

  /// Calls that wait for their answer, by a number that was not used yet.
  private final Map<Long, Future<?>> underWay = new ConcurrentHashMap<>();

  private final AtomicLong numbers = new AtomicLong();

  public Calls(Channel channel, LearnerConfig config, LongSupplier nanoTime) {
    stub = LearnerServiceGrpc.newFutureStub(channel);
    this.config = config;
    this.nanoTime = nanoTime;
  }

  public JoinRunResponse join(JoinRunRequest request)
      throws LinkException, ClosedException, InterruptedException {
    return repeat("joining the run", once -> once.joinRun(request));
  }

  void report(ReportBatchRequest request)
      throws LinkException, ClosedException, InterruptedException {
    repeat("reporting batch " + request.getBatch(), once -> once.reportBatch(request));
  }

  PublishPolicyResponse publish(PublishPolicyRequest request)
      throws LinkException, ClosedException, InterruptedException {
    return repeat(
        "publishing version " + request.getManifest().getPolicyVersion(),
        once -> once.publishPolicy(request));
  }

  /// Ends all calls under way, and refuses further ones.
  public void close() {
    closing.countDown();
    underWay.values().forEach(call -> call.cancel(true));
  }

  private <T> T repeat(String what, Function<LearnerServiceFutureStub, Future<T>> call)
      throws LinkException, ClosedException, InterruptedException {
    var backoff = new Backoff(new SplittableRandom(config.learnerId().hashCode()));
    long begun = nanoTime.getAsLong();
    while (true) {
      Throwable failure;
      try {
        T answer = once(call);
        succeeded();
        return answer;
      } catch (ExecutionException e) {
        failure = e.getCause() == null ? e : e.getCause();
      } catch (TimeoutException e) {
        failure = Status.DEADLINE_EXCEEDED.withCause(e).asRuntimeException();
      } catch (java.util.concurrent.CancellationException closed) {
        throw new ClosedException();
      }
      boolean tooLate = nanoTime.getAsLong() - begun > config.reconnectDeadline().toNanos();
      if (!LinkException.mayPass(failure)) {
        // It was a coordinator that refused.
        succeeded();
      }
      if (!LinkException.mayPass(failure) || tooLate) {
        throw new LinkException(
            what + (tooLate ? " failed for too long" : " was refused"), failure);
      }
      Duration wait = backoff.next();
      failed(what, failure);
      if (closing.await(wait.toNanos(), NANOSECONDS)) {
        throw new ClosedException();
      }
    }
  }

  /// Something failed that will be tried again.
  void failed(String what, Throwable failure) {
    outage
        .failed(nanoTime.getAsLong())
        .ifPresent(lasted ->
            log.atWarn()
                .addKeyValue("run", config.runId())
                .addKeyValue("coordinators", stub.getChannel().authority())
                .addKeyValue("doing", what)
                .addKeyValue("status", LinkException.textOf(failure))
                .addKeyValue("away_seconds", lasted.toSeconds())
                .addKeyValue("gives_up_after_seconds", config.reconnectDeadline().toSeconds())
                .log("no coordinator answers the learner; it goes on trying"));
  }

  /// A coordinator answered.
  void succeeded() {
    outage
        .succeeded(nanoTime.getAsLong())
        .ifPresent(lasted ->
            log.atInfo()
                .addKeyValue("run", config.runId())
                .addKeyValue("away_seconds", lasted.toSeconds())
                .log("a coordinator is back"));
  }

  /// Whether a coordinator answered the newest call.
  public boolean isAnswered() {
    return !outage.isAway();
  }

  private <T> T once(Function<LearnerServiceFutureStub, Future<T>> call)
      throws ExecutionException, TimeoutException, InterruptedException, ClosedException {
    long timeout = config.callTimeout().toNanos();
    Future<T> answer = call.apply(stub.withDeadlineAfter(timeout, NANOSECONDS));
    long number = numbers.incrementAndGet();
    underWay.put(number, answer);
    try {
      // Looked at after it was added: either closing cancels the call or it is seen here.
      if (closing.getCount() == 0) {
        throw new ClosedException();
      }
      // gRPC's own deadline comes first; this one is for a transport that forgets it.
      return answer.get(2 * timeout, NANOSECONDS);
    } finally {
      answer.cancel(true);
      underWay.remove(number);
    }
  }
}
