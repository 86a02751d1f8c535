package io.gradus.learner;

import com.google.protobuf.Any;
import com.google.protobuf.ByteString;
import com.google.rpc.ErrorInfo;
import io.gradus.core.batch.BatchDigest;
import io.gradus.core.batch.BatchNumber;
import io.gradus.core.policy.Lineage;
import io.gradus.learner.v1.JoinRunRequest;
import io.gradus.learner.v1.JoinRunResponse;
import io.gradus.learner.v1.LearnerServiceGrpc;
import io.gradus.learner.v1.PublishPolicyRequest;
import io.gradus.learner.v1.PublishPolicyResponse;
import io.gradus.learner.v1.ReportBatchRequest;
import io.gradus.learner.v1.ReportBatchResponse;
import io.gradus.learner.v1.StreamBatchesRequest;
import io.gradus.learner.v1.StreamBatchesResponse;
import io.gradus.policy.checkpoint.CheckpointDirectory;
import io.gradus.rollout.v1.PolicyManifest;
import io.gradus.run.v1.RunSpec;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import io.grpc.stub.StreamObserver;
import java.net.URI;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.CopyOnWriteArrayList;
import org.jspecify.annotations.Nullable;

/// A run that keeps its rules: batches go out by number, reports come in by number, a publication
/// holds what was reported before it, and comes before the next report where the header asked for
/// it. What a learner does against the rules is written down; the test looks at it in the end.
final class FakeRun extends LearnerServiceGrpc.LearnerServiceImplBase {

  static final String RUN = "run-1";

  /// What went against the rules.
  final List<String> violations = new CopyOnWriteArrayList<>();

  /// Joins, reports and publications in the order of their effect, for people and for assertions.
  final List<String> events = new CopyOnWriteArrayList<>();

  final List<ReportBatchRequest> reports = new CopyOnWriteArrayList<>();
  final List<ReportBatchRequest> failures = new CopyOnWriteArrayList<>();
  final List<PolicyManifest> publications = new CopyOnWriteArrayList<>();
  final List<JoinRunRequest> joins = new CopyOnWriteArrayList<>();
  final List<StreamBatchesRequest> streams = new CopyOnWriteArrayList<>();

  private final RunSpec spec;
  private final String store;
  private final List<FakeBatch> batches;

  // All guarded by this object's monitor.
  private final Map<String, PolicyManifest> byEpochAndStep = new TreeMap<>();
  private final TreeSet<Long> damaged = new TreeSet<>();
  private final Map<Long, String> lineages = new TreeMap<>();
  private Optional<PolicyManifest> base = Optional.empty();
  private long epoch;
  private long version;
  private long steps;
  private long applied;
  private boolean owesPublication;
  private boolean endsAfterLast = true;
  private boolean isOver;
  private String owner = "";
  private int loseJoins;
  private int loseReports;
  private int losePublications;
  private int failCalls;
  private long stallAfter = Long.MAX_VALUE;
  private final Map<Long, FakeBatch> oneTimeOnly = new TreeMap<>();
  private @Nullable Stream stream;

  /// @param batches number n at index n - 1
  FakeRun(RunSpec spec, Path store, List<FakeBatch> batches) {
    this.spec = spec;
    this.store = "file://" + store + "/";
    this.batches = List.copyOf(batches);
    lineages.put(0L, Lineage.root().hex());
  }

  synchronized void staysOpenAfterTheLastBatch() {
    endsAfterLast = false;
  }

  /// The next joins, reports and publications take effect, but their answer is lost.
  synchronized void loseAnswers(int joinCount, int reportCount, int publicationCount) {
    loseJoins = joinCount;
    loseReports = reportCount;
    losePublications = publicationCount;
  }

  /// The next calls fail before they have an effect.
  synchronized void failCalls(int count) {
    failCalls = count;
  }

  /// Sends another batch under a number, once.
  synchronized void sendOnce(long number, FakeBatch batch) {
    oneTimeOnly.put(number, batch);
  }

  /// Sends no batch beyond this one for now.
  synchronized void stallAfter(long batch) {
    stallAfter = batch;
    pump();
  }

  synchronized void end() {
    isOver = true;
    Stream current = stream;
    if (current != null) {
      stream = null;
      current.responses.onCompleted();
    }
  }

