package io.gradus.worker.weights;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.read.ListAppender;
import io.gradus.core.policy.Manifest;
import io.gradus.core.policy.Manifest.CheckpointFile;
import io.gradus.core.policy.PolicyVersion;
import io.gradus.learner.chunks.ChunkServer;
import io.gradus.policy.checkpoint.CheckpointDirectory;
import io.gradus.worker.lease.LeaseBook;
import io.gradus.worker.run.Assignments;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.management.BufferPoolMXBean;
import java.lang.management.ManagementFactory;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.slf4j.LoggerFactory;

@Timeout(60)
class WeightsLoopTest {

  private static final int CHUNK = LearnerStore.CHUNK;
  private static final int SIZE = 20 * CHUNK + 77;
  private static final long ROOMY = 1L << 30;

  @TempDir private Path directory;

  private final List<AutoCloseable> toClose = new ArrayList<>();
  private final AtomicInteger arrivals = new AtomicInteger();
  private final ListAppender<ILoggingEvent> lines = new ListAppender<>();
  private LearnerStore store;
  private LeaseBook book;

  @BeforeEach
  void open() throws IOException {
    store = new LearnerStore(Files.createDirectory(directory.resolve("store")));
    book = newBook();
    lines.start();
    logger().addAppender(lines);
    toClose.add(() -> logger().detachAppender(lines));
  }

  @AfterEach
  void close() throws Exception {
    for (AutoCloseable resource : toClose.reversed()) {
      resource.close();
    }
  }

  private static Logger logger() {
    return (Logger) LoggerFactory.getLogger(WeightsLoop.class);
  }

  private static LeaseBook newBook() {
    var book = new LeaseBook(4, 4);
    book.assign(Assignments.free(LearnerStore.RUN));
    return book;
  }

  /// A worker's thread for weights, until it is closed.
  private final class Worker implements AutoCloseable {
    private final LeaseBook of;
    private final WeightsLoop loop;
    private final Thread thread;

    private Worker(LeaseBook of, Optional<WeightsCacheConfig> cache) throws IOException {
      this.of = of;
      loop = new WeightsLoop("worker-1", cache, of, arrivals::incrementAndGet, System::nanoTime);
      thread =
          Thread.ofPlatform()
              .start(() -> {
                try {
                  loop.run();
                } catch (InterruptedException e) {
                  Thread.currentThread().interrupt();
                }
              });
    }

    @Override
    public void close() {
      of.stop();
      try {
        assertThat(thread.join(Duration.ofSeconds(20))).isTrue();
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
      loop.close();
    }
  }

  private Path cache() {
    return directory.resolve("cache");
  }

  private Worker start(long maxBytes) throws IOException {
    var worker = new Worker(book, Optional.of(WeightsCacheConfig.of(cache(), maxBytes)));
    toClose.add(worker);
    return worker;
  }

  private ChunkServer serve(int port, OptionalLong bytesPerSecond) throws IOException {
    var server = new ChunkServer(LearnerStore.server(port, bytesPerSecond), System::nanoTime);
    server.serve(LearnerStore.RUN, store.path());
    toClose.add(server);
    return server;
  }

  private ChunkServer serve() throws IOException {
    return serve(0, OptionalLong.empty());
  }

  private static String source(String base, long version) {
    return base + "/" + LearnerStore.nameOf(version);
  }

  private void announce(Manifest manifest, String... bases) {
    book.announce(
        LearnerStore.RUN,
        manifest,
        Stream.of(bases).map(base -> source(base, manifest.version().value())).toList());
  }

  private Path awaitHere(Manifest manifest) {
    await()
        .atMost(Duration.ofSeconds(30))
        .until(() -> book.manifest(LearnerStore.RUN, manifest.version()).isPresent());
    return Path.of(
        URI.create(book.manifest(LearnerStore.RUN, manifest.version()).orElseThrow().uri()));
  }

  private void assertSame(Path fetched, long version) throws IOException {
    Path source = store.path().resolve(LearnerStore.nameOf(version));
    for (String name : List.of("config.json", CheckpointDirectory.MODEL, LearnerStore.BLOB)) {
      assertThat(Files.mismatch(fetched.resolve(name), source.resolve(name))).isEqualTo(-1);
    }
  }

  private static long bytesOf(Manifest manifest) {
    return Downloads.bytesOf(manifest);
  }

  private List<String> warnings() {
    return List.copyOf(lines.list).stream()
        .filter(line -> line.getLevel() == Level.WARN)
        .map(line -> String.valueOf(line.getKeyValuePairs()) + " " + line.getMessage())
        .toList();
  }

