package io.gradus.worker.link;

import static java.util.concurrent.TimeUnit.NANOSECONDS;

import io.gradus.core.group.LeaseId;
import io.gradus.core.policy.PolicyVersion;
import io.gradus.core.retry.Backoff;
import io.gradus.core.retry.Outage;
import io.gradus.core.worker.WorkerProtocol;
import io.gradus.rollout.v1.GroupFailed;
import io.gradus.rollout.v1.Label;
import io.gradus.rollout.v1.LeasesGranted;
import io.gradus.rollout.v1.Loaded;
import io.gradus.rollout.v1.Register;
import io.gradus.rollout.v1.RolloutServiceGrpc;
import io.gradus.rollout.v1.RunAssigned;
import io.gradus.rollout.v1.WorkRequest;
import io.gradus.rollout.v1.WorkResponse;
import io.gradus.worker.WorkerConfig;
import io.gradus.worker.lease.LeaseBook;
import io.gradus.worker.lease.LeasedGroup;
import io.gradus.worker.run.RunAssignment;
import io.gradus.worker.run.RunSpecMapper;
import io.grpc.Channel;
import io.grpc.Status;
import io.grpc.stub.ClientCallStreamObserver;
import io.grpc.stub.ClientResponseObserver;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Keeps the worker's stream open: registers, sends heartbeats, brings leases to the book, and
/// opens the stream anew when it breaks, until the coordinator has been away for too long.
///
/// One thread writes to the stream; gRPC's threads read from it, one message at a time, and only
/// touch the book. What others want to say goes through a bounded queue.
public final class WorkLoop {

  /// How the loop ended.
  public sealed interface Ending {

    /// It was closed from here.
    record Closed() implements Ending {}

    /// The coordinator does not want this worker, or was away for too long.
    record Failed(Status status) implements Ending {}
  }

  /// Something to say, or something that happened to the stream.
  private sealed interface Event {

    record Credits() implements Event {}

    record InUse(String runId, PolicyVersion version) implements Event {}

    record GivenBack(String runId, long group, long lease, String reason) implements Event {}

    record Broken(Session session, Status status) implements Event {}

    record Close() implements Event {}
  }

  private static final Logger log = LoggerFactory.getLogger(WorkLoop.class);

  private static final int MAX_MESSAGE_CHARACTERS = 4096;

  private final Channel channel;
  private final WorkerConfig config;
  private final String engineName;
  private final LeaseBook book;
  private final LongSupplier nanoTime;
  private final LongSupplier engineProgress;
  private final ArrayBlockingQueue<Event> events;

  /// Whether a Credits event waits already: one heartbeat says it all.
  private final AtomicBoolean creditsWaiting = new AtomicBoolean();

  /// Versions in use by run, to be told again to a coordinator that has lost its memory.
  private final Map<String, PolicyVersion> inUse = new ConcurrentHashMap<>();

  private final CountDownLatch closing = new CountDownLatch(1);

  private final Outage outage = new Outage();

  /// Whether the stream at hand has reached a coordinator; written by the loop and by gRPC's
  /// threads.
  private volatile boolean isConnected;

  /// @param engineProgress a number that rises with every token that the engine samples
  public WorkLoop(
      Channel channel,
      WorkerConfig config,
      String engineName,
      LeaseBook book,
      LongSupplier nanoTime,
      LongSupplier engineProgress) {
    this.channel = channel;
    this.config = config;
    this.engineName = engineName;
    this.book = book;
    this.nanoTime = nanoTime;
    this.engineProgress = engineProgress;
    events = new ArrayBlockingQueue<>(4 * config.slots() + 64);
  }

  /// Asks for a heartbeat soon. Never blocks.
  public void creditsChanged() {
    if (creditsWaiting.compareAndSet(false, true) && !events.offer(new Event.Credits())) {
      creditsWaiting.set(false);
    }
  }

  /// Newer weights are in use. Never blocks.
  public void loaded(String runId, PolicyVersion version) {
    inUse.put(runId, version);
    say(new Event.InUse(runId, version));
  }

  /// Whether a coordinator holds the stream.
  public boolean isConnected() {
    return isConnected;
  }

  /// Gives leases back. Never blocks.
  public void giveBack(List<LeasedGroup> groups, String reason) {
    for (LeasedGroup group : groups) {
      book.release(group.run().runId(), group.lease());
      say(
          new Event.GivenBack(
              group.run().runId(), group.group().value(), group.lease().value(), reason));
    }
    creditsChanged();
  }

  private void say(Event event) {
    if (!events.offer(event)) {
      // Nothing is lost but time: heartbeats no longer name the lease, so it runs out; versions in
      // use are told again with the next registration.
      log.atWarn().addKeyValue("event", event).log("no room to tell the coordinator");
    }
  }

  /// Ends the loop soon.
  public void close() {
    closing.countDown();
    say(new Event.Close());
  }

