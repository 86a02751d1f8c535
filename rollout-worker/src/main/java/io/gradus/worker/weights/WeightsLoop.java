package io.gradus.worker.weights;

import io.gradus.core.policy.Manifest;
import io.gradus.core.policy.Manifest.CheckpointFile;
import io.gradus.core.policy.PolicyVersion;
import io.gradus.core.retry.Backoff;
import io.gradus.policy.checkpoint.CheckpointDirectory;
import io.gradus.policy.checkpoint.CheckpointManifest.FileDigest;
import io.gradus.worker.lease.LeaseBook;
import io.gradus.worker.lease.LeaseBook.Want;
import io.gradus.worker.weights.ChunkClient.AbandonedException;
import java.io.IOException;
import java.net.URI;
import java.nio.file.FileSystemNotFoundException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.LongSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Brings the versions that the book wants to where the engine can read them, one at a time, and
/// tells the book.
///
/// | the files are | what happens |
/// |---|---|
/// | where the manifest says, readable here | they are used as they are |
/// | in the cache | they are used from there |
/// | at a source | they are fetched into the cache, source after source, each going on where the last one failed |
/// | nowhere | the reason is logged once, and it is tried again with growing pauses, at once when the version is announced anew |
///
/// What the engine could not load is looked at here, byte by byte, before it is offered again: it
/// may have been damaged in the store, in the cache or nowhere.
///
/// Without a cache every version is taken to be where its manifest says, and the engine says what
/// is wrong with it.
///
/// A newer version supersedes the one being fetched. But not two in a row: where weights are
/// published faster than they can be fetched, a worker that always began anew would never have any.
public final class WeightsLoop implements AutoCloseable {

  private static final Logger log = LoggerFactory.getLogger(WeightsLoop.class);

  private static final long NEVER = Duration.ofDays(1).toNanos();
  private static final long FIRST_PROGRESS_NANOS = Duration.ofSeconds(2).toNanos();
  private static final long NEXT_PROGRESS_NANOS = Duration.ofSeconds(10).toNanos();

  /// Pauses have grown to their longest by then.
  private static final int LOADS_THAT_COUNT = 8;

  private record Key(String runId, PolicyVersion version) {}

  /// A version that could not be had so far.
  private static final class Failing {
    private final Backoff backoff;
    private long notBefore;
    private List<String> sources = List.of();
    private String reason = "";

    private Failing(Backoff backoff) {
      this.backoff = backoff;
    }
  }

  private sealed interface Found {
    record Here(Path directory) implements Found {}

    record AsAnnounced() implements Found {}
  }

  private final LeaseBook book;
  private final Runnable onArrival;
  private final LongSupplier nanoTime;
  private final SplittableRandom random;
  private final Optional<WeightsCache> cache;
  private final Optional<ChunkClient> client;
  private final Optional<Downloads> downloads;
  private final Downloads.Counters counters = new Downloads.Counters();
  private final AtomicLong failures = new AtomicLong();
  private final Map<Key, Failing> failing = new HashMap<>();

  /// Versions of live runs in the cache, by the name they have there.
  private final Map<String, Key> cached = new HashMap<>();

  /// Runs whose last download was abandoned for a newer version.
  private final Set<String> abandoned = new HashSet<>();

  /// A loop that is run by the caller's thread.
  ///
  /// @param workerId tells workers' pauses apart
  /// @param onArrival told when further files are here
  /// @throws IOException if the cache cannot be used
  public WeightsLoop(
      String workerId,
      Optional<WeightsCacheConfig> config,
      LeaseBook book,
      Runnable onArrival,
      LongSupplier nanoTime)
      throws IOException {
    this.book = book;
    this.onArrival = onArrival;
    this.nanoTime = nanoTime;
    random = new SplittableRandom(workerId.hashCode());
    if (config.isPresent()) {
      var opened = new WeightsCache(config.get());
      var opening = new ChunkClient(config.get().chunkTimeout(), nanoTime);
      cache = Optional.of(opened);
      client = Optional.of(opening);
      downloads = Optional.of(new Downloads(opened, opening, counters));
    } else {
      cache = Optional.empty();
      client = Optional.empty();
      downloads = Optional.empty();
    }
  }

  /// What it has done so far.
  public WeightsFigures figures() {
    return new WeightsFigures(
        counters.versions.get(),
        counters.bytes.get(),
        counters.chunksRefused.get(),
        failures.get());
  }

  /// Works until the book stops.
  public void run() throws InterruptedException {
    while (!book.isStopping()) {
      long seen = book.changes();
      List<Want> wants = book.wants();
      forgetAllBut(wants);
      long now = nanoTime.getAsLong();
      long wait = NEVER;
      Optional<Want> due = Optional.empty();
      for (Want want : wants) {
        long left = untilDue(want, now);
        if (left <= 0) {
          due = Optional.of(want);
        }
        wait = Math.min(wait, left);
      }
      if (due.isPresent()) {
        bring(due.get());
      } else {
        book.awaitChange(seen, wait);
      }
    }
  }