  @Test
  void usesWhatIsReadableHereAsItIs() throws Exception {
    Manifest elsewhere = store.publish(1, SIZE);
    Path here = store.path().resolve(LearnerStore.nameOf(1)).toAbsolutePath();
    Manifest manifest = at(elsewhere, here.toUri().toString());
    start(ROOMY);

    announce(manifest, "http://127.0.0.1:1");

    assertThat(awaitHere(manifest)).isEqualTo(here);
    assertThat(cache()).isDirectoryNotContaining("glob:**run-1*");
  }

  private static Manifest at(Manifest manifest, String uri) {
    return new Manifest(
        manifest.version(),
        manifest.step(),
        manifest.batch(),
        uri,
        manifest.files(),
        manifest.lineage(),
        manifest.durable());
  }

  @Test
  void fetchesWhatIsNotReadableHereButNoOptimizer() throws Exception {
    Manifest manifest = store.publish(1, SIZE);
    ChunkServer server = serve();
    Worker worker = start(ROOMY);

    announce(manifest, server.uriOf(LearnerStore.RUN));

    Path fetched = awaitHere(manifest);
    assertSame(fetched, 1);
    assertThat(fetched.resolve(CheckpointDirectory.OPTIMIZER)).doesNotExist();
    assertThat(server.figures().sentBytes()).isEqualTo(bytesOf(manifest));
    assertThat(worker.loop.figures()).isEqualTo(new WeightsFigures(1, bytesOf(manifest), 0, 0));
    await().until(() -> arrivals.get() == 1);
  }

  @Test
  void usesWhatAnEarlierProcessFetched() throws Exception {
    Manifest manifest = store.publish(1, SIZE);
    ChunkServer server = serve();
    Worker first = start(ROOMY);
    announce(manifest, server.uriOf(LearnerStore.RUN));
    awaitHere(manifest);
    first.close();

    book = newBook();
    start(ROOMY);
    announce(manifest, server.uriOf(LearnerStore.RUN));

    assertSame(awaitHere(manifest), 1);
    assertThat(server.figures().sentBytes()).isEqualTo(bytesOf(manifest));
  }

  @Test
  void neverUsesADamagedChunkSaysWhyAndRecoversWhenItIsMended() throws Exception {
    Manifest manifest = store.publish(1, SIZE);
    ChunkServer server = serve();
    String base = server.uriOf(LearnerStore.RUN);
    digest(manifest, base);
    store.flip(1, 7L * CHUNK + 5);
    Worker worker = start(ROOMY);

    announce(manifest, base);

    await().until(() -> worker.loop.figures().chunksRefused() >= 3);
    assertThat(book.manifest(LearnerStore.RUN, manifest.version())).isEmpty();
    assertThat(warnings())
        .as("said once, not at each attempt")
        .singleElement()
        .asString()
        .contains("version=\"1\"", "chunk 8 of 21", LearnerStore.BLOB, "will be tried again");

    store.flip(1, 7L * CHUNK + 5);

    assertSame(awaitHere(manifest), 1);
    assertThat(worker.loop.figures().bytes()).isEqualTo(bytesOf(manifest));
  }

  /// Lets the server digest the file before it is damaged.
  private static void digest(Manifest manifest, String base) throws Exception {
    CheckpointFile blob =
        manifest.files().stream()
            .filter(file -> file.name().equals(LearnerStore.BLOB))
            .findFirst()
            .orElseThrow();
    try (var client = new ChunkClient(Duration.ofSeconds(20), System::nanoTime)) {
      var _ = client.digests(source(base, manifest.version().value()), blob, () -> true);
    }
  }

  @Test
  void saysThatTheSourceIsDamagedWhenItKnows() throws Exception {
    Manifest manifest = store.publish(1, SIZE);
    store.flip(1, 5);
    ChunkServer server = serve();
    Worker worker = start(ROOMY);

    announce(manifest, server.uriOf(LearnerStore.RUN));

    await().until(() -> worker.loop.figures().failures() >= 2);
    assertThat(warnings()).singleElement().asString().contains("answered 500", "damaged");
    store.flip(1, 5);
    assertSame(awaitHere(manifest), 1);
  }

  @Test
  void asksTheNextSourceWhenOneFails() throws Exception {
    Manifest manifest = store.publish(1, SIZE);
    ChunkServer server = serve();
    Worker worker = start(ROOMY);

    announce(manifest, "http://127.0.0.1:1/nobody", server.uriOf(LearnerStore.RUN));

    assertSame(awaitHere(manifest), 1);
    assertThat(worker.loop.figures().failures()).isZero();
  }

  @Test
  void goesOnAtAnotherSourceWhereTheFirstOneFailed() throws Exception {
    Manifest manifest = store.publish(1, SIZE);
    ChunkServer server = serve();
    String base = server.uriOf(LearnerStore.RUN);
    var proxy = new CuttingProxy(base, List.of(10L * CHUNK, 0L, 0L, 0L, 0L));
    toClose.add(proxy);
    Worker worker = start(ROOMY);

    announce(manifest, proxy.uri(), base);

    assertSame(awaitHere(manifest), 1);
    assertThat(worker.loop.figures().failures()).isZero();
    assertThat(server.figures().sentBytes()).isLessThanOrEqualTo(bytesOf(manifest) + CHUNK);
  }

