package io.gradus.worker.weights;

import io.gradus.core.policy.Manifest;
import io.gradus.core.policy.Manifest.CheckpointFile;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileTime;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.List;
import java.util.function.Predicate;
import java.util.stream.Stream;

/// The directory of checkpoints that were fetched, bounded in bytes.
///
/// | name | is |
/// |---|---|
/// | `<run>-v<version>-<digest>` | a checkpoint whose every chunk was right |
/// | `<run>-v<version>-<digest>.partial` | one that is on its way; as much of each file as was right, and at most one chunk that was not looked at yet |
/// | `.lock` | held by the process that uses the directory |
///
/// The digest is over names and digests of the files, so that the same run and version of another
/// cluster are another checkpoint. In which order entries were used is kept in the modification
/// times of their directories, which outlive the process: what is used becomes a little newer than
/// all others. Nothing is synced: the engine looks at every byte again as it loads. Used by one
/// thread.
final class WeightsCache implements AutoCloseable {

  private static final String PARTIAL = ".partial";

  private record Entry(Path path, long bytes, FileTime used) {

    String name() {
      return String.valueOf(path.getFileName());
    }

    boolean isPartial() {
      return name().endsWith(PARTIAL);
    }
  }

  private final Path directory;
  private final long maxBytes;
  private final FileChannel lockFile;

  /// @throws IOException if the directory cannot be used, or another process uses it
  WeightsCache(WeightsCacheConfig config) throws IOException {
    directory = config.directory().toAbsolutePath().normalize();
    maxBytes = config.maxBytes();
    Files.createDirectories(directory);
    lockFile =
        FileChannel.open(
            directory.resolve(".lock"), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
    FileLock lock;
    try {
      lock = lockFile.tryLock();
    } catch (OverlappingFileLockException sameProcess) {
      lock = null;
    }
    if (lock == null) {
      lockFile.close();
      throw new IOException(
          "weights_cache.directory %s is in use by another worker; give each its own"
              .formatted(directory));
    }
  }

  /// What a checkpoint is called.
  static String nameOf(String runId, Manifest manifest) {
    var digest = Downloads.sha256();
    for (CheckpointFile file : Downloads.needed(manifest)) {
      digest.update(
          "%s %d %s\n"
              .formatted(file.name(), file.bytes(), file.sha256())
              .getBytes(StandardCharsets.UTF_8));
    }
    String run = runId.replaceAll("[^A-Za-z0-9_-]", "_");
    return "%s-v%08d-%s"
        .formatted(
            run.substring(0, Math.min(run.length(), 100)),
            manifest.version().value(),
            HexFormat.of().formatHex(digest.digest(), 0, 8));
  }

  /// Where a checkpoint is once it is complete.
  Path complete(String name) {
    return directory.resolve(name);
  }

  /// Where it is until then.
  Path partial(String name) {
    return directory.resolve(name + PARTIAL);
  }

  /// Gives what was fetched its final name.
  Path publish(String name) throws IOException {
    Path target = complete(name);
    Files.move(partial(name), target, StandardCopyOption.ATOMIC_MOVE);
    used(target);
    return target;
  }

  /// Notes that an entry is used now.
  void used(Path path) throws IOException {
    long newest = entries().stream().mapToLong(entry -> entry.used().toMillis()).max().orElse(0);
    Files.setLastModifiedTime(path, FileTime.fromMillis(newest + 1));
  }

  /// Deletes a checkpoint, complete or not.
  void discard(String name) throws IOException {
    deleteTree(complete(name));
    deleteTree(partial(name));
  }

  /// Makes room for a checkpoint: deletes partial ones, then complete ones, those first that were
  /// not used for the longest time.
  ///
  /// @param name what is to come, which stays
  /// @param bytes all that it will take up
  /// @param mayGo asked for the name of each complete checkpoint before it is deleted
  /// @throws FetchException if there is not enough room
  void makeRoom(String name, long bytes, Predicate<String> mayGo)
      throws FetchException, IOException {
    if (bytes > maxBytes) {
      throw new FetchException(
          "it takes %d bytes but weights_cache.max_bytes is %d".formatted(bytes, maxBytes));
    }
    List<Entry> others = entries();
    others.removeIf(entry -> entry.path().equals(partial(name)));
    long held = others.stream().mapToLong(Entry::bytes).sum();
    others.sort(
        Comparator.comparing((Entry entry) -> !entry.isPartial()).thenComparing(Entry::used));
    for (Entry entry : others) {
      if (held + bytes <= maxBytes) {
        return;
      }
      if (entry.isPartial() || mayGo.test(entry.name())) {
        deleteTree(entry.path());
        held -= entry.bytes();
      }
    }
    if (held + bytes > maxBytes) {
      throw new FetchException(
          ("it takes %d bytes, but versions in use take %d and weights_cache.max_bytes is %d;"
                  + " give the cache room for two versions")
              .formatted(bytes, held, maxBytes));
    }
  }

  private List<Entry> entries() throws IOException {
    var entries = new ArrayList<Entry>();
    try (DirectoryStream<Path> found = Files.newDirectoryStream(directory)) {
      for (Path path : found) {
        if (Files.isDirectory(path)) {
          entries.add(new Entry(path, sizeOf(path), Files.getLastModifiedTime(path)));
        }
      }
    }
    return entries;
  }

  private static long sizeOf(Path directory) throws IOException {
    long bytes = 0;
    try (DirectoryStream<Path> files = Files.newDirectoryStream(directory)) {
      for (Path file : files) {
        bytes += Files.size(file);
      }
    }
    return bytes;
  }

  private static void deleteTree(Path directory) throws IOException {
    try (Stream<Path> files = Files.walk(directory)) {
      for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
        Files.deleteIfExists(file);
      }
    } catch (NoSuchFileException gone) {
      // There was none.
    }
  }

  @Override
  public void close() throws IOException {
    lockFile.close();
  }
}