  private static Key keyOf(Want want) {
    return new Key(want.runId(), want.manifest().version());
  }

  private void forgetAllBut(List<Want> wants) {
    failing.keySet().removeIf(key -> wants.stream().noneMatch(want -> keyOf(want).equals(key)));
  }

  private long untilDue(Want want, long now) {
    Failing known = failing.get(keyOf(want));
    if (known == null) {
      // What the engine has just failed to load is not offered again in the same moment.
      long left = 0;
      for (int load = 0; load < Math.min(want.failedLoads(), LOADS_THAT_COUNT); load++) {
        left = fail(want, "the engine could not load it", now);
      }
      return left;
    }
    boolean isElsewhere = !known.sources.equals(want.sources());
    return isElsewhere ? 0 : known.notBefore - now;
  }

  private void bring(Want want) {
    try {
      Manifest manifest =
          switch (find(want)) {
            case Found.AsAnnounced() -> want.manifest();
            case Found.Here(Path directory) -> at(directory, want.manifest());
          };
      if (failing.remove(keyOf(want)) != null && want.failedLoads() == 0) {
        log.atInfo()
            .addKeyValue("run", want.runId())
            .addKeyValue("version", want.manifest().version().value())
            .log("weights are here now");
      }
      book.arrived(want.runId(), manifest);
      onArrival.run();
    } catch (AbandonedException superseded) {
      log.atInfo()
          .addKeyValue("run", want.runId())
          .addKeyValue("version", want.manifest().version().value())
          .log("weights are no longer needed and are not fetched further");
    } catch (FetchException e) {
      warn(want, String.valueOf(e.getMessage()), e.retryAfter());
    } catch (IOException e) {
      warn(want, e.toString(), Optional.empty());
    }
  }

  private void warn(Want want, String reason, Optional<Duration> retryAfter) {
    failures.incrementAndGet();
    Failing known = failing.get(keyOf(want));
    boolean isNews = known == null || !known.reason.equals(reason);
    long wait = fail(want, reason, nanoTime.getAsLong());
    if (retryAfter.isPresent()) {
      wait = Math.max(wait, retryAfter.get().toNanos());
      failingOf(want).notBefore = nanoTime.getAsLong() + wait;
    }
    // The same reason again and again would bury what else there is to read.
    (isNews ? log.atWarn() : log.atDebug())
        .addKeyValue("run", want.runId())
        .addKeyValue("version", want.manifest().version().value())
        .addKeyValue("reason", reason)
        .addKeyValue("wait", Duration.ofNanos(wait))
        .log("weights cannot be had and will be tried again; sampling goes on with older ones");
  }

  private Failing failingOf(Want want) {
    return failing.computeIfAbsent(keyOf(want), _ -> new Failing(new Backoff(random)));
  }

  /// Notes a failure; how many nanoseconds it is until the next attempt.
  private long fail(Want want, String reason, long now) {
    Failing known = failingOf(want);
    long wait = known.backoff.next().toNanos();
    known.notBefore = now + wait;
    known.sources = want.sources();
    known.reason = reason;
    return wait;
  }

  private Found find(Want want) throws FetchException, AbandonedException, IOException {
    for (CheckpointFile file : want.manifest().files()) {
      Downloads.requireSafe(file.name());
    }
    boolean isSuspect = want.failedLoads() > 0;
    Optional<Path> announced = directoryOf(want.manifest());
    if (cache.isEmpty()
        || announced.filter(path -> isReadable(path, want.manifest())).isPresent()) {
      Optional<String> damage = isSuspect ? damageOf(want.manifest(), announced) : Optional.empty();
      if (damage.isEmpty()) {
        return new Found.AsAnnounced();
      }
      if (cache.isEmpty() || want.sources().isEmpty()) {
        throw new FetchException(damage.get());
      }
    }
    return new Found.Here(cachedOrFetched(want, cache.get(), downloads.orElseThrow(), isSuspect));
  }

  private Path cachedOrFetched(Want want, WeightsCache store, Downloads fetching, boolean isSuspect)
      throws FetchException, AbandonedException, IOException {
    String name = WeightsCache.nameOf(want.runId(), want.manifest());
    Path complete = store.complete(name);
    if (Files.isDirectory(complete)) {
      if (!isSuspect || damageOf(want.manifest(), Optional.of(complete)).isEmpty()) {
        store.used(complete);
        cached.put(name, keyOf(want));
        return complete;
      }
      log.atWarn()
          .addKeyValue("run", want.runId())
          .addKeyValue("version", want.manifest().version().value())
          .addKeyValue("checkpoint", complete)
          .log("cached weights were damaged and are fetched again");
      store.discard(name);
    }
    if (want.sources().isEmpty()) {
      throw new FetchException(
          "they lie at %s, which is not readable here, and no learner serves them"
              .formatted(want.manifest().uri()));
    }
    store.makeRoom(name, Downloads.bytesOf(want.manifest()), this::mayGo);
    Path fetched = fetch(want, name, fetching);
    cached.put(name, keyOf(want));
    return fetched;
  }