  /// Works until closed or given up.
  public Ending run() throws InterruptedException {
    var backoff = new Backoff(new SplittableRandom(config.workerId().hashCode()));
    long lastHeard = nanoTime.getAsLong();
    while (true) {
      var session = new Session();
      Optional<Status> broken = serve(session);
      isConnected = false;
      book.disconnected();
      if (broken.isEmpty()) {
        return new Ending.Closed();
      }
      Status status = broken.get();
      if (session.wasHeld()) {
        backoff.reset();
        lastHeard = nanoTime.getAsLong();
      }
      boolean tooLate = nanoTime.getAsLong() - lastHeard > config.reconnectDeadline().toNanos();
      if (!Refusals.mayPass(status) || tooLate) {
        log.atError()
            .addKeyValue("worker", config.workerId())
            .addKeyValue("status", Refusals.told(status))
            .log("the coordinator is given up");
        return new Ending.Failed(status);
      }
      Duration wait = backoff.next();
      outage
          .failed(nanoTime.getAsLong())
          .ifPresent(lasted ->
              log.atWarn()
                  .addKeyValue("worker", config.workerId())
                  .addKeyValue("coordinators", channel.authority())
                  .addKeyValue("status", Refusals.told(status))
                  .addKeyValue("away_seconds", lasted.toSeconds())
                  .addKeyValue("gives_up_after_seconds", config.reconnectDeadline().toSeconds())
                  .log("no coordinator holds the worker's stream; it goes on trying to open one"));
      if (closing.await(wait.toNanos(), NANOSECONDS)) {
        return new Ending.Closed();
      }
    }
  }

  /// Serves one stream; the status it broke with, or absent if it was closed from here.
  private Optional<Status> serve(Session session) throws InterruptedException {
    RolloutServiceGrpc.newStub(channel).work(session);
    ClientCallStreamObserver<WorkRequest> requests = session.requests();
    try {
      requests.onNext(WorkRequest.newBuilder().setRegister(register()).build());
      beat(requests);
      long nextBeat = nanoTime.getAsLong() + session.heartbeatNanos();
      while (true) {
        long wait = Math.max(0, nextBeat - nanoTime.getAsLong());
        Event event = events.poll(wait, NANOSECONDS);
        switch (event) {
          case null -> {
            if (requests.isReady()) {
              session.holds();
            }
            beat(requests);
            nextBeat = nanoTime.getAsLong() + session.heartbeatNanos();
          }
          case Event.Credits() -> {
            creditsWaiting.set(false);
            beat(requests);
            nextBeat = nanoTime.getAsLong() + session.heartbeatNanos();
          }
          case Event.InUse(String runId, PolicyVersion version) ->
              requests.onNext(
                  WorkRequest.newBuilder()
                      .setLoaded(
                          Loaded.newBuilder().setRunId(runId).setPolicyVersion(version.value()))
                      .build());
          case Event.GivenBack(String runId, long group, long lease, String reason) ->
              requests.onNext(
                  WorkRequest.newBuilder()
                      .setGroupFailed(
                          GroupFailed.newBuilder()
                              .setRunId(runId)
                              .setGroupId(group)
                              .setLeaseId(lease)
                              .setMessage(shortened(reason)))
                      .build());
          case Event.Broken(Session of, Status status) -> {
            if (of == session) {
              return Optional.of(status);
            }
          }
          case Event.Close() -> {
            session.abandon();
            requests.onCompleted();
            return Optional.empty();
          }
        }
      }
    } catch (IllegalStateException e) {
      // Writing to a call that just ended; the reason is on its way or already in the queue.
      session.abandon();
      requests.cancel("the stream broke", e);
      return Optional.of(session.failure().orElse(Status.UNAVAILABLE.withCause(e)));
    }
  }

  private Register register() {
    var register =
        Register.newBuilder()
            .setWorkerId(config.workerId())
            .setSlots(config.slots())
            .setEngine(engineName)
            .setPool(config.pool())
            .setProtocol(WorkerProtocol.CURRENT);
    config
        .labels()
        .forEach(
            (name, value) -> register.addLabels(Label.newBuilder().setName(name).setValue(value)));
    return register.build();
  }

  private void beat(ClientCallStreamObserver<WorkRequest> requests) {
    LeaseBook.Standing standing = book.standing(engineProgress.getAsLong());
    requests.onNext(WorkRequest.newBuilder().setHeartbeat(ProtoMapper.heartbeat(standing)).build());
  }

  private static String shortened(String reason) {
    return reason.length() <= MAX_MESSAGE_CHARACTERS
        ? reason
        : reason.substring(0, MAX_MESSAGE_CHARACTERS);
  }

  /// One stream. Callbacks come from gRPC's threads, one at a time.
  private final class Session implements ClientResponseObserver<WorkRequest, WorkResponse> {

    private static final long FIRST_HEARTBEAT_NANOS = 1_000_000_000L;

