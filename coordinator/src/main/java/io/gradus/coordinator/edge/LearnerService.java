package io.gradus.coordinator.edge;

import akka.actor.typed.ActorRef;
import akka.actor.typed.ActorSystem;
import akka.actor.typed.Props;
import com.google.protobuf.ByteString;
import io.gradus.coordinator.ledger.Ledger;
import io.gradus.coordinator.ledger.RunKey;
import io.gradus.coordinator.run.CheckpointStore;
import io.gradus.coordinator.run.LearnerFigures;
import io.gradus.coordinator.run.RunAnswer;
import io.gradus.coordinator.run.RunCommand;
import io.gradus.core.batch.BatchDigest;
import io.gradus.core.batch.BatchNumber;
import io.gradus.core.policy.LearnerEpoch;
import io.gradus.core.policy.LearnerId;
import io.gradus.core.policy.PolicyVersion;
import io.gradus.learner.v1.JoinRunRequest;
import io.gradus.learner.v1.JoinRunResponse;
import io.gradus.learner.v1.LearnerServiceGrpc;
import io.gradus.learner.v1.PublishPolicyRequest;
import io.gradus.learner.v1.PublishPolicyResponse;
import io.gradus.learner.v1.ReportBatchRequest;
import io.gradus.learner.v1.ReportBatchResponse;
import io.gradus.learner.v1.StreamBatchesRequest;
import io.gradus.learner.v1.StreamBatchesResponse;
import io.gradus.run.v1.RunSpec;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import java.net.URI;
import java.net.URISyntaxException;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Function;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/// Feeds a learner and takes its weights.
final class LearnerService extends LearnerServiceGrpc.LearnerServiceImplBase {

  /// Messages of one batch: a header and its frames. 16 GiB of payloads do not fit into memory here
  /// anyway.
  private static final int OUTLET_CAPACITY = 16_384;

  private final ActorSystem<?> system;
  private final Runs runs;
  private final Ledger ledger;
  private final Function<String, CompletionStage<RunSpec>> specs;
  private final CheckpointStore checkpoints;
  private final SchemaRules rules;
  private final EdgeConfig config;
  private final Executor blocking;
  private final LongSupplier nanoTime;

  /// Names of stream actors; any number that was not used yet will do.
  private final AtomicLong streams = new AtomicLong();

  LearnerService(
      ActorSystem<?> system,
      Runs runs,
      Ledger ledger,
      Function<String, CompletionStage<RunSpec>> specs,
      CheckpointStore checkpoints,
      SchemaRules rules,
      EdgeConfig config,
      Executor blocking,
      LongSupplier nanoTime) {
    this.system = system;
    this.runs = runs;
    this.ledger = ledger;
    this.specs = specs;
    this.checkpoints = checkpoints;
    this.rules = rules;
    this.config = config;
    this.blocking = blocking;
    this.nanoTime = nanoTime;
  }

  @Override
  public void joinRun(JoinRunRequest request, StreamObserver<JoinRunResponse> call) {
    Answers.unary(call, CompletableFuture.completedStage(request).thenCompose(this::join));
  }

  private CompletionStage<JoinRunResponse> join(JoinRunRequest request) {
    rules.require(request);
    if (request.getRank() >= request.getWorld()) {
      throw Refusals.invalid(
          "rank", "is %d of %d".formatted(request.getRank(), request.getWorld()));
    }
    if (request.getWorld() > 1) {
      throw Refusals.invalid(
          "world",
          "is %d but this release has learners of one process".formatted(request.getWorld()));
    }
    var learner = new LearnerId(Texts.identifier("learner_id", request.getLearnerId()));
    List<PolicyVersion> damaged =
        request.getDamagedVersionsList().stream()
            .map(version -> {
              if (version < 1) {
                throw Refusals.invalid("damaged_versions", "has %d".formatted(version));
              }
              return new PolicyVersion(version);
            })
            .toList();
    Optional<String> chunkServer = chunkServer(request.getChunkServer());
    return specs
        .apply(request.getRunId())
        .thenCompose(spec ->
            runs.ask(
                    request.getRunId(),
                    RunAnswer.LearnerJoined.class,
                    replyTo -> new RunCommand.JoinLearner(learner, damaged, chunkServer, replyTo))
                .thenApply(joined -> response(request.getRunId(), spec, joined)));
  }

