package io.gradus.worker.weights;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.gradus.core.policy.Manifest;
import io.gradus.learner.chunks.ChunkServer;
import io.gradus.worker.lease.LeaseBook;
import io.gradus.worker.run.Assignments;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// SIGKILL in the middle of a download.
@Timeout(180)
class WeightsKillTest {

  static final String SAYS = "says: ";

  private static final int CHUNK = LearnerStore.CHUNK;
  private static final int SIZE = 40 * CHUNK + 77;

  /// A file takes some seconds.
  private static final long SLOW = 10L * CHUNK;

  /// Requests, answers and digests beside the bytes of files.
  private static final long OVERHEAD = 64 << 10;

  @TempDir private Path directory;

  private final List<AutoCloseable> toClose = new ArrayList<>();
  private LearnerStore store;
  private Manifest manifest;

  @BeforeEach
  void publish() throws IOException {
    store = new LearnerStore(Files.createDirectory(directory.resolve("store")));
    manifest = store.publish(1, SIZE);
  }

  @AfterEach
  void close() throws Exception {
    for (AutoCloseable resource : toClose.reversed()) {
      resource.close();
    }
  }

  private record Running(Process process, BufferedReader output) implements AutoCloseable {

    /// The next thing that it says between the lines of its log.
    String line() throws IOException {
      String line = output.readLine();
      while (line != null && !line.startsWith(SAYS)) {
        line = output.readLine();
      }
      return String.valueOf(line).substring(SAYS.length());
    }

    void kill() throws InterruptedException {
      process.destroyForcibly();
      assertThat(process.waitFor(20, TimeUnit.SECONDS)).isTrue();
    }

    @Override
    public void close() {
      process.destroyForcibly();
    }
  }

  private Running start(Class<?> main, String... arguments) throws IOException {
    var command =
        new ArrayList<>(
            List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:TieredStopAtLevel=1",
                "-cp",
                System.getProperty("java.class.path"),
                main.getName()));
    command.addAll(List.of(arguments));
    Process process =
        new ProcessBuilder(command)
            .redirectError(directory.resolve("log-" + toClose.size()).toFile())
            .start();
    var running =
        new Running(
            process, new BufferedReader(new InputStreamReader(process.getInputStream(), UTF_8)));
    toClose.add(running);
    return running;
  }

  private static String source(String base) {
    return base + "/" + LearnerStore.nameOf(1);
  }

  @Test
  void goesOnWhenTheServerIsKilledAndComesBack() throws Exception {
    Running server = start(ServeProcess.class, store.path().toString(), "0", Long.toString(SLOW));
    String base = server.line();
    var counting = new CuttingProxy(base, List.of());
    toClose.add(counting);
    var book = new LeaseBook(1, 1);
    book.assign(Assignments.free(LearnerStore.RUN));
    book.announce(LearnerStore.RUN, manifest, List.of(source(counting.uri())));
    var loop =
        new WeightsLoop(
            "worker-1",
            Optional.of(WeightsCacheConfig.of(directory.resolve("cache"), 1L << 30)),
            book,
            () -> {},
            System::nanoTime);
    toClose.add(loop);
    Thread thread =
        Thread.ofVirtual()
            .start(() -> {
              try {
                loop.run();
              } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
              }
            });
    toClose.add(() -> {
      book.stop();
      thread.join();
    });
    await().atMost(Duration.ofSeconds(60)).until(() -> loop.figures().bytes() >= 6 * CHUNK);

    server.kill();
    await().until(() -> loop.figures().failures() >= 1);
    long before = loop.figures().bytes();
    String port = Integer.toString(URI.create(base).getPort());
    assertThat(
            start(ServeProcess.class, store.path().toString(), port, Long.toString(1L << 40))
                .line())
        .isEqualTo(base);

    await()
        .atMost(Duration.ofSeconds(60))
        .until(() -> book.manifest(LearnerStore.RUN, manifest.version()).isPresent());
    assertThat(before).isLessThan(SIZE);
    assertThat(counting.delivered.get())
        .as("read in all, of which a chunk at most twice")
        .isLessThanOrEqualTo(Downloads.bytesOf(manifest) + CHUNK + OVERHEAD);
    Path fetched =
        Path.of(
            URI.create(book.manifest(LearnerStore.RUN, manifest.version()).orElseThrow().uri()));
    assertThat(Files.mismatch(fetched.resolve(LearnerStore.BLOB), store.blob(1))).isEqualTo(-1);
  }

  private ChunkServer serve(OptionalLong bytesPerSecond) throws IOException {
    var server = new ChunkServer(LearnerStore.server(0, bytesPerSecond), System::nanoTime);
    toClose.add(server);
    server.serve(LearnerStore.RUN, store.path());
    return server;
  }

  private long partialBytes(Path cache) throws IOException {
    if (!Files.isDirectory(cache)) {
      return 0;
    }
    try (Stream<Path> files = Files.walk(cache)) {
      return files
          .filter(file -> file.endsWith(LearnerStore.BLOB))
          .mapToLong(file -> file.toFile().length())
          .sum();
    }
  }

  @Test
  void goesOnWhenTheWorkerIsKilledAndComesBack() throws Exception {
    ChunkServer slow = serve(OptionalLong.of(SLOW));
    ChunkServer fast = serve(OptionalLong.empty());
    Path cache = directory.resolve("cache");
    Running worker =
        start(
            FetchProcess.class,
            store.path().toString(),
            cache.toString(),
            source(slow.uriOf(LearnerStore.RUN)));
    await().atMost(Duration.ofSeconds(60)).until(() -> partialBytes(cache) >= 6 * CHUNK);

    worker.kill();
    long partial = partialBytes(cache);
    long whole = partial / CHUNK * CHUNK;
    String fetched =
        start(
                FetchProcess.class,
                store.path().toString(),
                cache.toString(),
                source(fast.uriOf(LearnerStore.RUN)))
            .line();

    assertThat(partial).isLessThan(SIZE);
    assertThat(Long.parseLong(fetched))
        .as("what was whole on the disk is not read again")
        .isEqualTo(Downloads.bytesOf(manifest) - whole);
    assertThat(slow.figures().sentBytes() + fast.figures().sentBytes())
        .isLessThanOrEqualTo(Downloads.bytesOf(manifest) + CHUNK);
    try (Stream<Path> files = Files.walk(cache)) {
      Path blob = files.filter(file -> file.endsWith(LearnerStore.BLOB)).findFirst().orElseThrow();
      assertThat(blob.toString()).doesNotContain(".partial");
      assertThat(Files.mismatch(blob, store.blob(1))).isEqualTo(-1);
    }
  }
}