  @Test
  void triesAtOnceWhenTheVersionIsAnnouncedWithAnotherAddress() throws Exception {
    Manifest manifest = store.publish(1, SIZE);
    ChunkServer server = serve();
    Worker worker = start(ROOMY);
    announce(manifest, "http://127.0.0.1:1/nobody");
    await().until(() -> worker.loop.figures().failures() >= 1);

    announce(manifest, server.uriOf(LearnerStore.RUN));

    assertSame(awaitHere(manifest), 1);
  }

  @Test
  void saysWhenNobodyServesWhatIsNotReadable() throws Exception {
    Manifest manifest = store.publish(1, SIZE);
    Worker worker = start(ROOMY);

    announce(manifest);

    await().until(() -> worker.loop.figures().failures() >= 2);
    assertThat(warnings())
        .singleElement()
        .asString()
        .contains(manifest.uri(), "not readable here", "no learner serves");
  }

  @ParameterizedTest(name = "seed {0}")
  @MethodSource("seeds")
  void assemblesTheVeryFileHoweverConnectionsAreCut(long seed) throws Exception {
    var random = new SplittableRandom(seed);
    Manifest manifest = store.publish(1, random.nextInt(1, 12 * CHUNK));
    ChunkServer server = serve();
    var budgets = new ArrayList<Long>();
    for (int cut = random.nextInt(1, 6); cut > 0; cut--) {
      budgets.add(random.nextLong(3L * CHUNK));
    }
    var proxy = new CuttingProxy(server.uriOf(LearnerStore.RUN), budgets);
    toClose.add(proxy);
    Worker worker = start(ROOMY);

    announce(manifest, proxy.uri());

    assertSame(awaitHere(manifest), 1);
    assertThat(worker.loop.figures().bytes()).as("bytes that counted").isEqualTo(bytesOf(manifest));
    long overhead = 4_096 * (2L * manifest.files().size() + 20 + 2 * proxy.cuts.get());
    assertThat(proxy.delivered.get())
        .as("all that came, of which each cut wastes a chunk at most")
        .isLessThanOrEqualTo(bytesOf(manifest) + proxy.cuts.get() * CHUNK + overhead);
  }

  /// One fixed list; `-Dseed=N` replays the one that failed.
  static LongStream seeds() {
    Long replay = Long.getLong("seed");
    return replay != null ? LongStream.of(replay) : LongStream.range(0, 40);
  }

  @Test
  void goesOnBehindTheLastRightChunkAfterARestart() throws Exception {
    Manifest manifest = store.publish(1, SIZE);
    ChunkServer server = serve();
    String base = server.uriOf(LearnerStore.RUN);
    List<Long> budgets = new ArrayList<>(List.of(10L * CHUNK));
    for (int i = 0; i < 1_000; i++) {
      budgets.add(0L);
    }
    var proxy = new CuttingProxy(base, budgets);
    toClose.add(proxy);
    Worker first = start(ROOMY);
    announce(manifest, proxy.uri());
    await().until(() -> first.loop.figures().failures() >= 1);
    first.close();
    long before = first.loop.figures().bytes();
    assertThat(before).isBetween(8L * CHUNK, bytesOf(manifest) - 1);

    book = newBook();
    Worker second = start(ROOMY);
    announce(manifest, base);

    assertSame(awaitHere(manifest), 1);
    assertThat(second.loop.figures().bytes())
        .as("what was right is not fetched again")
        .isEqualTo(bytesOf(manifest) - before);
  }

  @Test
  void countsNoChunkThatWasDamagedOnItsOwnDisk() throws Exception {
    Manifest manifest = store.publish(1, SIZE);
    ChunkServer server = serve();
    String name = WeightsCache.nameOf(LearnerStore.RUN, manifest);
    Path partial = Files.createDirectories(cache().resolve(name + ".partial"));
    Files.copy(store.blob(1), partial.resolve(LearnerStore.BLOB));
    try (var file = new RandomAccessFile(partial.resolve(LearnerStore.BLOB).toFile(), "rw")) {
      file.seek(3L * CHUNK);
      file.write(new byte[10]);
    }
    Worker worker = start(ROOMY);

    announce(manifest, server.uriOf(LearnerStore.RUN));

    assertSame(awaitHere(manifest), 1);
    assertThat(worker.loop.figures().bytes()).isEqualTo(bytesOf(manifest) - 3L * CHUNK);
  }

