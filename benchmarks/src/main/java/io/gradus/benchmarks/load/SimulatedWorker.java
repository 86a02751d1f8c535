package io.gradus.benchmarks.load;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.gradus.rollout.v1.Admission;
import io.gradus.rollout.v1.Heartbeat;
import io.gradus.rollout.v1.Lease;
import io.gradus.rollout.v1.LeaseProgress;
import io.gradus.rollout.v1.Loaded;
import io.gradus.rollout.v1.Register;
import io.gradus.rollout.v1.RolloutServiceGrpc;
import io.gradus.rollout.v1.SubmitGroupsRequest;
import io.gradus.rollout.v1.SubmitGroupsResponse;
import io.gradus.rollout.v1.WorkRequest;
import io.gradus.rollout.v1.WorkResponse;
import io.grpc.Channel;
import io.grpc.stub.StreamObserver;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;

/// A worker without an engine. It registers, offers its slots, takes leases and submits groups, one
/// call at a time as real workers do, as fast as they are acknowledged or at given moments.
final class SimulatedWorker implements StreamObserver<WorkResponse> {

  /// Hears of every acknowledged group.
  interface Acknowledged {
    /// Groups of one call were acknowledged, so long after the first of them was due.
    void after(long nanos, int groups);
  }

  /// Hears that the worker cannot go on.
  interface Failed {
    void because(Throwable failure);
  }

  private final String id;
  private final int slots;
  private final int groupsPerCall;
  private final PayloadMaker payloads;
  private final Acknowledged acknowledged;
  private final Failed failed;
  private final RolloutServiceGrpc.RolloutServiceStub stub;
  private final StreamObserver<WorkRequest> out;
  private final CountDownLatch assigned = new CountDownLatch(1);
  private final CountDownLatch leased = new CountDownLatch(1);

  @GuardedBy("this")
  private final Map<Long, Lease> held = new LinkedHashMap<>();

  /// Leases whose groups are not submitted yet.
  @GuardedBy("this")
  private final ArrayDeque<Lease> ready = new ArrayDeque<>();

  /// When groups are due that were not submitted yet; only when the pace is given.
  @GuardedBy("this")
  private final ArrayDeque<Long> due = new ArrayDeque<>();

  @GuardedBy("this")
  private String runId = "";

  @GuardedBy("this")
  private boolean isFlatOut;

  @GuardedBy("this")
  private boolean isCalling;

  /// Whether leases that it asked for have not come yet.
  @GuardedBy("this")
  private boolean isAsking;

  @GuardedBy("this")
  private long beats;

  private SimulatedWorker(
      Channel channel,
      String id,
      int slots,
      int groupsPerCall,
      PayloadMaker payloads,
      Acknowledged acknowledged,
      Failed failed) {
    this.id = id;
    this.slots = slots;
    this.groupsPerCall = groupsPerCall;
    this.payloads = payloads;
    this.acknowledged = acknowledged;
    this.failed = failed;
    this.stub = RolloutServiceGrpc.newStub(channel);
    this.out = stub.work(this);
  }

  static SimulatedWorker register(
      Channel channel,
      String id,
      int slots,
      int groupsPerCall,
      PayloadMaker payloads,
      Acknowledged acknowledged,
      Failed failed) {
    var worker =
        new SimulatedWorker(channel, id, slots, groupsPerCall, payloads, acknowledged, failed);
    worker.out.onNext(
        WorkRequest.newBuilder()
            .setRegister(
                Register.newBuilder().setWorkerId(id).setSlots(slots).setEngine("simulated"))
            .build());
    worker.beat();
    return worker;
  }

  /// Opens once the worker has a run.
  CountDownLatch assigned() {
    return assigned;
  }

  /// Opens once the worker has a lease.
  CountDownLatch leased() {
    return leased;
  }

  /// Leases that it holds.
  synchronized int holds() {
    return held.size();
  }

  /// From now on it submits whatever it holds, or waits for [#submitAt].
  void flatOut(boolean isFlatOut) {
    synchronized (this) {
      this.isFlatOut = isFlatOut;
    }
    work();
  }

  /// One group is due at `nanos`, by the clock of `System.nanoTime`.
  void submitAt(long nanos) {
    synchronized (this) {
      due.add(nanos);
    }
    work();
  }