  /// Where a learner says that it serves checkpoints: what workers will be told to connect to.
  private static Optional<String> chunkServer(String uri) {
    if (uri.isEmpty()) {
      return Optional.empty();
    }
    URI parsed;
    try {
      parsed = new URI(Texts.identifier("chunk_server", uri));
    } catch (URISyntaxException malformed) {
      throw Refusals.invalid("chunk_server", "is no URI: " + malformed.getMessage());
    }
    boolean isHttp = "http".equals(parsed.getScheme()) || "https".equals(parsed.getScheme());
    if (!isHttp || parsed.getHost() == null || parsed.getQuery() != null || uri.endsWith("/")) {
      throw Refusals.invalid(
          "chunk_server",
          "is \"%s\" but must be an HTTP URI such as http://host:7071/v1/runs/r/checkpoints"
              .formatted(uri));
    }
    return Optional.of(uri);
  }

  private JoinRunResponse response(String runId, RunSpec spec, RunAnswer.LearnerJoined joined) {
    var response =
        JoinRunResponse.newBuilder()
            .setLearnerEpoch(joined.epoch().value())
            .setSpec(spec)
            .setCheckpointStore(checkpoints.uriOf(runId))
            .setNextBatch(joined.nextBatch().value())
            .setNextVersion(joined.nextVersion().value());
    joined
        .checkpoint()
        .ifPresent(row -> response.setCheckpoint(PolicyMapper.toProto(row.manifest())));
    joined.base().ifPresent(row -> response.setBase(PolicyMapper.toProto(row.manifest())));
    return response.build();
  }

  @Override
  public StreamObserver<StreamBatchesRequest> streamBatches(
      StreamObserver<StreamBatchesResponse> responses) {
    var call = (ServerCallStreamObserver<StreamBatchesResponse>) responses;
    var stream = new StreamCall(call);
    call.setOnReadyHandler(() -> stream.tell(new BatchStream.Ready()));
    call.setOnCancelHandler(() -> stream.tell(new BatchStream.Ended(Optional.empty(), true)));
    return stream;
  }

  /// The receiving side of a learner's stream; called by one thread at a time.
  private final class StreamCall implements StreamObserver<StreamBatchesRequest> {

    private final ServerCallStreamObserver<StreamBatchesResponse> call;

    /// Set by the first request, read by handlers that gRPC calls after it.
    private volatile @Nullable ActorRef<BatchStream.Message> actor;

    private StreamCall(ServerCallStreamObserver<StreamBatchesResponse> call) {
      this.call = call;
    }

    private void tell(BatchStream.Message message) {
      ActorRef<BatchStream.Message> known = actor;
      if (known != null) {
        known.tell(message);
      }
    }

    @Override
    public void onNext(StreamBatchesRequest request) {
      try {
        rules.require(request);
        if (actor == null) {
          open(request);
        }
        tell(new BatchStream.Credits(request.getCredits()));
      } catch (StatusRuntimeException refusal) {
        if (actor == null) {
          call.onError(refusal);
        } else {
          tell(new BatchStream.Ended(Optional.of(refusal), false));
        }
      }
    }

    private void open(StreamBatchesRequest request) {
      if (request.getRunId().isEmpty()) {
        throw Refusals.invalid("run_id", "is missing; the first request names it");
      }
      if (request.getLearnerEpoch() < 1) {
        throw Refusals.invalid("learner_epoch", "is missing; the first request names it");
      }
      if (request.getFromBatch() < 1) {
        throw Refusals.invalid("from_batch", "is missing; the first request names it");
      }
      actor =
          system.systemActorOf(
              BatchStream.create(
                  new Outlet<>(call, OUTLET_CAPACITY, nanoTime),
                  request.getRunId(),
                  new LearnerEpoch(request.getLearnerEpoch()),
                  new BatchNumber(request.getFromBatch()),
                  chunkServer(request.getChunkServer()),
                  runs,
                  released -> read(request.getRunId(), released),
                  config),
              "gradus-batch-stream-" + streams.incrementAndGet(),
              Props.empty());
    }

    @Override
    public void onError(Throwable gone) {
      tell(new BatchStream.Ended(Optional.empty(), true));
    }

