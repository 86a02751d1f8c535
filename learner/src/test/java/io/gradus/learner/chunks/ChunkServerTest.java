package io.gradus.learner.chunks;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import io.gradus.learner.chunks.ChunkServerConfig.Auth;
import io.gradus.policy.checkpoint.ChunkDigests;
import java.io.IOException;
import java.io.InputStream;
import java.io.RandomAccessFile;
import java.net.Socket;
import java.net.SocketException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.SplittableRandom;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(60)
class ChunkServerTest {

  private static final String RUN = "run-1";
  private static final int CHUNK = 4096;
  private static final int SIZE = 10 * CHUNK + 123;

  @TempDir private Path store;

  private final HttpClient client =
      HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
  private final List<AutoCloseable> toClose = new ArrayList<>();

  @AfterEach
  void close() throws Exception {
    for (AutoCloseable resource : toClose.reversed()) {
      resource.close();
    }
    client.close();
  }

  private static byte[] content(int size) {
    var content = new byte[size];
    new SplittableRandom(7).nextBytes(content);
    return content;
  }

  private String publish(int size) throws IOException {
    return PublishedCheckpoint.write(store, file -> Files.write(file, content(size)));
  }

  private Path blob() {
    return store.resolve(PublishedCheckpoint.NAME).resolve(PublishedCheckpoint.BLOB);
  }

  private static ChunkServerConfig config(int maxConnections, Duration limit, OptionalLong rate) {
    return new ChunkServerConfig(
        "127.0.0.1",
        0,
        Auth.LOOPBACK,
        Optional.empty(),
        maxConnections,
        rate,
        limit,
        limit,
        Duration.ofSeconds(20),
        CHUNK);
  }

  private ChunkServer start(ChunkServerConfig config) throws IOException {
    var server = new ChunkServer(config, System::nanoTime);
    toClose.add(server);
    return server;
  }

  private ChunkServer start() throws IOException {
    return start(config(16, Duration.ofSeconds(30), OptionalLong.empty()));
  }

  private String uriOfBlob(ChunkServer server) {
    server.serve(RUN, store);
    return "%s/%s/%s"
        .formatted(server.uriOf(RUN), PublishedCheckpoint.NAME, PublishedCheckpoint.BLOB);
  }