  synchronized void breakStream(Status status) {
    Stream current = stream;
    stream = null;
    if (current != null) {
      current.responses.onError(status.asRuntimeException());
    }
  }

  /// Somebody else joins.
  synchronized void takeOver(String learner) {
    epoch++;
    owner = learner;
    Stream current = stream;
    stream = null;
    if (current != null) {
      current.responses.onError(refused("LEARNER_FENCED", "somebody took over"));
    }
  }

  synchronized long applied() {
    return applied;
  }

  synchronized long epoch() {
    return epoch;
  }

  PolicyManifest newest() {
    return publications.getLast();
  }

  Path directory(PolicyManifest manifest) {
    return Path.of(URI.create(manifest.getUri()));
  }

  @Override
  public synchronized void joinRun(JoinRunRequest request, StreamObserver<JoinRunResponse> call) {
    if (fails(call)) {
      return;
    }
    joins.add(request);
    if (isOver) {
      call.onError(refused("RUN_ENDED", "the run is over"));
      return;
    }
    if (!owner.isEmpty() && !owner.equals(request.getLearnerId())) {
      call.onError(refused("LEARNER_BUSY", owner + " has the run"));
      return;
    }
    owner = request.getLearnerId();
    damaged.addAll(request.getDamagedVersionsList());
    epoch++;
    owesPublication = true;
    Optional<PolicyManifest> checkpoint =
        publications.stream()
            .filter(
                manifest -> manifest.getDurable() && !damaged.contains(manifest.getPolicyVersion()))
            .reduce((_, newer) -> newer);
    applied = checkpoint.map(PolicyManifest::getBatch).orElse(0L);
    steps = checkpoint.map(PolicyManifest::getStep).orElse(0L);
    events.add("join " + epoch + " from " + applied);
    var response =
        JoinRunResponse.newBuilder()
            .setLearnerEpoch(epoch)
            .setSpec(spec)
            .setCheckpointStore(store)
            .setNextBatch(applied + 1)
            .setNextVersion(version + 1);
    checkpoint.ifPresent(response::setCheckpoint);
    base.ifPresent(response::setBase);
    if (loseJoins > 0) {
      loseJoins--;
      call.onError(Status.UNAVAILABLE.asRuntimeException());
      return;
    }
    call.onNext(response.build());
    call.onCompleted();
  }

  @Override
  public synchronized void reportBatch(
      ReportBatchRequest request, StreamObserver<ReportBatchResponse> call) {
    if (fails(call)) {
      return;
    }
    if (request.getLearnerEpoch() != epoch) {
      call.onError(refused("LEARNER_FENCED", "another session has the run"));
      return;
    }
    if (isOver) {
      call.onError(refused("RUN_ENDED", "the run is over"));
      return;
    }
    long number = request.getBatch();
    if (!request.getFailure().isEmpty()) {
      failures.add(request);
      events.add("failure " + number);
    } else if (number == applied + 1) {
      FakeBatch batch = batches.get((int) number - 1);
      check(!owesPublication, "batch %d is reported before the publication due".formatted(number));
      check(
          request.getSha256().equals(batch.header().getSha256()),
          "batch %d is reported with another digest".formatted(number));
      applied = number;
      steps += request.getSteps();
      owesPublication = batch.header().getPublish();
      lineages.put(
          number,
          new Lineage(lineages.getOrDefault(number - 1, ""))
              .after(new BatchNumber(number), new BatchDigest(hex(request.getSha256())))
              .hex());
      reports.add(request);
      events.add("applied " + number);
      if (number == batches.size() && endsAfterLast && !owesPublication) {
        end();
      }
    } else {
      check(number <= applied, "batch %d is reported after %d".formatted(number, applied));
    }
    if (loseReports > 0) {
      loseReports--;
      call.onError(Status.UNAVAILABLE.asRuntimeException());
      return;
    }
    call.onNext(ReportBatchResponse.getDefaultInstance());
    call.onCompleted();
  }

