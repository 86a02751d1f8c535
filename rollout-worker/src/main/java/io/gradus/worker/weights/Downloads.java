package io.gradus.worker.weights;

import io.gradus.core.policy.Manifest;
import io.gradus.core.policy.Manifest.CheckpointFile;
import io.gradus.policy.checkpoint.CheckpointDirectory;
import io.gradus.policy.checkpoint.ChunkDigests;
import io.gradus.worker.weights.ChunkClient.AbandonedException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.BooleanSupplier;

/*
 * A download goes through the files of a checkpoint in order, and through the chunks of a file in
 * order. So how far it has come is a file and a number of chunks, and the partial file on the disk
 * is itself the record of it: after a crash its whole chunks are read and compared with their
 * digests, and the download goes on behind the last one that is right. A separate record of what was
 * verified could be wrong about the disk; the bytes cannot. Reading them costs a second for each GB
 * or so, once, against fetching them again.
 *
 * Within a process the position is kept from attempt to attempt, so that a source that fails in the
 * middle costs the chunk at hand and nothing else.
 *
 * Chunks are compared with what the source says of them, so that a flipped bit costs a chunk. What
 * the ledger says of the whole file is not looked at here: an engine does that whenever it loads,
 * and a second digest would double the processor time that a download takes. A source that lies
 * about its chunks so costs a download and nothing else; the engine refuses the file, and it is
 * fetched anew.
 */

/// Fetches the files of one checkpoint after another into the cache. Used by one thread.
final class Downloads {

  private static final int READ_BYTES = 1 << 18;

  /// Counters, for whoever asks; one thread writes them.
  static final class Counters {
    final AtomicLong versions = new AtomicLong();
    final AtomicLong bytes = new AtomicLong();
    final AtomicLong chunksRefused = new AtomicLong();
  }

  /// Told after each chunk.
  interface Progress {
    void at(long bytesHere, long bytesInAll);
  }

  /// How far a file has come.
  private static final class Position {
    private final ChunkDigests digests;
    private int chunks;

    /// A chunk was not what its digest says: one of the two is wrong.
    private boolean isDoubted;

    private Position(ChunkDigests digests) {
      this.digests = digests;
    }
  }

  /// The checkpoint at hand.
  private static final class Download {
    private final String name;
    private final List<CheckpointFile> files;

    /// Files before this one are complete.
    private int file;

    private Optional<Position> position = Optional.empty();

    private Download(String name, List<CheckpointFile> files) {
      this.name = name;
      this.files = files;
    }
  }

  private final WeightsCache cache;
  private final ChunkClient client;
  private final Counters counters;
  private Optional<Download> current = Optional.empty();

  Downloads(WeightsCache cache, ChunkClient client, Counters counters) {
    this.cache = cache;
    this.client = client;
    this.counters = counters;
  }

  /// Files that a worker needs. The optimizer's state is larger than the weights and no worker's
  /// business.
  static List<CheckpointFile> needed(Manifest manifest) {
    return manifest.files().stream()
        .filter(file -> !file.name().equals(CheckpointDirectory.OPTIMIZER))
        .toList();
  }

  static long bytesOf(Manifest manifest) {
    return needed(manifest).stream().mapToLong(CheckpointFile::bytes).sum();
  }

  static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every JDK has SHA-256, this one does not", e);
    }
  }

  /// Goes on with a checkpoint until it is complete, or its source fails; what has come by then
  /// stays for the next call, which may name another source.
  ///
  /// @param name of the checkpoint in the cache
  /// @return the directory with its files
  Path from(
      String source, String name, Manifest manifest, BooleanSupplier isWanted, Progress progress)
      throws FetchException, AbandonedException, IOException {
    // Where its partial files had to make room for others, it begins anew.
    boolean isUnderWay =
        current.filter(known -> known.name.equals(name)).isPresent()
            && Files.isDirectory(cache.partial(name));
    Download download = isUnderWay ? current.get() : new Download(name, needed(manifest));
    current = Optional.of(download);
    Files.createDirectories(cache.partial(name));
    long all = bytesOf(manifest);
    long before = 0;
    for (CheckpointFile file : download.files.subList(0, download.file)) {
      before += file.bytes();
    }
    while (download.file < download.files.size()) {
      CheckpointFile file = download.files.get(download.file);
      long complete = before;
      fetch(source, download, file, isWanted, here -> progress.at(complete + here, all));
      before += file.bytes();
      download.file++;
      download.position = Optional.empty();
    }
    current = Optional.empty();
    counters.versions.incrementAndGet();
    return cache.publish(name);
  }

  private interface Here {
    void at(long bytes);
  }

  private void fetch(
      String source, Download download, CheckpointFile file, BooleanSupplier isWanted, Here here)
      throws FetchException, AbandonedException, IOException {
    Path target = cache.partial(download.name).resolve(file.name());
    try (FileChannel channel =
        FileChannel.open(
            target, StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
      if (download.position.filter(known -> !known.isDoubted).isEmpty()) {
        ChunkDigests told = client.digests(source, file, isWanted);
        // What was right by the same digests is right; by others it is looked at again.
        if (download.position.filter(known -> known.digests.equals(told)).isEmpty()) {
          var fresh = new Position(told);
          readBack(channel, fresh, isWanted);
          download.position = Optional.of(fresh);
        }
        download.position.orElseThrow().isDoubted = false;
      }
      Position position = download.position.get();
      ChunkDigests digests = position.digests;
      while (position.chunks < digests.count()) {
        int chunk = position.chunks;
        byte[] digest =
            client.chunk(
                source, file, digests.offset(chunk), digests.length(chunk), channel, isWanted);
        if (!digests.matches(chunk, digest)) {
          counters.chunksRefused.incrementAndGet();
          position.isDoubted = true;
          throw new FetchException(
              "chunk %d of %d of %s/%s has SHA-256 %s, which is not what was announced; it was damaged at the source or on its way"
                  .formatted(
                      chunk + 1,
                      digests.count(),
                      source,
                      file.name(),
                      HexFormat.of().formatHex(digest)));
        }
        position.chunks++;
        counters.bytes.addAndGet(digests.length(chunk));
        here.at(digests.offset(chunk) + digests.length(chunk));
      }
      if (channel.size() > file.bytes()) {
        channel.truncate(file.bytes());
      }
    }
  }

  /// Finds out how much of a file is here: chunks in order up to the first that is not whole or not
  /// right.
  private static void readBack(FileChannel channel, Position position, BooleanSupplier isWanted)
      throws IOException, AbandonedException {
    ChunkDigests digests = position.digests;
    var buffer = ByteBuffer.allocate(READ_BYTES);
    while (position.chunks < digests.count()) {
      if (!isWanted.getAsBoolean()) {
        throw new AbandonedException();
      }
      int chunk = position.chunks;
      long end = digests.offset(chunk) + digests.length(chunk);
      if (channel.size() < end) {
        return;
      }
      MessageDigest digest = sha256();
      long at = digests.offset(chunk);
      while (at < end) {
        buffer.clear().limit((int) Math.min(buffer.capacity(), end - at));
        int read = channel.read(buffer, at);
        if (read < 0) {
          return;
        }
        digest.update(buffer.array(), 0, read);
        at += read;
      }
      if (!digests.matches(chunk, digest.digest())) {
        return;
      }
      position.chunks++;
    }
  }

  /// Refuses a name that leads anywhere but into a directory.
  static void requireSafe(String name) throws FetchException {
    if (name.startsWith(".") || !name.matches("[A-Za-z0-9._-]+")) {
      throw new FetchException("the manifest names the file \"%s\"".formatted(name));
    }
  }
}
