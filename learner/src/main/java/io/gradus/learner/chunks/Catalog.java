package io.gradus.learner.chunks;

import io.gradus.policy.checkpoint.CheckpointManifest;
import io.gradus.policy.checkpoint.CheckpointManifest.FileDigest;
import io.gradus.policy.checkpoint.ChunkDigests;
import io.gradus.policy.checkpoint.DamagedCheckpointException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.ReentrantLock;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// What may be read: files that the manifest of a checkpoint names, in the stores of runs that were
/// made known. Calls block on the disk.
final class Catalog {

  /// What a path asks for.
  ///
  /// @param wantsDigests the digests of its chunks instead of its bytes
  record Target(String run, String checkpoint, String file, boolean wantsDigests) {

    /// Names are matched as they are: nothing is decoded and no part can be `..`, so that no path
    /// leads out of the store.
    private static final Pattern PATH =
        Pattern.compile(
            "/v1/runs/([A-Za-z0-9_-][A-Za-z0-9._-]{0,254})/checkpoints/(v\\d{1,18}-s\\d{1,18}-e\\d{1,18})"
                + "/([A-Za-z0-9_-][A-Za-z0-9._-]{0,254})(/chunks)?");

    static Optional<Target> of(String path) {
      Matcher match = PATH.matcher(path);
      return match.matches()
          ? Optional.of(
              new Target(match.group(1), match.group(2), match.group(3), match.group(4) != null))
          : Optional.empty();
    }
  }

  /// A file as it was published.
  record Published(Path path, FileDigest digest) {}

  /// Manifests remembered: a few more than a store keeps checkpoints.
  private static final int MANIFESTS_KEPT = 64;

  /// Chunks whose digests are remembered, over all files: about 8 MB.
  private static final int CHUNKS_KEPT = 1 << 18;

  private final int chunkBytes;
  private final Map<String, Path> stores = new ConcurrentHashMap<>();
  private final ReentrantLock lock = new ReentrantLock();

  /// By directory, least recently used first; guarded by the lock, as the next two are.
  private final LinkedHashMap<Path, CheckpointManifest> manifests =
      new LinkedHashMap<>(16, 0.75f, true);

  /// A checkpoint is never written twice, so what was once true of a file stays true.
  private final LinkedHashMap<Path, ChunkDigests> digests = new LinkedHashMap<>(16, 0.75f, true);

  private int chunksKept;

  Catalog(int chunkBytes) {
    this.chunkBytes = chunkBytes;
  }

  /// Makes the checkpoints of a run known.
  void serve(String run, Path store) {
    stores.put(run, store.toAbsolutePath().normalize());
  }

  /// The file that is asked for.
  ///
  /// @throws NoSuchFileException if there is none, or no manifest names it
  /// @throws DamagedCheckpointException if it is not what was published
  Published find(Target target) throws IOException {
    Path store = stores.get(target.run());
    if (store == null) {
      throw new NoSuchFileException("no run " + target.run() + " is served here");
    }
    Path directory = store.resolve(target.checkpoint());
    FileDigest digest = manifestOf(directory).files().get(target.file());
    if (digest == null) {
      throw new NoSuchFileException(
          "%s names no file %s".formatted(target.checkpoint(), target.file()));
    }
    Path path = directory.resolve(target.file());
    // A link may point at anything; a checkpoint has none.
    if (!Files.isRegularFile(path, LinkOption.NOFOLLOW_LINKS)) {
      forget(directory);
      throw new NoSuchFileException(target.file() + " is gone");
    }
    if (Files.size(path) != digest.bytes()) {
      throw new DamagedCheckpointException(
          path, "has %d bytes but %d were published".formatted(Files.size(path), digest.bytes()));
    }
    return new Published(path, digest);
  }

  private CheckpointManifest manifestOf(Path directory) throws IOException {
    lock.lock();
    try {
      CheckpointManifest known = manifests.get(directory);
      if (known != null) {
        return known;
      }
    } finally {
      lock.unlock();
    }
    if (!Files.isDirectory(directory, LinkOption.NOFOLLOW_LINKS)) {
      throw new NoSuchFileException("there is no checkpoint " + directory.getFileName());
    }
    CheckpointManifest read = CheckpointManifest.read(directory);
    lock.lock();
    try {
      manifests.put(directory, read);
      if (manifests.size() > MANIFESTS_KEPT) {
        manifests.pollFirstEntry();
      }
      return read;
    } finally {
      lock.unlock();
    }
  }

  private void forget(Path directory) {
    lock.lock();
    try {
      manifests.remove(directory);
    } finally {
      lock.unlock();
    }
  }

  /// Digests of a file's chunks if they are known already.
  Optional<ChunkDigests> known(Path path) {
    lock.lock();
    try {
      return Optional.ofNullable(digests.get(path));
    } finally {
      lock.unlock();
    }
  }

  /// Digests of a file's chunks; reads all of it the first time. What is on the disk must be what
  /// was published: digests of damaged bytes would make them look right.
  ///
  /// @throws DamagedCheckpointException if it is not
  ChunkDigests digestsOf(Published file) throws IOException {
    Optional<ChunkDigests> known = known(file.path());
    if (known.isPresent()) {
      return known.get();
    }
    ChunkDigests read = ChunkDigests.of(file.path(), chunkBytes);
    if (!read.sha256().equals(file.digest().sha256())) {
      throw new DamagedCheckpointException(
          file.path(), "its SHA-256 is not the one that was published; it was damaged on the disk");
    }
    lock.lock();
    try {
      if (digests.put(file.path(), read) == null) {
        chunksKept += read.count();
      }
      while (chunksKept > CHUNKS_KEPT && digests.size() > 1) {
        chunksKept -= digests.pollFirstEntry().getValue().count();
      }
      return read;
    } finally {
      lock.unlock();
    }
  }
}
