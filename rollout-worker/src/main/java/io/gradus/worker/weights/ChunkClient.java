package io.gradus.worker.weights;

import static java.nio.charset.StandardCharsets.UTF_8;
import static java.util.concurrent.TimeUnit.NANOSECONDS;

import io.gradus.core.policy.Manifest.CheckpointFile;
import io.gradus.policy.checkpoint.ChunkDigests;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpHeaders;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandler;
import java.net.http.HttpResponse.BodySubscriber;
import java.net.http.HttpResponse.BodySubscribers;
import java.net.http.HttpResponse.ResponseInfo;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Flow.Subscription;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.BooleanSupplier;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/// Asks sources for digests and chunks, one at a time. Bytes go to the disk as they come, so that
/// memory does not depend on how large a chunk is.
final class ChunkClient implements AutoCloseable {

  /// It is no longer wanted.
  static final class AbandonedException extends Exception {
    private static final long serialVersionUID = 1;
  }

  /// Digests of 512 GiB in chunks of the usual size.
  private static final int MAX_DOCUMENT_BYTES = 5 << 20;

  private static final int MAX_REASON_BYTES = 1024;

  private static final Duration LONGEST_RETRY_AFTER = Duration.ofMinutes(1);

  /// Between two looks at whether a chunk is still wanted.
  private static final long LOOK_NANOS = Duration.ofMillis(100).toNanos();

  private final ExecutorService executor;
  private final HttpClient client;
  private final Duration timeout;
  private final LongSupplier nanoTime;

  /// @param timeout for one answer, to its last byte
  ChunkClient(String name, Duration timeout, LongSupplier nanoTime) {
    this.timeout = timeout;
    this.nanoTime = nanoTime;
    executor =
        new ThreadPoolExecutor(
            2,
            2,
            0,
            TimeUnit.SECONDS,
            new ArrayBlockingQueue<>(1024),
            Thread.ofPlatform().daemon().name(name + "-", 0).factory());
    client =
        HttpClient.newBuilder()
            .version(HttpClient.Version.HTTP_1_1)
            .followRedirects(HttpClient.Redirect.NEVER)
            .connectTimeout(timeout)
            .executor(executor)
            .build();
  }

  /// The digests of a file's chunks, which say of the whole what was announced of it.
  ChunkDigests digests(String source, CheckpointFile file, BooleanSupplier isWanted)
      throws FetchException, AbandonedException, InterruptedException {
    String uri = source + "/" + file.name() + "/chunks";
    HttpResponse<byte[]> response =
        send(
            HttpRequest.newBuilder(uriOf(uri)),
            _ -> BodySubscribers.limiting(BodySubscribers.ofByteArray(), MAX_DOCUMENT_BYTES),
            isWanted,
            uri);
    if (response.statusCode() != 200) {
      throw refusal(uri, response.statusCode(), response.headers(), response.body());
    }
    ChunkDigests digests;
    try {
      digests = ChunkDigests.fromJson(response.body());
    } catch (IllegalArgumentException e) {
      throw new FetchException("%s %s".formatted(uri, e.getMessage()), e);
    }
    if (digests.bytes() != file.bytes() || !digests.sha256().equals(file.sha256())) {
      throw new FetchException(
          "%s is of a file of %d bytes with SHA-256 %s, but one of %d bytes with %s was announced"
              .formatted(uri, digests.bytes(), digests.sha256(), file.bytes(), file.sha256()));
    }
    return digests;
  }

  /// Writes a part of a file where it belongs, right or wrong, and returns its digest.
  byte[] chunk(
      String source,
      CheckpointFile file,
      long offset,
      int length,
      FileChannel target,
      BooleanSupplier isWanted)
      throws FetchException, AbandonedException, InterruptedException {
    String uri = source + "/" + file.name();
    var body = new PartSubscriber(target, offset, length);
    try {
      HttpResponse<Part> response =
          send(
              HttpRequest.newBuilder(uriOf(uri))
                  .header("Range", "bytes=%d-%d".formatted(offset, offset + length - 1)),
              info -> subscriber(info, body),
              isWanted,
              uri);
      Part part = response.body();
      if (response.statusCode() != 206) {
        throw refusal(uri, response.statusCode(), response.headers(), part.refusal());
      }
      String range = "bytes %d-%d/%d".formatted(offset, offset + length - 1, file.bytes());
      if (!response.headers().firstValue("Content-Range").filter(range::equals).isPresent()) {
        throw new FetchException(
            "%s gave %s instead of %s"
                .formatted(uri, response.headers().firstValue("Content-Range").orElse("?"), range));
      }
      return part.digest();
    } finally {
      // After this nothing that is still on its way reaches the file.
      body.end();
    }
  }

  private static URI uriOf(String uri) throws FetchException {
    try {
      return URI.create(uri);
    } catch (IllegalArgumentException e) {
      throw new FetchException("the source \"%s\" is no URI".formatted(uri), e);
    }
  }