  @Override
  public synchronized void publishPolicy(
      PublishPolicyRequest request, StreamObserver<PublishPolicyResponse> call) {
    if (fails(call)) {
      return;
    }
    if (request.getLearnerEpoch() != epoch) {
      call.onError(refused("LEARNER_FENCED", "another session has the run"));
      return;
    }
    PolicyManifest manifest = request.getManifest();
    PolicyManifest known =
        byEpochAndStep.computeIfAbsent(
            epoch + "/" + manifest.getStep(),
            _ -> {
              accept(request);
              return manifest;
            });
    if (losePublications > 0) {
      losePublications--;
      call.onError(Status.UNAVAILABLE.asRuntimeException());
      return;
    }
    call.onNext(
        PublishPolicyResponse.newBuilder()
            .setPolicyVersion(known.getPolicyVersion())
            .setNextVersion(version + 1)
            .build());
    call.onCompleted();
    if (applied == batches.size() && endsAfterLast) {
      end();
    }
  }

  private void accept(PublishPolicyRequest request) {
    PolicyManifest manifest = request.getManifest();
    long number = manifest.getPolicyVersion();
    check(number == version + 1, "version %d is published after %d".formatted(number, version));
    check(manifest.getStep() == steps, "version %d is of another step".formatted(number));
    check(manifest.getBatch() == applied, "version %d is of another batch".formatted(number));
    check(
        manifest.getLineage().equals(lineages.get(applied)),
        "version %d has another lineage".formatted(number));
    check(manifest.getUri().startsWith(store), "version %d is not in the store".formatted(number));
    check(
        CheckpointDirectory.verify(directory(manifest)).isEmpty(),
        "version %d is announced but not whole on the disk".formatted(number));
    boolean expected =
        applied == 0 || batches.get((int) applied - 1).header().getDurable() || !owesPublication;
    check(!expected || manifest.getDurable(), "version %d is not durable".formatted(number));
    version = number;
    owesPublication = false;
    publications.add(manifest);
    events.add(
        "published %d at %d%s".formatted(number, applied, manifest.getDurable() ? " durable" : ""));
    if (applied == spec.getWarmUp().getBatches()) {
      base = Optional.of(manifest);
    }
    pump();
  }

  @Override
  public StreamObserver<StreamBatchesRequest> streamBatches(
      StreamObserver<StreamBatchesResponse> responses) {
    return new Stream(responses);
  }

  private final class Stream implements StreamObserver<StreamBatchesRequest> {

    private final StreamObserver<StreamBatchesResponse> responses;
    private long next;
    private int credits;

    private Stream(StreamObserver<StreamBatchesResponse> responses) {
      this.responses = responses;
    }

    @Override
    public void onNext(StreamBatchesRequest request) {
      synchronized (FakeRun.this) {
        if (next == 0) {
          if (request.getLearnerEpoch() != epoch) {
            responses.onError(refused("LEARNER_FENCED", "another session has the run"));
            return;
          }
          streams.add(request);
          events.add("stream from " + request.getFromBatch());
          next = request.getFromBatch();
          stream = this;
        }
        credits += request.getCredits();
        pump();
      }
    }

    @Override
    public void onError(Throwable gone) {
      leave();
    }

    @Override
    public void onCompleted() {
      leave();
    }

    private void leave() {
      synchronized (FakeRun.this) {
        if (stream == this) {
          stream = null;
        }
      }
    }
  }

  private synchronized void pump() {
    Stream current = stream;
    while (current != null
        && current.credits > 0
        && current.next <= Math.min(stallAfter, batches.size())) {
      FakeBatch sent = oneTimeOnly.remove(current.next);
      (sent == null ? batches.get((int) current.next - 1) : sent)
          .messages()
          .forEach(current.responses::onNext);
      current.next++;
      current.credits--;
    }
  }

  private boolean fails(StreamObserver<?> call) {
    if (failCalls == 0) {
      return false;
    }
    failCalls--;
    call.onError(Status.UNAVAILABLE.asRuntimeException());
    return true;
  }

  private void check(boolean holds, String violation) {
    if (!holds) {
      violations.add(violation);
    }
  }

  private static String hex(ByteString bytes) {
    return HexFormat.of().formatHex(bytes.toByteArray());
  }

  private static StatusRuntimeException refused(String reason, String message) {
    return StatusProto.toStatusRuntimeException(
        com.google.rpc.Status.newBuilder()
            .setCode(Status.Code.FAILED_PRECONDITION.value())
            .setMessage(message)
            .addDetails(
                Any.pack(ErrorInfo.newBuilder().setReason(reason).setDomain("gradus").build()))
            .build());
  }
}