  @Test
  void deletesWhatWasNotUsedForTheLongestTimeButNothingThatIsLoaded() throws Exception {
    ChunkServer server = serve();
    String base = server.uriOf(LearnerStore.RUN);
    List<Manifest> manifests = new ArrayList<>();
    for (long version = 1; version <= 5; version++) {
      manifests.add(store.publish(version, SIZE));
    }
    long room = 3 * bytesOf(manifests.getFirst()) + CHUNK;
    start(room);
    for (Manifest manifest : manifests.subList(0, 3)) {
      announce(manifest, base);
      awaitHere(manifest);
    }
    book.loaded(LearnerStore.RUN, Set.of(new PolicyVersion(1)));

    announce(manifests.get(3), base);
    awaitHere(manifests.get(3));
    announce(manifests.get(4), base);
    awaitHere(manifests.get(4));

    assertThat(versionsInCache()).containsExactlyInAnyOrder("v00000001", "v00000004", "v00000005");
    assertThat(book.manifest(LearnerStore.RUN, new PolicyVersion(2))).isEmpty();
    assertThat(book.manifest(LearnerStore.RUN, new PolicyVersion(1))).isPresent();
  }

  private List<String> versionsInCache() throws IOException {
    try (Stream<Path> entries = Files.list(cache())) {
      return entries
          .map(entry -> String.valueOf(entry.getFileName()))
          .filter(name -> name.startsWith(LearnerStore.RUN))
          .map(name -> name.split("-", -1)[2])
          .toList();
    }
  }

  @Test
  void saysWhenTheCacheIsTooSmall() throws Exception {
    Manifest manifest = store.publish(1, SIZE);
    ChunkServer server = serve();
    Worker worker = start(SIZE);

    announce(manifest, server.uriOf(LearnerStore.RUN));

    await().until(() -> worker.loop.figures().failures() >= 1);
    assertThat(warnings()).singleElement().asString().contains("weights_cache.max_bytes");
    assertThat(server.figures().sentBytes()).isZero();
  }

  @Test
  void refusesADirectoryThatAnotherWorkerUses() throws Exception {
    start(ROOMY);

    assertThatThrownBy(() -> start(ROOMY))
        .isInstanceOf(IOException.class)
        .hasMessageContaining("in use by another worker");
  }

  @Test
  void givesUpAVersionForANewerOneButNotTwiceInARow() throws Exception {
    Manifest one = store.publish(1, SIZE);
    Manifest two = store.publish(2, SIZE);
    Manifest three = store.publish(3, SIZE);
    ChunkServer server = serve(0, OptionalLong.of(SIZE));
    String base = server.uriOf(LearnerStore.RUN);
    Worker worker = start(ROOMY);

    announce(one, base);
    await().until(() -> worker.loop.figures().bytes() > CHUNK);
    announce(two, base);
    await().until(() -> isPartial(2));
    announce(three, base);

    assertSame(awaitHere(two), 2);
    assertThat(book.manifest(LearnerStore.RUN, one.version())).isEmpty();
    assertSame(awaitHere(three), 3);
    assertThat(worker.loop.figures().versions()).isEqualTo(2);
  }

  private boolean isPartial(long version) throws IOException {
    try (Stream<Path> entries = Files.list(cache())) {
      return entries.anyMatch(entry ->
          entry.toString().contains("v%08d".formatted(version))
              && Files.exists(entry.resolve(LearnerStore.BLOB)));
    }
  }

  @Test
  void fetchesAgainWhatTheEngineFoundDamagedInTheCache() throws Exception {
    Manifest manifest = store.publish(1, SIZE);
    ChunkServer server = serve();
    start(ROOMY);
    announce(manifest, server.uriOf(LearnerStore.RUN));
    Path fetched = awaitHere(manifest);
    Files.write(fetched.resolve(LearnerStore.BLOB), new byte[SIZE]);

    book.loadFailed(LearnerStore.RUN, manifest.version());

    assertSame(awaitHere(manifest), 1);
  }

  @Test
  void holdsNoMoreMemoryForLargerFiles() throws Exception {
    Manifest small = store.publish(1, CHUNK);
    Manifest large = store.publish(2, 64 << 20);
    ChunkServer server = serve();
    String base = server.uriOf(LearnerStore.RUN);
    start(ROOMY);
    announce(small, base);
    awaitHere(small);
    long before = directBytes();

    announce(large, base);
    awaitHere(large);

    assertThat(directBytes() - before).isLessThan(4 << 20);
    await().until(() -> server.figures().directBytes() < 1 << 16);
  }

  private static long directBytes() {
    return ManagementFactory.getPlatformMXBeans(BufferPoolMXBean.class).stream()
        .filter(pool -> pool.getName().equals("direct"))
        .mapToLong(BufferPoolMXBean::getMemoryUsed)
        .sum();
  }
}
