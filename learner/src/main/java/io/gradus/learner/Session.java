package io.gradus.learner;

import static java.util.concurrent.TimeUnit.NANOSECONDS;

import com.google.protobuf.ByteString;
import io.gradus.core.policy.LearnerEpoch;
import io.gradus.core.policy.Manifest;
import io.gradus.core.policy.PolicyVersion;
import io.gradus.learner.BatchApplier.Applied;
import io.gradus.learner.batch.BatchReader;
import io.gradus.learner.batch.TrainingBatch;
import io.gradus.learner.link.ClosedException;
import io.gradus.learner.link.Inbox.Arrival;
import io.gradus.learner.link.LinkException;
import io.gradus.learner.link.ProtoMapper;
import io.gradus.learner.link.ReportLoop;
import io.gradus.learner.link.ReportLoop.Published;
import io.gradus.learner.link.StreamKeeper;
import io.gradus.learner.publication.Canary;
import io.gradus.learner.publication.CheckpointFiles;
import io.gradus.learner.publication.CheckpointWriter;
import io.gradus.learner.publication.CheckpointWriter.Written;
import io.gradus.learner.run.LearningPlan;
import io.gradus.learner.v1.JoinRunResponse;
import io.gradus.learner.v1.ReportBatchRequest;
import io.gradus.policy.CharacterVocabulary;
import java.io.IOException;
import java.time.Duration;
import java.util.HexFormat;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeoutException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.slf4j.event.Level;

/// One session of a learner: from the weights it was told to load to whatever ends it.
///
/// | arrives | the session |
/// |---|---|
/// | a batch | applies it, hands over its report, and publishes if its header says so |
/// | a batch that is not what its digest says | reports that, and ends AGAIN |
/// | a broken stream | opens it again |
/// | a failed report or publication | ends with that failure |
/// | the end of the run | ends RUN_ENDED |
/// | a wish to drain | publishes a durable checkpoint, and ends DRAINED |
/// | a wish to close | ends CLOSED |
///
/// Training waits for no file and no commit: a publication is a copy of the weights that the
/// writing thread turns into files and the reporting thread announces, in its place between the
/// reports. One is under way at a time; the next one waits for it.
final class Session implements AutoCloseable {

  /// How a session ended.
  enum Outcome {
    RUN_ENDED,
    DRAINED,
    CLOSED,
    /// A batch could not be applied; another session may fare better.
    AGAIN
  }

  private static final Logger log = LoggerFactory.getLogger(Session.class);

  private static final int MAX_MESSAGE_CHARACTERS = 4096;

  private final LearnerParts parts;
  private final LearnerConfig config;
  private final LearningPlan plan;
  private final LearnerEpoch epoch;
  private final String store;
  private final BatchApplier applier;
  private final Canary canary;
  private final ReportLoop reports;
  private final StreamKeeper stream;

  private Position position;
  private PolicyVersion nextVersion;

  /// The version whose weights those at hand descend from.
  private PolicyVersion parent;

  /// What the newest publication holds; absent before the first one.
  private Optional<Manifest> newest = Optional.empty();

  private Optional<CompletableFuture<Published>> underWay = Optional.empty();
  private Optional<Manifest> base;

  /// Since when the training thread has had no batch.
  private long idleSince;

  /// @param position what led to the weights that the policy holds
  Session(LearnerParts parts, LearningPlan plan, JoinRunResponse joined, Position position) {
    this.parts = parts;
    this.plan = plan;
    this.position = position;
    config = parts.config();
    epoch = new LearnerEpoch(joined.getLearnerEpoch());
    store = joined.getCheckpointStore();
    nextVersion = new PolicyVersion(joined.getNextVersion());
    parent = new PolicyVersion(joined.getCheckpoint().getPolicyVersion());
    base =
        joined.hasBase() ? Optional.of(ProtoMapper.manifest(joined.getBase())) : Optional.empty();
    CharacterVocabulary vocabulary = parts.policy().trainer().decoder().config().vocabulary();
    applier =
        new BatchApplier(
            plan, parts.policy().trainer(), config.replicas(), parts.rolloutsSampling());
    canary = Canary.of(plan.canary(), vocabulary);
    parts.inbox().beginSession(position.next().value());
    reports = new ReportLoop(parts.calls(), config, parts.inbox()::fail);
    stream =
        new StreamKeeper(
            parts.channel(),
            parts.calls(),
            config,
            epoch.value(),
            parts.chunkServerUri(),
            parts.inbox(),
            new BatchReader(config.runId(), vocabulary, plan.objective()),
            parts.nanoTime());
    idleSince = parts.nanoTime().getAsLong();
  }