    @Override
    public void onCompleted() {
      if (actor == null) {
        call.onCompleted();
      } else {
        tell(new BatchStream.Ended(Optional.empty(), false));
      }
    }
  }

  private CompletionStage<List<StreamBatchesResponse>> read(
      String runId, io.gradus.coordinator.run.ToLearner.BatchReleased released) {
    return specs
        .apply(runId)
        .thenApplyAsync(
            spec -> {
              RunKey key =
                  ledger.reader().findRun(runId).orElseThrow(() -> Refusals.noSuchRun(runId)).key();
              return BatchReader.read(
                  ledger.reader(),
                  key,
                  released,
                  spec.getBatch().getMinibatches(),
                  spec.getBatch().getEpochs());
            },
            blocking);
  }

  @Override
  public void reportBatch(ReportBatchRequest request, StreamObserver<ReportBatchResponse> call) {
    Answers.unary(
        call,
        CompletableFuture.completedStage(request)
            .thenCompose(this::report)
            .thenApply(_ -> ReportBatchResponse.getDefaultInstance()));
  }

  private CompletionStage<RunAnswer.Acknowledged> report(ReportBatchRequest request) {
    rules.require(request);
    var epoch = new LearnerEpoch(request.getLearnerEpoch());
    var batch = new BatchNumber(request.getBatch());
    if (!request.getFailure().isEmpty()) {
      return runs.ask(
          request.getRunId(),
          RunAnswer.Acknowledged.class,
          replyTo ->
              new RunCommand.FailBatch(epoch, batch, Texts.prose(request.getFailure()), replyTo));
    }
    return runs.ask(
        request.getRunId(),
        RunAnswer.Acknowledged.class,
        replyTo ->
            new RunCommand.ReportBatch(
                epoch,
                batch,
                new BatchDigest(hex(request.getSha256())),
                request.getSteps(),
                request.getSkippedSteps(),
                figures(request.getFigures()),
                replyTo));
  }

  private static String hex(ByteString bytes) {
    return HexFormat.of().formatHex(bytes.toByteArray());
  }

  private static LearnerFigures figures(io.gradus.learner.v1.LearnerFigures proto) {
    if (proto.getTokens() < 0 || proto.getSequences() < 0) {
      throw Refusals.invalid(
          "figures",
          "have %d tokens and %d sequences".formatted(proto.getTokens(), proto.getSequences()));
    }
    return new LearnerFigures(
        measured(proto.hasLoss(), proto.getLoss()),
        measured(proto.hasGradientNorm(), proto.getGradientNorm()),
        measured(proto.hasEntropy(), proto.getEntropy()),
        measured(proto.hasClipFraction(), proto.getClipFraction()),
        proto.getLearningRate(),
        proto.getTokens(),
        proto.getSequences(),
        Durations.seconds(proto.getWaited()),
        Durations.seconds(proto.getStepped()));
  }

  /// NaN is never sent; where it is, nothing was measured.
  private static OptionalDouble measured(boolean isThere, double figure) {
    return isThere && Double.isFinite(figure) ? OptionalDouble.of(figure) : OptionalDouble.empty();
  }

  @Override
  public void publishPolicy(
      PublishPolicyRequest request, StreamObserver<PublishPolicyResponse> call) {
    Answers.unary(
        call,
        CompletableFuture.completedStage(request)
            .thenCompose(this::publish)
            .thenApply(published ->
                PublishPolicyResponse.newBuilder()
                    .setPolicyVersion(published.version().value())
                    .setNextVersion(published.nextVersion().value())
                    .build()));
  }

  private CompletionStage<RunAnswer.Published> publish(PublishPolicyRequest request) {
    rules.require(request);
    var manifest = PolicyMapper.toDomain(request.getManifest());
    String store = checkpoints.uriOf(request.getRunId());
    if (!manifest.uri().startsWith(store)) {
      throw Refusals.invalid(
          "manifest.uri",
          "is %s but the checkpoints of the run lie below %s".formatted(manifest.uri(), store));
    }
    return runs.ask(
        request.getRunId(),
        RunAnswer.Published.class,
        replyTo ->
            new RunCommand.PublishPolicy(
                new LearnerEpoch(request.getLearnerEpoch()),
                manifest,
                new PolicyVersion(request.getParentVersion()),
                Durations.seconds(request.getWritten()),
                replyTo));
  }
}