  private <T> HttpResponse<T> send(
      HttpRequest.Builder request, BodyHandler<T> handler, BooleanSupplier isWanted, String uri)
      throws FetchException, AbandonedException, InterruptedException {
    CompletableFuture<HttpResponse<T>> answer;
    try {
      answer = client.sendAsync(request.build(), handler);
    } catch (IllegalArgumentException e) {
      throw new FetchException("the source \"%s\" is no HTTP URI".formatted(uri), e);
    }
    long deadline = nanoTime.getAsLong() + timeout.toNanos();
    try {
      while (isWanted.getAsBoolean()) {
        long left = deadline - nanoTime.getAsLong();
        if (left <= 0) {
          throw new FetchException("%s did not answer within %s".formatted(uri, timeout));
        }
        try {
          return answer.get(Math.min(left, LOOK_NANOS), NANOSECONDS);
        } catch (TimeoutException look) {
          // Not yet.
        }
      }
      throw new AbandonedException();
    } catch (ExecutionException e) {
      Throwable cause = e.getCause() == null ? e : e.getCause();
      String why =
          cause.getMessage() == null ? cause.getClass().getSimpleName() : cause.getMessage();
      throw new FetchException("%s cannot be had: %s".formatted(uri, why), cause);
    } finally {
      // Ends the exchange if it has not ended.
      answer.cancel(true);
    }
  }

  private static FetchException refusal(String uri, int status, HttpHeaders headers, byte[] body) {
    Optional<Duration> retryAfter =
        headers
            .firstValue("Retry-After")
            .filter(value -> value.matches("\\d{1,6}"))
            .map(value -> Duration.ofSeconds(Long.parseLong(value)))
            .map(wait -> wait.compareTo(LONGEST_RETRY_AFTER) > 0 ? LONGEST_RETRY_AFTER : wait);
    String reason =
        new String(body, 0, Math.min(body.length, MAX_REASON_BYTES), UTF_8)
            .strip()
            .replaceAll("\\p{Cntrl}+", " ");
    return new FetchException(
        "%s answered %d%s".formatted(uri, status, reason.isEmpty() ? "" : ", " + reason),
        retryAfter);
  }

  /// What came of asking for a part.
  ///
  /// @param digest of the part, empty where it was refused
  /// @param refusal what was said instead, empty where it was not
  @SuppressWarnings("ArrayRecordComponent")
  private record Part(byte[] digest, byte[] refusal) {}

  private static BodySubscriber<Part> subscriber(ResponseInfo info, PartSubscriber part) {
    return info.statusCode() == 206
        ? part
        : BodySubscribers.mapping(
            BodySubscribers.limiting(BodySubscribers.ofByteArray(), 64 * MAX_REASON_BYTES),
            body -> new Part(new byte[0], body));
  }

  /// Writes a part to the disk as it comes. Called by the client's threads, one at a time.
  private static final class PartSubscriber implements BodySubscriber<Part> {

    private final CompletableFuture<Part> done = new CompletableFuture<>();
    private final FileChannel target;
    private final long offset;
    private final int length;
    private final MessageDigest digest = Downloads.sha256();

    /// Guarded by this object's monitor, as the next two are.
    private int received;

    private boolean isEnded;
    private @Nullable Subscription subscription;

    private PartSubscriber(FileChannel target, long offset, int length) {
      this.target = target;
      this.offset = offset;
      this.length = length;
    }

    synchronized void end() {
      isEnded = true;
    }

    @Override
    public CompletionStage<Part> getBody() {
      return done;
    }

    @Override
    public synchronized void onSubscribe(Subscription newSubscription) {
      subscription = newSubscription;
      newSubscription.request(1);
    }

    @Override
    public synchronized void onNext(List<ByteBuffer> buffers) {
      Subscription source = subscription;
      if (isEnded || source == null) {
        return;
      }
      try {
        for (ByteBuffer buffer : buffers) {
          int size = buffer.remaining();
          if (size > length - received) {
            throw new IOException("more bytes came than were asked for");
          }
          digest.update(buffer.duplicate());
          while (buffer.hasRemaining()) {
            received += target.write(buffer, offset + received);
          }
        }
        source.request(1);
      } catch (IOException e) {
        isEnded = true;
        source.cancel();
        done.completeExceptionally(e);
      }
    }

    @Override
    public void onError(Throwable failure) {
      done.completeExceptionally(failure);
    }

    @Override
    public synchronized void onComplete() {
      if (received == length) {
        done.complete(new Part(digest.digest(), new byte[0]));
      } else {
        done.completeExceptionally(
            new IOException("only %d of %d bytes came".formatted(received, length)));
      }
    }
  }

  /// Ends requests under way.
  @Override
  public void close() {
    client.shutdownNow();
    executor.shutdownNow();
  }
}