  private boolean mayGo(String name) {
    Key key = cached.get(name);
    boolean may = key == null || book.letGo(key.runId(), key.version());
    if (may) {
      cached.remove(name);
    }
    return may;
  }

  private Path fetch(Want want, String name, Downloads fetching)
      throws FetchException, AbandonedException, IOException {
    var progress = new Progress(want);
    FetchException last = null;
    for (String source : want.sources()) {
      long before = counters.bytes.get();
      try {
        Path here = fetching.from(source, name, want.manifest(), () -> mayGoOn(want), progress);
        abandoned.remove(want.runId());
        progress.done();
        return here;
      } catch (AbandonedException e) {
        if (book.assignment(want.runId()).isPresent()) {
          abandoned.add(want.runId());
        } else {
          abandoned.remove(want.runId());
        }
        throw e;
      } catch (FetchException e) {
        last = e;
        if (counters.bytes.get() > before) {
          // It does work now and then; the pauses begin anew.
          failingOf(want).backoff.reset();
        }
      }
    }
    throw last == null ? new FetchException("nobody serves them") : last;
  }

  private boolean mayGoOn(Want want) {
    if (book.isStopping()) {
      return false;
    }
    boolean isWanted = book.wants().stream().anyMatch(other -> keyOf(other).equals(keyOf(want)));
    boolean isRunLive = book.assignment(want.runId()).isPresent();
    return isWanted || (isRunLive && abandoned.contains(want.runId()));
  }

  /// Tells of a download that takes longer than a moment.
  private final class Progress implements Downloads.Progress {

    private final Want want;
    private final long begun = nanoTime.getAsLong();
    private long next = FIRST_PROGRESS_NANOS;

    private Progress(Want want) {
      this.want = want;
    }

    @Override
    public void at(long bytesHere, long bytesInAll) {
      long taken = nanoTime.getAsLong() - begun;
      if (taken >= next) {
        next = taken + NEXT_PROGRESS_NANOS;
        log.atInfo()
            .addKeyValue("run", want.runId())
            .addKeyValue("version", want.manifest().version().value())
            .addKeyValue("bytes", bytesHere)
            .addKeyValue("of", bytesInAll)
            .addKeyValue("taken", Duration.ofNanos(taken))
            .log("weights are being fetched");
      }
    }

    private void done() {
      log.atInfo()
          .addKeyValue("run", want.runId())
          .addKeyValue("version", want.manifest().version().value())
          .addKeyValue("bytes", Downloads.bytesOf(want.manifest()))
          .addKeyValue("taken", Duration.ofNanos(nanoTime.getAsLong() - begun))
          .log("weights were fetched");
    }
  }

  private static Manifest at(Path directory, Manifest manifest) {
    return new Manifest(
        manifest.version(),
        manifest.step(),
        manifest.batch(),
        directory.toUri().toString(),
        manifest.files(),
        manifest.lineage(),
        manifest.durable());
  }

  private static Optional<Path> directoryOf(Manifest manifest) {
    try {
      URI uri = URI.create(manifest.uri());
      return "file".equals(uri.getScheme()) ? Optional.of(Path.of(uri)) : Optional.empty();
    } catch (IllegalArgumentException | FileSystemNotFoundException notHere) {
      return Optional.empty();
    }
  }

  private static boolean isReadable(Path directory, Manifest manifest) {
    for (CheckpointFile file : Downloads.needed(manifest)) {
      Path path = directory.resolve(file.name());
      try {
        if (!Files.isReadable(path) || Files.size(path) != file.bytes()) {
          return false;
        }
      } catch (IOException gone) {
        return false;
      }
    }
    return true;
  }

  /// What is wrong with the files in a directory; absent if nothing is.
  private static Optional<String> damageOf(Manifest manifest, Optional<Path> directory)
      throws IOException {
    if (directory.isEmpty()) {
      return Optional.of("\"%s\" is no file URI".formatted(manifest.uri()));
    }
    var expected = new TreeMap<String, FileDigest>();
    for (CheckpointFile file : Downloads.needed(manifest)) {
      expected.put(file.name(), new FileDigest(file.bytes(), file.sha256()));
    }
    return CheckpointDirectory.compare(directory.get(), expected).stream()
        .findFirst()
        .map(problem ->
            "%s: %s".formatted(directory.get().resolve(problem.file()), problem.message()));
  }

  /// Ends requests under way and lets go of the cache; after [#run] has returned.
  @Override
  public void close() {
    client.ifPresent(ChunkClient::close);
    cache.ifPresent(open -> {
      try {
        open.close();
      } catch (IOException e) {
        log.atWarn().setCause(e).log("the weights cache could not be unlocked");
      }
    });
  }
}