  private HttpResponse<byte[]> get(String uri, String... headers)
      throws IOException, InterruptedException {
    HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(uri));
    if (headers.length > 0) {
      request.headers(headers);
    }
    return client.send(request.build(), BodyHandlers.ofByteArray());
  }

  /// What a server answers to these bytes, until it closes the connection.
  private static String raw(ChunkServer server, String request) throws IOException {
    try (Socket socket = connect(server)) {
      socket.getOutputStream().write(request.getBytes(ISO_8859_1));
      return new String(socket.getInputStream().readAllBytes(), ISO_8859_1);
    }
  }

  private static Socket connect(ChunkServer server) throws IOException {
    URI uri = URI.create(server.uriOf(RUN));
    var socket = new Socket(uri.getHost(), uri.getPort());
    socket.setSoTimeout(20_000);
    return socket;
  }

  private static String requestFor(String path) {
    return "GET " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
  }

  @Test
  void servesAFileUnderTheDigestThatItWasPublishedWith() throws Exception {
    String sha256 = publish(SIZE);
    ChunkServer server = start();

    HttpResponse<byte[]> response = get(uriOfBlob(server));

    assertThat(response.statusCode()).isEqualTo(200);
    assertThat(response.body()).isEqualTo(content(SIZE));
    assertThat(response.headers().firstValue("ETag")).hasValue('"' + sha256 + '"');
    assertThat(response.headers().firstValue("Accept-Ranges")).hasValue("bytes");
    await().until(() -> server.figures().sentBytes() == SIZE);
  }

  @ParameterizedTest
  @CsvSource({
    "bytes=0-0, 0, 1",
    "bytes=100-199, 100, 200",
    "bytes=41000-, 41000, 41083",
    "bytes=-3, 41080, 41083",
    "bytes=40000-99999, 40000, 41083"
  })
  void servesOneRange(String range, int from, int end) throws Exception {
    publish(SIZE);
    ChunkServer server = start();

    HttpResponse<byte[]> response = get(uriOfBlob(server), "Range", range);

    assertThat(response.statusCode()).isEqualTo(206);
    assertThat(response.body()).isEqualTo(Arrays.copyOfRange(content(SIZE), from, end));
    assertThat(response.headers().firstValue("Content-Range"))
        .hasValue("bytes %d-%d/%d".formatted(from, end - 1, SIZE));
  }

  @Test
  void answers416BeyondTheEnd() throws Exception {
    publish(SIZE);
    ChunkServer server = start();

    HttpResponse<byte[]> response = get(uriOfBlob(server), "Range", "bytes=" + SIZE + "-");

    assertThat(response.statusCode()).isEqualTo(416);
    assertThat(response.headers().firstValue("Content-Range")).hasValue("bytes */" + SIZE);
  }

  @Test
  void servesTheWholeFileWhenTheRangeIsOfAnother() throws Exception {
    publish(SIZE);
    ChunkServer server = start();

    HttpResponse<byte[]> response =
        get(uriOfBlob(server), "Range", "bytes=0-9", "If-Range", "\"another\"");

    assertThat(response.statusCode()).isEqualTo(200);
    assertThat(response.body()).hasSize(SIZE);
  }

  @Test
  void answersHeadWithTheHeadersAlone() throws Exception {
    publish(SIZE);
    ChunkServer server = start();
    HttpRequest head = HttpRequest.newBuilder(URI.create(uriOfBlob(server))).HEAD().build();

    HttpResponse<byte[]> response = client.send(head, BodyHandlers.ofByteArray());

    assertThat(response.statusCode()).isEqualTo(200);
    assertThat(response.headers().firstValueAsLong("Content-Length")).hasValue(SIZE);
    assertThat(response.body()).isEmpty();
    assertThat(server.figures().sentBytes()).isZero();
  }

  @Test
  void servesAnEmptyFile() throws Exception {
    publish(0);
    ChunkServer server = start();
    String uri = uriOfBlob(server);

    assertThat(get(uri).body()).isEmpty();
    assertThat(get(uri, "Range", "bytes=0-").statusCode()).isEqualTo(416);
    assertThat(ChunkDigests.fromJson(get(uri + "/chunks").body()).count()).isZero();
  }

  @Test
  void tellsTheDigestOfEachChunk() throws Exception {
    String sha256 = publish(SIZE);
    ChunkServer server = start();

    ChunkDigests digests = ChunkDigests.fromJson(get(uriOfBlob(server) + "/chunks").body());

    assertThat(digests.bytes()).isEqualTo(SIZE);
    assertThat(digests.sha256()).isEqualTo(sha256);
    assertThat(digests.count()).isEqualTo(11);
    for (int index = 0; index < digests.count(); index++) {
      int from = (int) digests.offset(index);
      byte[] chunk = Arrays.copyOfRange(content(SIZE), from, from + digests.length(index));
      assertThat(digests.matches(index, MessageDigest.getInstance("SHA-256").digest(chunk)))
          .isTrue();
      assertThat(digests.matches(index, HexFormat.of().parseHex("00".repeat(32)))).isFalse();
    }
  }

  @Test
  void keepsAConnectionForTheNextRequest() throws Exception {
    publish(SIZE);
    ChunkServer server = start();
    String path = URI.create(uriOfBlob(server)).getPath();
    String one = "GET " + path + " HTTP/1.1\r\nHost: x\r\nRange: bytes=0-9\r\n\r\n";

    String answers = raw(server, one + one + requestFor(path + "/chunks"));

    assertThat(answers.split("206 Partial", -1)).as("two parts, then digests").hasSize(3);
    assertThat(answers).contains("\"chunk_bytes\":4096");
  }

  @Test
  void readsARequestThatComesInPieces() throws Exception {
    publish(SIZE);
    ChunkServer server = start();
    String path = URI.create(uriOfBlob(server)).getPath();
    String padding = "X-Padding: " + "a".repeat(3000) + "\r\n";

    String answer =
        raw(server, requestFor(path).replace("Host: x\r\n", "Host: x\r\n" + padding + padding));

    assertThat(answer).startsWith("HTTP/1.1 200");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "/",
        "/v1/runs/run-1/checkpoints",
        "/v1/runs/run-1/checkpoints/",
        "/v1/runs/run-1/checkpoints/v00000001-s00000001-e1",
        "/v1/runs/run-1/checkpoints/v00000001-s00000001-e1/",
        "/v1/runs/run-1/checkpoints/v00000001-s00000001-e1/gradus.json",
        "/v1/runs/run-1/checkpoints/v00000001-s00000001-e1/unnamed.txt",
        "/v1/runs/run-1/checkpoints/v00000001-s00000001-e1/link.bin",
        "/v1/runs/run-1/checkpoints/v00000001-s00000001-e1/../../secret.txt",
        "/v1/runs/run-1/checkpoints/v00000001-s00000001-e1/%2e%2e/%2e%2e/secret.txt",
        "/v1/runs/run-1/checkpoints/v00000001-s00000001-e1/..%2f..%2fsecret.txt",
        "/v1/runs/run-1/checkpoints/../secret.txt",
        "/v1/runs/run-1/checkpoints/v00000001-s00000001-e1//blob.bin",
        "/v1/runs/run-1/checkpoints/v00000002-s00000001-e1/blob.bin",
        "/v1/runs/run-2/checkpoints/v00000001-s00000001-e1/blob.bin",
        "/v1/runs/../runs/run-1/checkpoints/v00000001-s00000001-e1/blob.bin",
        "//v1/runs/run-1/checkpoints/v00000001-s00000001-e1/blob.bin",
        "/v1/runs/run-1/checkpoints/v00000001-s00000001-e1/blob.bin?x=1",
        "http://elsewhere/v1/runs/run-1/checkpoints/v00000001-s00000001-e1/blob.bin"
      })
  void servesNothingButFilesThatAManifestNames(String path) throws Exception {
    publish(SIZE);
    Path directory = store.resolve(PublishedCheckpoint.NAME);
    Files.writeString(directory.resolve("unnamed.txt"), "secret");
    Files.writeString(store.resolve("secret.txt"), "secret");
    Files.createSymbolicLink(directory.resolve("link.bin"), store.resolve("secret.txt"));
    ChunkServer server = start();
    server.serve(RUN, store);

    assertThat(raw(server, requestFor(path))).startsWith("HTTP/1.1 404").doesNotContain("secret");
  }

  @Test
  void followsNoLinkOutOfACheckpoint() throws Exception {
    publish(SIZE);
    Path secret = store.resolve("secret.txt");
    Files.write(secret, content(SIZE));
    Files.delete(blob());
    Files.createSymbolicLink(blob(), secret);
    ChunkServer server = start();

    assertThat(get(uriOfBlob(server)).statusCode()).isEqualTo(404);
  }

  @Test
  void refusesOtherMethodsBodiesAndNonsense() throws Exception {
    publish(SIZE);
    ChunkServer server = start();
    String path = URI.create(uriOfBlob(server)).getPath();

    assertThat(raw(server, requestFor(path).replace("GET", "DELETE")))
        .startsWith("HTTP/1.1 405")
        .containsIgnoringCase("allow: GET, HEAD");
    assertThat(raw(server, "GET " + path + " HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"))
        .startsWith("HTTP/1.1 413");
    assertThat(raw(server, "nonsense\r\n\r\n")).startsWith("HTTP/1.1 400");
    assertThat(raw(server, "GET /" + "a".repeat(9000) + " HTTP/1.1\r\n\r\n"))
        .startsWith("HTTP/1.1 400");
  }

  @Test
  void tellsConnectionsBeyondItsBoundToComeAgain() throws Exception {
    publish(SIZE);
    ChunkServer server = start(config(2, Duration.ofSeconds(30), OptionalLong.empty()));
    String path = URI.create(uriOfBlob(server)).getPath();
    Socket first = connect(server);
    toClose.add(first);
    Socket second = connect(server);
    toClose.add(second);
    await().until(() -> server.figures().connections() == 2);

    assertThat(raw(server, requestFor(path)))
        .startsWith("HTTP/1.1 503")
        .containsIgnoringCase("retry-after: 1");

    first.close();
    await().until(() -> server.figures().connections() == 1);
    assertThat(raw(server, requestFor(path))).startsWith("HTTP/1.1 200");
    assertThat(server.figures().refused()).isEqualTo(1);
  }

  @Test
  void closesAConnectionOnWhichNoRequestComes() throws Exception {
    ChunkServer server = start(config(2, Duration.ofMillis(100), OptionalLong.empty()));
    try (Socket socket = connect(server)) {
      socket.getOutputStream().write("GET /half a req".getBytes(ISO_8859_1));

      assertThat(socket.getInputStream().read()).isEqualTo(-1);
    }
  }

  @Test
  void closesAPeerThatDoesNotAcceptWhatItAskedFor() throws Exception {
    publish(64 << 20);
    ChunkServer server = start(config(2, Duration.ofMillis(300), OptionalLong.empty()));
    String path = URI.create(uriOfBlob(server)).getPath();
    try (Socket socket = connect(server)) {
      socket.getOutputStream().write(requestFor(path).getBytes(ISO_8859_1));

      await().until(() -> server.figures().requests() == 1);
      await().until(() -> server.figures().connections() == 0);
    }
  }

  @Test
  void servesAllOfAFileUnderALimitedBandwidth() throws Exception {
    publish(SIZE);
    ChunkServer server = start(config(4, Duration.ofSeconds(30), OptionalLong.of(20L * SIZE)));
    String uri = uriOfBlob(server);

    CompletableFuture<HttpResponse<byte[]>> first =
        client.sendAsync(
            HttpRequest.newBuilder(URI.create(uri)).build(), BodyHandlers.ofByteArray());

    assertThat(get(uri).body()).isEqualTo(content(SIZE));
    assertThat(first.get(20, TimeUnit.SECONDS).body()).isEqualTo(content(SIZE));
  }

  private void flipAByte() throws IOException {
    try (var file = new RandomAccessFile(blob().toFile(), "rw")) {
      file.seek(CHUNK + 5);
      int before = file.read();
      file.seek(CHUNK + 5);
      file.write(before ^ 1);
    }
  }

  @Test
  void givesNoDigestsOfWhatIsNotWhatWasPublished() throws Exception {
    publish(SIZE);
    ChunkServer server = start();
    String uri = uriOfBlob(server) + "/chunks";
    flipAByte();

    HttpResponse<byte[]> damaged = get(uri);
    flipAByte();

    assertThat(damaged.statusCode()).isEqualTo(500);
    assertThat(new String(damaged.body(), ISO_8859_1)).contains("damaged");
    assertThat(get(uri).statusCode()).as("after it was mended").isEqualTo(200);
  }

  @Test
  void refusesAFileOfAnotherSize() throws Exception {
    publish(SIZE);
    ChunkServer server = start();
    Files.write(blob(), content(SIZE - 1));

    assertThat(get(uriOfBlob(server)).statusCode()).isEqualTo(500);
  }

  @Test
  void servesFilesBeyondTwoGibibytes() throws Exception {
    long size = (1L << 31) + 2 * CHUNK;
    byte[] end = content(CHUNK);
    PublishedCheckpoint.write(
        store,
        file -> {
          try (var sparse = new RandomAccessFile(file.toFile(), "rw")) {
            sparse.setLength(size);
            sparse.seek(size - CHUNK);
            sparse.write(end);
          }
        });
    ChunkServer server = start();
    String uri = uriOfBlob(server);

    HttpResponse<byte[]> response = get(uri, "Range", "bytes=" + (size - CHUNK) + "-");

    assertThat(response.body()).isEqualTo(end);
    assertThat(response.headers().firstValue("Content-Range"))
        .hasValue("bytes %d-%d/%d".formatted(size - CHUNK, size - 1, size));
    try (InputStream whole =
        client
            .send(HttpRequest.newBuilder(URI.create(uri)).build(), BodyHandlers.ofInputStream())
            .body()) {
      var buffer = new byte[1 << 20];
      long read = 0;
      for (int n = whole.read(buffer); n >= 0; n = whole.read(buffer)) {
        read += n;
      }
      assertThat(read).isEqualTo(size);
    }
  }

  @Test
  void holdsNoMemoryBetweenRequests() throws Exception {
    publish(SIZE);
    ChunkServer server = start();
    String uri = uriOfBlob(server);
    String path = URI.create(uri).getPath();

    for (int i = 0; i < 200; i++) {
      assertThat(raw(server, requestFor(path))).startsWith("HTTP/1.1 200");
    }

    await().until(() -> server.figures().connections() == 0);
    await().until(() -> server.figures().directBytes() == 0);
  }

  @Test
  void finishesTheAnswerUnderWayWhenItCloses() throws Exception {
    int size = 64 << 20;
    publish(size);
    ChunkServer server = start();
    String path = URI.create(uriOfBlob(server)).getPath();
    Socket idle = connect(server);
    toClose.add(idle);
    try (Socket socket = connect(server)) {
      socket.getOutputStream().write(requestFor(path).getBytes(ISO_8859_1));
      await().until(() -> server.figures().requests() == 1);

      CompletableFuture<Void> closed = CompletableFuture.runAsync(server::close);

      assertThat(idle.getInputStream().read()).as("the idle connection").isEqualTo(-1);
      assertThat(socket.getInputStream().readAllBytes()).hasSizeGreaterThan(size);
      closed.get(20, TimeUnit.SECONDS);
      assertThatThrownBy(() -> connect(server)).isInstanceOf(SocketException.class);
    }
  }

  @Test
  void saysWhereItCannotListen() throws Exception {
    ChunkServer server = start();
    int taken = URI.create(server.uriOf(RUN)).getPort();

    assertThatThrownBy(() -> new ChunkServer(ChunkServerConfig.onLoopback(taken), System::nanoTime))
        .isInstanceOf(IOException.class)
        .hasMessageContaining("cannot listen on 127.0.0.1 port " + taken);
  }

  @Test
  void isOpenToOthersOnlyWhenToldSo() {
    assertThatThrownBy(() -> openTo(Auth.LOOPBACK, Optional.of("http://learner:7071")))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("say auth: none");
    assertThatThrownBy(() -> openTo(Auth.NONE, Optional.empty()))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("chunk_server.advertised");
    assertThat(openTo(Auth.NONE, Optional.of("http://learner:7071")).auth()).isEqualTo(Auth.NONE);
  }

  private static ChunkServerConfig openTo(Auth auth, Optional<String> advertised) {
    ChunkServerConfig usual = ChunkServerConfig.onLoopback(0);
    return new ChunkServerConfig(
        "0.0.0.0",
        0,
        auth,
        advertised,
        usual.maxConnections(),
        usual.maxBytesPerSecond(),
        usual.idleTimeout(),
        usual.writeTimeout(),
        usual.drainTimeout(),
        usual.chunkBytes());
  }
}
