package io.gradus.learner.link;

import io.gradus.core.retry.Backoff;
import io.gradus.learner.LearnerConfig;
import io.gradus.learner.batch.BatchReader;
import io.grpc.Channel;
import java.time.Duration;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.function.LongSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Keeps the batch stream of one session open: opens it anew when it breaks, with jitter, until the
/// coordinator has been away for too long, and when it has been silent for too long. A new stream
/// of the session goes on with the first batch that the inbox lacks. Used by the training thread.
public final class StreamKeeper {

  private static final Logger log = LoggerFactory.getLogger(StreamKeeper.class);

  /// A stream that lasted so long was a working one, even if the run had nothing to send.
  private static final Duration WORKING = Duration.ofSeconds(10);

  /// So long after it was opened a stream that is still there counts as an answer.
  private static final Duration HELD = Duration.ofSeconds(1);

  private final Channel channel;
  private final Calls calls;
  private final LearnerConfig config;
  private final long epoch;
  private final String chunkServer;
  private final Inbox inbox;
  private final BatchReader reader;
  private final LongSupplier nanoTime;
  private final Backoff backoff;

  private Optional<BatchStream> stream = Optional.empty();

  /// When the stream was opened, or will be.
  private long openAt;

  private long lastHeard;
  private Optional<Long> failingSince = Optional.empty();

  /// A keeper with no stream yet.
  ///
  /// @param chunkServer where the learner serves checkpoints; empty: it does not
  public StreamKeeper(
      Channel channel,
      Calls calls,
      LearnerConfig config,
      long epoch,
      String chunkServer,
      Inbox inbox,
      BatchReader reader,
      LongSupplier nanoTime) {
    this.channel = channel;
    this.calls = calls;
    this.config = config;
    this.epoch = epoch;
    this.chunkServer = chunkServer;
    this.inbox = inbox;
    this.reader = reader;
    this.nanoTime = nanoTime;
    backoff = new Backoff(new SplittableRandom(config.learnerId().hashCode() + epoch));
    openAt = nanoTime.getAsLong();
  }

  /// Opens the stream if that is due; how many nanoseconds it can do without attention.
  public long attend() {
    long now = nanoTime.getAsLong();
    if (stream.isPresent() && inbox.takeHeard()) {
      lastHeard = now;
      failingSince = Optional.empty();
      backoff.reset();
      calls.succeeded();
    }
    boolean isAnswered = calls.isAnswered();
    if (!isAnswered
        && now - openAt >= HELD.toNanos()
        && stream.filter(BatchStream::isReady).isPresent()) {
      // A run without a batch to send is silent, and its coordinator there all the same.
      calls.succeeded();
      isAnswered = true;
    }
    if (stream.isPresent() && now - lastHeard >= config.streamSilence().toNanos()) {
      log.atInfo()
          .addKeyValue("run", config.runId())
          .addKeyValue("silence", config.streamSilence())
          .log("the batch stream is silent and will be opened again");
      abandon();
      openAt = now;
    }
    if (stream.isEmpty()) {
      if (now - openAt < 0) {
        return openAt - now;
      }
      openAt = now;
      lastHeard = now;
      stream =
          Optional.of(
              BatchStream.open(
                  channel, config.runId(), epoch, chunkServer, config.credits(), inbox, reader));
    }
    long silent = Math.max(1, lastHeard + config.streamSilence().toNanos() - now);
    return isAnswered ? silent : Math.min(silent, HELD.toNanos());
  }

  /// There is room for one more batch.
  public void credit() {
    // A stream may be silent while all its credits lie in the inbox.
    lastHeard = nanoTime.getAsLong();
    stream.ifPresent(BatchStream::credit);
  }

  /// The stream broke.
  ///
  /// @throws LinkException if opening it again is of no use
  public void broke(Throwable failure) throws LinkException {
    long now = nanoTime.getAsLong();
    if (now - openAt > WORKING.toNanos()) {
      failingSince = Optional.empty();
    }
    long since = failingSince.orElse(now);
    failingSince = Optional.of(since);
    abandon();
    boolean tooLate = now - since > config.reconnectDeadline().toNanos();
    if (!LinkException.mayPass(failure) || tooLate) {
      throw new LinkException(
          "streaming batches" + (tooLate ? " failed for too long" : " was refused"), failure);
    }
    Duration wait = backoff.next();
    openAt = now + wait.toNanos();
    calls.failed("streaming batches", failure);
  }

  /// Ends the stream.
  public void abandon() {
    stream.ifPresent(BatchStream::abandon);
    stream = Optional.empty();
  }
}
