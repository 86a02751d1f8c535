package io.gradus.worker.weights;

import static java.nio.charset.StandardCharsets.ISO_8859_1;

import io.gradus.worker.weights.ChunkClient.AbandonedException;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.net.URI;
import java.time.Duration;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.BooleanSupplier;
import java.util.function.LongSupplier;
import javax.net.ssl.SSLSocketFactory;

/// A connection to a source, for one request after another: as much of HTTP/1.1 as ranges of static
/// files need.
///
/// Bytes go from the socket into the caller's array, in pieces as large as it. The JDK's client was
/// measured first: it hands over read-only buffers of 16 KiB, each after a round through its
/// selector, and took more than twice the processor time of everything else in a download.
final class SourceConnection implements AutoCloseable {

  /// How long an answer may still take, and whether it is still wanted.
  static final class Patience {
    private final long deadline;
    private final Duration limit;
    private final BooleanSupplier isWanted;
    private final LongSupplier nanoTime;

    Patience(Duration limit, BooleanSupplier isWanted, LongSupplier nanoTime) {
      this.limit = limit;
      this.isWanted = isWanted;
      this.nanoTime = nanoTime;
      deadline = nanoTime.getAsLong() + limit.toNanos();
    }

    private void require() throws AbandonedException, SocketTimeoutException {
      if (!isWanted.getAsBoolean()) {
        throw new AbandonedException();
      }
      if (nanoTime.getAsLong() - deadline >= 0) {
        throw new SocketTimeoutException("no answer within " + limit);
      }
    }
  }

  /// The beginning of an answer.
  ///
  /// @param length of its body
  record Head(int status, Map<String, String> headers, long length) {

    Optional<String> header(String name) {
      return Optional.ofNullable(headers.get(name.toLowerCase(Locale.ROOT)));
    }
  }

  /// Between two looks at whether an answer is still wanted.
  private static final int LOOK_MILLIS = 100;

  private static final int CONNECT_MILLIS = 5_000;
  private static final int MAX_HEAD_BYTES = 16 << 10;

  private final String origin;
  private final Socket socket;
  private final InputStream in;
  private final OutputStream out;

  /// What was read and belongs to nobody yet: the head of an answer, or the first bytes of its
  /// body.
  private final byte[] head = new byte[MAX_HEAD_BYTES];

  private int headFrom;
  private int headTo;

  /// Bytes of the body that were not read yet.
  private long left;

  private boolean isKept;

  private SourceConnection(String origin, Socket socket) throws IOException {
    this.origin = origin;
    this.socket = socket;
    in = socket.getInputStream();
    out = socket.getOutputStream();
  }

  static String originOf(URI uri) {
    return uri.getScheme() + "://" + uri.getRawAuthority();
  }

  /// Connects to who serves `uri`.
  static SourceConnection open(URI uri) throws IOException {
    boolean isSecure = uri.getScheme().equals("https");
    int port = uri.getPort() >= 0 ? uri.getPort() : isSecure ? 443 : 80;
    String host = uri.getHost().replaceAll("[\\[\\]]", "");
    Socket socket = new Socket();
    try {
      socket.connect(new InetSocketAddress(host, port), CONNECT_MILLIS);
      Socket used = socket;
      if (isSecure) {
        var factory = (SSLSocketFactory) SSLSocketFactory.getDefault();
        var secured = (javax.net.ssl.SSLSocket) factory.createSocket(socket, host, port, true);
        var parameters = secured.getSSLParameters();
        parameters.setEndpointIdentificationAlgorithm("HTTPS");
        secured.setSSLParameters(parameters);
        used = secured;
      }
      used.setTcpNoDelay(true);
      used.setSoTimeout(LOOK_MILLIS);
      return new SourceConnection(originOf(uri), used);
    } catch (IOException | RuntimeException e) {
      socket.close();
      throw e;
    }
  }

  /// Whether the next request for something of this origin may be made here.
  boolean canServe(URI uri) {
    return isKept && left == 0 && origin.equals(originOf(uri));
  }

  /// Asks, and reads the answer up to its body.
  ///
  /// @param range value of the Range header, if there is to be one
  Head get(URI uri, Optional<String> range, Patience patience)
      throws IOException, AbandonedException {
    String request =
        "GET %s HTTP/1.1\r\nHost: %s\r\n%s\r\n"
            .formatted(
                uri.getRawPath(),
                uri.getRawAuthority(),
                range.map(value -> "Range: " + value + "\r\n").orElse(""));
    isKept = false;
    out.write(request.getBytes(ISO_8859_1));
    out.flush();
    String[] lines = readHead(patience).split("\r\n", -1);
    if (!lines[0].matches("HTTP/1\\.[01] [1-5]\\d\\d.*")) {
      throw new IOException("the answer is not HTTP/1.1");
    }
    Map<String, String> headers = new TreeMap<>();
    for (int line = 1; line < lines.length; line++) {
      int colon = lines[line].indexOf(':');
      if (colon > 0) {
        headers.put(
            lines[line].substring(0, colon).toLowerCase(Locale.ROOT),
            lines[line].substring(colon + 1).strip());
      }
    }
    String length = headers.getOrDefault("content-length", "");
    if (headers.containsKey("transfer-encoding") || !length.matches("\\d{1,18}")) {
      throw new IOException("the answer does not say how long it is");
    }
    left = Long.parseLong(length);
    isKept =
        lines[0].startsWith("HTTP/1.1")
            && !"close".equalsIgnoreCase(headers.getOrDefault("connection", ""));
    return new Head(Integer.parseInt(lines[0].substring(9, 12)), headers, left);
  }

  private String readHead(Patience patience) throws IOException, AbandonedException {
    headFrom = 0;
    headTo = 0;
    while (true) {
      int read = receive(head, headTo, head.length - headTo, patience);
      if (read < 0) {
        throw new EOFException("the connection was closed");
      }
      int from = Math.max(0, headTo - 3);
      headTo += read;
      for (int end = from; end + 4 <= headTo; end++) {
        if (head[end] == '\r'
            && head[end + 1] == '\n'
            && head[end + 2] == '\r'
            && head[end + 3] == '\n') {
          headFrom = end + 4;
          return new String(head, 0, end, ISO_8859_1);
        }
      }
      if (headTo == head.length) {
        throw new IOException("the answer has headers of more than 16 KiB");
      }
    }
  }

  /// Reads some bytes of the body, at least one; -1 at its end.
  int read(byte[] target, int offset, int most, Patience patience)
      throws IOException, AbandonedException {
    int wanted = (int) Math.min(most, left);
    if (wanted == 0) {
      return -1;
    }
    int read;
    if (headFrom < headTo) {
      read = Math.min(wanted, headTo - headFrom);
      System.arraycopy(head, headFrom, target, offset, read);
      headFrom += read;
    } else {
      read = receive(target, offset, wanted, patience);
      if (read < 0) {
        throw new EOFException("the connection was closed with %d bytes to come".formatted(left));
      }
    }
    left -= read;
    return read;
  }

  private int receive(byte[] target, int offset, int most, Patience patience)
      throws IOException, AbandonedException {
    while (true) {
      patience.require();
      try {
        return in.read(target, offset, most);
      } catch (SocketTimeoutException look) {
        // Nothing came for a moment.
      }
    }
  }

  @Override
  public void close() throws IOException {
    socket.close();
  }
}