  /// Works until something ends the session.
  ///
  /// @throws LinkException if the coordinator refuses it or is away for too long
  /// @throws ExecutionException if a checkpoint could not be written, or must not be
  Outcome work()
      throws LinkException,
          ClosedException,
          ExecutionException,
          TimeoutException,
          InterruptedException {
    // Whoever loaded these weights before may be gone with them; they become a version of this
    // session, so that every observer sees versions rise.
    publish(true);
    if (plan.lockstep()) {
      settle();
    }
    while (true) {
      long patience = stream.attend();
      switch (parts.inbox().take(patience)) {
        case Arrival.Ready(TrainingBatch batch) -> {
          if (!plan.lockstep()) {
            stream.credit();
          }
          if (!work(batch)) {
            return Outcome.AGAIN;
          }
          if (plan.lockstep()) {
            // After the report was acknowledged: the run sees the two in one order, always.
            stream.credit();
          }
        }
        case Arrival.Refused(long batch, ByteString sha256, String why) -> {
          fail(batch, sha256, why);
          return Outcome.AGAIN;
        }
        case Arrival.Broken(Throwable failure) -> stream.broke(failure);
        case Arrival.Failed(Exception failure) -> rethrow(failure);
        case Arrival.RunEnded() -> {
          return Outcome.RUN_ENDED;
        }
        case Arrival.Draining() -> {
          drain();
          return Outcome.DRAINED;
        }
        case Arrival.Closed() -> {
          return Outcome.CLOSED;
        }
        case Arrival.Nothing() -> {}
      }
    }
  }

  /// Applies, reports and publishes a batch; whether it could be applied.
  private boolean work(TrainingBatch batch)
      throws LinkException,
          ClosedException,
          ExecutionException,
          TimeoutException,
          InterruptedException {
    if (!batch.number().equals(position.next())) {
      throw new IllegalStateException(
          "batch %d arrived but %d is next"
              .formatted(batch.number().value(), position.next().value()));
    }
    long begun = parts.nanoTime().getAsLong();
    long waited = begun - idleSince;
    Applied applied;
    try {
      if (batch.restartFromBase()) {
        restart();
      }
      applied = applier.apply(batch);
    } catch (IOException | RuntimeException e) {
      // The weights may be those of half a batch: only a checkpoint tells what they are.
      log.atError()
          .addKeyValue("run", config.runId())
          .addKeyValue("batch", batch.number().value())
          .setCause(e)
          .log("a batch could not be applied");
      fail(batch.number().value(), bytes(batch.digest().hex()), String.valueOf(e));
      return false;
    }
    long ended = parts.nanoTime().getAsLong();
    position = position.after(batch.number(), batch.digest(), applied.steps());
    count(applied, waited, ended - begun);
    reports.report(
        ReportBatchRequest.newBuilder()
            .setRunId(config.runId())
            .setLearnerEpoch(epoch.value())
            .setBatch(batch.number().value())
            .setSha256(bytes(batch.digest().hex()))
            .setSteps(applied.steps())
            .setSkippedSteps(applied.skipped())
            .setFigures(
                BatchApplier.timed(
                    applied.figures(), Duration.ofNanos(waited), Duration.ofNanos(ended - begun)))
            .build());
    if (batch.publish()) {
      publish(batch.durable());
    }
    if (plan.lockstep()) {
      settle();
      await(reports.flushed());
    }
    idleSince = parts.nanoTime().getAsLong();
    return true;
  }

  private void count(Applied applied, long waited, long stepped) {
    LearnerMeters meters = parts.meters();
    meters.batches.incrementAndGet();
    meters.optimizerSteps.addAndGet(applied.steps());
    meters.skippedSteps.addAndGet(applied.skipped());
    meters.tokens.addAndGet(applied.tokens());
    meters.sequences.addAndGet(applied.sequences());
    meters.waitedNanos.addAndGet(waited);
    meters.steppedNanos.addAndGet(stepped);
  }

  private void restart() throws IOException {
    Manifest from =
        base.orElseThrow(() ->
            new IllegalStateException(
                "a batch starts from the base but this session knows of none; another one will"
                    + " be told"));
    parts.policy().restart(CheckpointFiles.verified(from));
  }

