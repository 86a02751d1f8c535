package io.gradus.worker.weights;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.gradus.core.policy.Manifest.CheckpointFile;
import io.gradus.policy.checkpoint.ChunkDigests;
import io.gradus.worker.weights.SourceConnection.Head;
import io.gradus.worker.weights.SourceConnection.Patience;
import java.io.IOException;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.Arrays;
import java.util.Optional;
import java.util.function.BooleanSupplier;
import java.util.function.LongSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Asks sources for digests and chunks, one at a time, over a connection that is kept for the next.
/// Bytes go to the disk as they come, so that memory does not depend on how large a chunk is. Used
/// by one thread.
final class ChunkClient implements AutoCloseable {

  /// It is no longer wanted.
  static final class AbandonedException extends Exception {
    private static final long serialVersionUID = 1;
  }

  private static final Logger log = LoggerFactory.getLogger(ChunkClient.class);

  /// Digests of 512 GiB in chunks of the usual size.
  private static final int MAX_DOCUMENT_BYTES = 5 << 20;

  private static final int MAX_REASON_BYTES = 1024;
  private static final int BUFFER_BYTES = 1 << 18;

  private static final Duration LONGEST_RETRY_AFTER = Duration.ofMinutes(1);

  private final Duration timeout;
  private final LongSupplier nanoTime;
  private final byte[] buffer = new byte[BUFFER_BYTES];
  private Optional<SourceConnection> connection = Optional.empty();

  /// @param timeout for one answer, to its last byte
  ChunkClient(Duration timeout, LongSupplier nanoTime) {
    this.timeout = timeout;
    this.nanoTime = nanoTime;
  }

  /// What is done with an answer whose head was read.
  private interface Reader<T> {
    T read(SourceConnection from, Head head, Patience patience)
        throws IOException, FetchException, AbandonedException;
  }

  /// The digests of a file's chunks, which say of the whole what was announced of it.
  ChunkDigests digests(String source, CheckpointFile file, BooleanSupplier isWanted)
      throws FetchException, AbandonedException {
    String uri = source + "/" + file.name() + "/chunks";
    byte[] document =
        ask(
            uri,
            Optional.empty(),
            200,
            isWanted,
            (from, head, patience) -> {
              if (head.length() > MAX_DOCUMENT_BYTES) {
                throw new FetchException("%s has %d bytes".formatted(uri, head.length()));
              }
              return body(from, (int) head.length(), patience);
            });
    ChunkDigests digests;
    try {
      digests = ChunkDigests.fromJson(document);
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
      throws FetchException, AbandonedException {
    String uri = source + "/" + file.name();
    String range = "%d-%d".formatted(offset, offset + length - 1);
    return ask(
        uri,
        Optional.of("bytes=" + range),
        206,
        isWanted,
        (from, head, patience) -> {
          String expected = "bytes %s/%d".formatted(range, file.bytes());
          String given = head.header("Content-Range").orElse("no Content-Range");
          if (!given.equals(expected) || head.length() != length) {
            throw new FetchException(
                "%s gave %s in %d bytes instead of %s"
                    .formatted(uri, given, head.length(), expected));
          }
          MessageDigest digest = Downloads.sha256();
          long position = offset;
          for (int read = from.read(buffer, 0, buffer.length, patience);
              read >= 0;
              read = from.read(buffer, 0, buffer.length, patience)) {
            digest.update(buffer, 0, read);
            ByteBuffer bytes = ByteBuffer.wrap(buffer, 0, read);
            while (bytes.hasRemaining()) {
              position += target.write(bytes, position);
            }
          }
          return digest.digest();
        });
  }

  private <T> T ask(
      String uri, Optional<String> range, int expected, BooleanSupplier isWanted, Reader<T> reader)
      throws FetchException, AbandonedException {
    URI parsed = parse(uri);
    var patience = new Patience(timeout, isWanted, nanoTime);
    boolean isDone = false;
    try {
      Head head = headOf(parsed, range, patience);
      SourceConnection from = connection.orElseThrow();
      if (head.status() != expected) {
        throw refusal(
            uri, head, body(from, (int) Math.min(head.length(), MAX_REASON_BYTES), patience));
      }
      T answer = reader.read(from, head, patience);
      isDone = true;
      return answer;
    } catch (IOException e) {
      String why = e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage();
      throw new FetchException("%s cannot be had: %s".formatted(uri, why), e);
    } finally {
      if (!isDone) {
        // Nobody knows what is still to come on it.
        close();
      }
    }
  }

  private static URI parse(String uri) throws FetchException {
    URI parsed;
    try {
      parsed = new URI(uri);
    } catch (URISyntaxException e) {
      throw new FetchException("the source \"%s\" is no URI".formatted(uri), e);
    }
    boolean isHttp = "http".equals(parsed.getScheme()) || "https".equals(parsed.getScheme());
    if (!isHttp || parsed.getHost() == null) {
      throw new FetchException("the source \"%s\" is no HTTP URI".formatted(uri));
    }
    return parsed;
  }

  /// Asks over the connection at hand, or over a new one. A kept connection may have been closed by
  /// the other side in the meantime, which says nothing about the source.
  private Head headOf(URI uri, Optional<String> range, Patience patience)
      throws IOException, AbandonedException {
    if (connection.filter(kept -> kept.canServe(uri)).isPresent()) {
      try {
        return connection.get().get(uri, range, patience);
      } catch (IOException stale) {
        log.atDebug().addKeyValue("source", uri).setCause(stale).log("connecting anew");
      }
    }
    close();
    var fresh = SourceConnection.open(uri);
    connection = Optional.of(fresh);
    return fresh.get(uri, range, patience);
  }

  private static byte[] body(SourceConnection from, int most, Patience patience)
      throws IOException, AbandonedException {
    var body = new byte[most];
    int size = 0;
    for (int read = 0; read >= 0; read = from.read(body, size, most - size, patience)) {
      size += read;
    }
    return Arrays.copyOf(body, size);
  }

  private static FetchException refusal(String uri, Head head, byte[] body) {
    Optional<Duration> retryAfter =
        head.header("Retry-After")
            .filter(value -> value.matches("\\d{1,6}"))
            .map(value -> Duration.ofSeconds(Long.parseLong(value)))
            .map(wait -> wait.compareTo(LONGEST_RETRY_AFTER) > 0 ? LONGEST_RETRY_AFTER : wait);
    String reason = new String(body, UTF_8).strip().replaceAll("\\p{Cntrl}+", " ");
    return new FetchException(
        "%s answered %d%s".formatted(uri, head.status(), reason.isEmpty() ? "" : ", " + reason),
        retryAfter);
  }

  @Override
  public void close() {
    connection.ifPresent(open -> {
      try {
        open.close();
      } catch (IOException e) {
        log.atDebug().setCause(e).log("a connection could not be closed");
      }
    });
    connection = Optional.empty();
  }
}