  /// Says what it holds and how much more it takes.
  synchronized void beat() {
    beats++;
    var heartbeat = Heartbeat.newBuilder().setCredits(slots - held.size());
    for (Lease lease : held.values()) {
      heartbeat.addLeases(
          LeaseProgress.newBuilder()
              .setRunId(runId)
              .setLeaseId(lease.getLeaseId())
              .setProgress(beats));
    }
    isAsking = held.size() < slots;
    out.onNext(WorkRequest.newBuilder().setHeartbeat(heartbeat).build());
  }

  @Override
  public void onNext(WorkResponse response) {
    switch (response.getKindCase()) {
      case RUN_ASSIGNED -> {
        synchronized (this) {
          runId = response.getRunAssigned().getRunId();
        }
        assigned.countDown();
      }
      case VERSION_PUBLISHED -> {
        synchronized (this) {
          out.onNext(
              WorkRequest.newBuilder()
                  .setLoaded(
                      Loaded.newBuilder()
                          .setRunId(response.getVersionPublished().getRunId())
                          .setPolicyVersion(
                              response.getVersionPublished().getManifest().getPolicyVersion()))
                  .build());
        }
      }
      case LEASES_GRANTED -> {
        synchronized (this) {
          isAsking = false;
          for (Lease lease : response.getLeasesGranted().getLeasesList()) {
            held.put(lease.getLeaseId(), lease);
            ready.add(lease);
          }
        }
        leased.countDown();
        work();
      }
      case LEASES_REVOKED -> {
        // A beat names leases whose groups were decided meanwhile; the acknowledgement is on its
        // way.
        boolean isUnderWay;
        synchronized (this) {
          isUnderWay =
              ready.stream()
                  .noneMatch(lease ->
                      response.getLeasesRevoked().getLeaseIdsList().contains(lease.getLeaseId()));
        }
        if (!isUnderWay) {
          failed.because(
              new IllegalStateException(
                  "%s lost leases: %s".formatted(id, response.getLeasesRevoked().getMessage())));
        }
      }
      case RUN_CLOSED -> {
        synchronized (this) {
          held.clear();
          ready.clear();
        }
      }
      case KIND_NOT_SET -> {}
    }
  }

  private void work() {
    var leases = new ArrayList<Lease>(groupsPerCall);
    String run;
    long since;
    synchronized (this) {
      int wanted = isFlatOut ? groupsPerCall : Math.min(groupsPerCall, due.size());
      if (isCalling || wanted == 0 || ready.size() < wanted) {
        return;
      }
      since = System.nanoTime();
      for (int group = 0; group < wanted; group++) {
        leases.add(ready.remove());
        if (!isFlatOut) {
          since = Math.min(since, due.remove());
        }
      }
      isCalling = true;
      run = runId;
    }
    submit(run, leases, since);
  }

  private void submit(String run, List<Lease> leases, long since) {
    var request = SubmitGroupsRequest.newBuilder();
    leases.forEach(lease -> request.addParts(payloads.partOf(run, lease)));
    StreamObserver<SubmitGroupsRequest> call = stub.submitGroups(new Answer(leases, since));
    call.onNext(request.build());
    call.onCompleted();
  }

  /// The answer to one call.
  private final class Answer implements StreamObserver<SubmitGroupsResponse> {
    private final List<Lease> leases;
    private final long since;

    private Answer(List<Lease> leases, long since) {
      this.leases = leases;
      this.since = since;
    }

    @Override
    public void onNext(SubmitGroupsResponse response) {
      response
          .getOutcomesList()
          .forEach(outcome -> {
            if (outcome.getAdmission() != Admission.ADMISSION_ACCEPTED) {
              failed.because(new IllegalStateException("%s: %s".formatted(id, outcome)));
            }
          });
      acknowledged.after(System.nanoTime() - since, leases.size());
    }

    @Override
    public void onError(Throwable failure) {
      failed.because(failure);
    }

    @Override
    public void onCompleted() {
      synchronized (SimulatedWorker.this) {
        leases.forEach(lease -> held.remove(lease.getLeaseId()));
        isCalling = false;
        // Half of the slots are worth asking for; what does not come is asked for by the next beat.
        if (held.size() <= slots / 2 && !isAsking) {
          beat();
        }
      }
      work();
    }
  }

  @Override
  public void onError(Throwable failure) {
    failed.because(failure);
  }

  @Override
  public void onCompleted() {}

  void close() {
    out.onCompleted();
  }
}