    private @Nullable ClientCallStreamObserver<WorkRequest> requests;

    /// Written by gRPC's threads, read by the loop: a third of the shortest lease's time to live.
    private volatile long heartbeatNanos = FIRST_HEARTBEAT_NANOS;

    private volatile boolean held;
    private volatile boolean abandoned;
    private volatile @Nullable Status failure;

    @Override
    public void beforeStart(ClientCallStreamObserver<WorkRequest> stream) {
      requests = stream;
    }

    /// The coordinator has said something, or at least has not ended the stream for a heartbeat:
    /// one without work for the worker says nothing.
    private void holds() {
      if (abandoned || held) {
        return;
      }
      held = true;
      isConnected = true;
      outage
          .succeeded(nanoTime.getAsLong())
          .ifPresent(lasted ->
              log.atInfo()
                  .addKeyValue("worker", config.workerId())
                  .addKeyValue("away_seconds", lasted.toSeconds())
                  .log("a coordinator is back"));
    }

    private ClientCallStreamObserver<WorkRequest> requests() {
      ClientCallStreamObserver<WorkRequest> stream = requests;
      if (stream == null) {
        throw new IllegalStateException("the call has not started");
      }
      return stream;
    }

    private long heartbeatNanos() {
      return heartbeatNanos;
    }

    private boolean wasHeld() {
      return held;
    }

    private void abandon() {
      abandoned = true;
    }

    private Optional<Status> failure() {
      return Optional.ofNullable(failure);
    }

    @Override
    public void onNext(WorkResponse response) {
      if (abandoned) {
        return;
      }
      holds();
      switch (response.getKindCase()) {
        case RUN_ASSIGNED -> assigned(response.getRunAssigned());
        case LEASES_GRANTED -> granted(response.getLeasesGranted());
        case LEASES_REVOKED -> {
          var revoked = response.getLeasesRevoked();
          book.revoke(
              revoked.getRunId(), revoked.getLeaseIdsList().stream().map(LeaseId::new).toList());
          creditsChanged();
        }
        case VERSION_PUBLISHED ->
            book.announce(
                response.getVersionPublished().getRunId(),
                ProtoMapper.manifest(response.getVersionPublished().getManifest()),
                response.getVersionPublished().getSourcesList());
        case RUN_CLOSED -> {
          book.close(response.getRunClosed().getRunId());
          inUse.remove(response.getRunClosed().getRunId());
          creditsChanged();
        }
        case KIND_NOT_SET ->
            log.atWarn()
                .addKeyValue("bytes", response.getSerializedSize())
                .log("the coordinator says something that this build does not know");
      }
    }

    private void assigned(RunAssigned message) {
      RunAssignment assignment;
      try {
        assignment = RunSpecMapper.assignment(message);
      } catch (IllegalArgumentException e) {
        log.atError()
            .addKeyValue("run", message.getRunId())
            .setCause(e)
            .log("the run cannot be worked on here");
        return;
      }
      book.assign(assignment);
      heartbeatNanos = Math.min(heartbeatNanos, assignment.leaseTtl().toNanos() / 3);
      PolicyVersion version = inUse.get(assignment.runId());
      if (version != null) {
        say(new Event.InUse(assignment.runId(), version));
      }
      creditsChanged();
    }

    private void granted(LeasesGranted message) {
      Optional<RunAssignment> run = book.assignment(message.getRunId());
      if (run.isEmpty()) {
        message
            .getLeasesList()
            .forEach(lease ->
                say(
                    new Event.GivenBack(
                        message.getRunId(),
                        lease.getGroupId(),
                        lease.getLeaseId(),
                        "the run is not known here")));
        return;
      }
      var groups = new ArrayList<LeasedGroup>(message.getLeasesCount());
      for (var lease : message.getLeasesList()) {
        try {
          groups.add(ProtoMapper.leasedGroup(run.get(), lease));
        } catch (IllegalArgumentException e) {
          say(
              new Event.GivenBack(
                  message.getRunId(),
                  lease.getGroupId(),
                  lease.getLeaseId(),
                  String.valueOf(e.getMessage())));
        }
      }
      for (LeasedGroup refused : book.grant(groups)) {
        say(
            new Event.GivenBack(
                message.getRunId(),
                refused.group().value(),
                refused.lease().value(),
                "the worker's queue is full"));
      }
    }

    @Override
    public void onError(Throwable thrown) {
      end(Status.fromThrowable(thrown));
    }

    @Override
    public void onCompleted() {
      end(Status.UNAVAILABLE.withDescription("the coordinator ended the stream"));
    }

    private void end(Status status) {
      failure = status;
      if (!abandoned && !events.offer(new Event.Broken(this, status))) {
        // The queue is full of things to say on a stream that is gone.
        events.clear();
        creditsWaiting.set(false);
        say(new Event.Broken(this, status));
      }
    }
  }
}