  private void fail(long batch, ByteString sha256, String why)
      throws LinkException,
          ClosedException,
          ExecutionException,
          TimeoutException,
          InterruptedException {
    parts.meters().failedBatches.incrementAndGet();
    log.atError()
        .addKeyValue("run", config.runId())
        .addKeyValue("batch", batch)
        .addKeyValue("why", why)
        .log("a batch is refused");
    reports.report(
        ReportBatchRequest.newBuilder()
            .setRunId(config.runId())
            .setLearnerEpoch(epoch.value())
            .setBatch(batch)
            .setSha256(sha256.size() == 32 ? sha256 : ByteString.copyFrom(new byte[32]))
            .setFailure(
                why.length() <= MAX_MESSAGE_CHARACTERS
                    ? why
                    : why.substring(0, MAX_MESSAGE_CHARACTERS))
            .build());
    await(reports.flushed());
  }

  /// Publishes the weights as they are now; returns when they are copied.
  private void publish(boolean durable)
      throws LinkException,
          ClosedException,
          ExecutionException,
          TimeoutException,
          InterruptedException {
    long before = parts.nanoTime().getAsLong();
    settle();
    CompletableFuture<Written> written =
        parts
            .writer()
            .write(
                new CheckpointWriter.Order(
                    store,
                    nextVersion,
                    parent,
                    position.step(),
                    position.batch(),
                    position.lineage(),
                    epoch,
                    canary),
                parts.policy().trainer().snapshot(durable));
    underWay = Optional.of(reports.publish(epoch.value(), written).thenApply(this::announced));
    parts.meters().publishedNanos.addAndGet(parts.nanoTime().getAsLong() - before);
  }

  /// Waits for the publication under way, if there is one.
  private void settle()
      throws LinkException,
          ClosedException,
          ExecutionException,
          TimeoutException,
          InterruptedException {
    if (underWay.isEmpty()) {
      return;
    }
    Published published = await(underWay.get());
    underWay = Optional.empty();
    nextVersion = published.next();
    parent = published.version();
    Manifest manifest = published.manifest();
    if (!manifest.version().equals(published.version())) {
      // The run had a version of this step already, and keeps it.
      return;
    }
    newest = Optional.of(manifest);
    if (manifest.batchOrZero() == plan.learningRates().warmUpBatches() && base.isEmpty()) {
      base = newest;
    }
  }

  /// Called by the reporting thread as soon as workers may load a version.
  private Published announced(Published published) {
    parts.meters().publications.incrementAndGet();
    parts.meters().writtenNanos.addAndGet(published.written().toNanos());
    Manifest manifest = published.manifest();
    log.atLevel(manifest.durable() ? Level.INFO : Level.DEBUG)
        .addKeyValue("run", config.runId())
        .addKeyValue("version", published.version().value())
        .addKeyValue("written_as", manifest.version().value())
        .addKeyValue("step", manifest.step())
        .addKeyValue("durable", manifest.durable())
        .log("weights published");
    return published;
  }

  /// Makes what was learned durable. In lockstep a publication at a moment that timing chose would
  /// make one run differ from another, so there the last durable checkpoint has to do.
  private void drain()
      throws LinkException,
          ClosedException,
          ExecutionException,
          TimeoutException,
          InterruptedException {
    settle();
    boolean isDurable =
        newest
            .filter(manifest -> manifest.durable() && manifest.batch().equals(position.batch()))
            .isPresent();
    if (!isDurable && !plan.lockstep()) {
      publish(true);
      settle();
    }
    await(reports.flushed());
  }

  private <T> T await(CompletableFuture<T> future)
      throws LinkException,
          ClosedException,
          ExecutionException,
          TimeoutException,
          InterruptedException {
    // Each of the two has a deadline of its own; this is the sum of them.
    long limit =
        config.writeTimeout().toNanos()
            + config.reconnectDeadline().toNanos()
            + 2 * config.callTimeout().toNanos();
    try {
      return future.get(limit, NANOSECONDS);
    } catch (ExecutionException e) {
      throw e.getCause() instanceof Exception cause ? rethrow(cause) : e;
    }
  }

  private static ExecutionException rethrow(Exception failure)
      throws LinkException, ClosedException, ExecutionException, TimeoutException {
    switch (failure) {
      case LinkException e -> throw e;
      case ClosedException e -> throw e;
      case TimeoutException e -> throw e;
      case RuntimeException e -> throw e;
      default -> throw new ExecutionException(failure.getMessage(), failure);
    }
  }

  private static ByteString bytes(String hex) {
    return ByteString.copyFrom(HexFormat.of().parseHex(hex));
  }

  @Override
  public void close() {
    stream.abandon();
    reports.close();
  }
}
