package io.gradus.cli.rundir;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// A run directory that this process has locked. It owns the lock until it is closed.
public final class RunDirectory implements AutoCloseable {

  /// Room that a run needs at the least: a ledger, a few checkpoints, a log.
  private static final long LEAST_FREE_BYTES = 16L << 20;

  private static final String LOCK = "lock";

  private final Path path;
  private final FileChannel channel;
  private final FileLock lock;

  private RunDirectory(Path path, FileChannel channel, FileLock lock) {
    this.path = path;
    this.channel = channel;
    this.lock = lock;
  }

  /// Makes `path` the directory of a new run: it must be empty or not exist.
  public static RunDirectory create(Path path) throws RunDirectoryException {
    try {
      Files.createDirectories(path);
    } catch (FileAlreadyExistsException e) {
      throw new RunDirectoryException("%s is a file, not a directory".formatted(e.getFile()));
    } catch (IOException e) {
      throw unwritable(path, e);
    }
    RunDirectory directory = lock(path);
    try {
      directory.refuseForeign();
      return directory;
    } catch (RunDirectoryException e) {
      directory.close();
      throw e;
    }
  }

  /// Takes the directory of a run that has begun.
  public static RunDirectory reopen(Path path) throws RunDirectoryException {
    if (!Files.isDirectory(path)) {
      throw new RunDirectoryException(
          "%s is not a directory; --resume takes the directory of a run, such as runs/addition-…"
              .formatted(path));
    }
    for (String needed : new String[] {"ledger.db", "spec.yaml"}) {
      if (!Files.isRegularFile(path.resolve(needed))) {
        throw new RunDirectoryException(
            "%s holds no %s, so it is no run directory or the run had not begun; start it anew"
                .formatted(path, needed));
      }
    }
    return lock(path);
  }

  private static RunDirectory lock(Path path) throws RunDirectoryException {
    Path file = path.resolve(LOCK);
    FileChannel channel;
    try {
      channel =
          FileChannel.open(
              file, StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE);
    } catch (IOException e) {
      throw unwritable(path, e);
    }
    try {
      FileLock lock = tryLock(channel);
      if (lock == null) {
        String pid = holder(channel);
        channel.close();
        throw new RunDirectoryException(
            ("another gradus (pid %s) works in %s; wait for it, or end it with kill %s, or"
                    + " choose another --run-dir")
                .formatted(pid, path, pid));
      }
      byte[] pid = String.valueOf(ProcessHandle.current().pid()).getBytes(StandardCharsets.UTF_8);
      channel.truncate(0);
      channel.write(ByteBuffer.wrap(pid), 0);
      long free = Files.getFileStore(path).getUsableSpace();
      if (free < LEAST_FREE_BYTES) {
        channel.close();
        throw new RunDirectoryException(
            ("the disk of %s has %d KiB free but a run needs at least %d MiB; free some, or"
                    + " choose another --run-dir")
                .formatted(path, free >> 10, LEAST_FREE_BYTES >> 20));
      }
      return new RunDirectory(path, channel, lock);
    } catch (IOException e) {
      throw unwritable(path, e);
    }
  }

  private static @Nullable FileLock tryLock(FileChannel channel) throws IOException {
    try {
      return channel.tryLock();
    } catch (OverlappingFileLockException _) {
      return null;
    }
  }

  private static String holder(FileChannel channel) throws IOException {
    var buffer = ByteBuffer.allocate(20);
    channel.read(buffer, 0);
    String pid = new String(buffer.array(), 0, buffer.position(), StandardCharsets.UTF_8).strip();
    return pid.isEmpty() ? "unknown" : pid;
  }

  private void refuseForeign() throws RunDirectoryException {
    if (Files.exists(ledger())) {
      throw new RunDirectoryException(
          ("%s already holds a run; go on with it by gradus run --resume %s, or choose"
                  + " another --run-dir")
              .formatted(path, path));
    }
    try (Stream<Path> entries = Files.list(path)) {
      var foreign =
          entries
              .map(entry -> String.valueOf(entry.getFileName()))
              .filter(name -> !name.equals(LOCK))
              .sorted()
              .limit(3)
              .toList();
      if (!foreign.isEmpty()) {
        throw new RunDirectoryException(
            "%s is not empty (%s); name a directory that is empty or does not exist yet"
                .formatted(path, String.join(", ", foreign)));
      }
    } catch (IOException e) {
      throw unwritable(path, e);
    }
  }

  private static RunDirectoryException unwritable(Path path, IOException e) {
    String why =
        switch (e) {
          case AccessDeniedException _ -> "permission denied";
          case FileSystemException denied when denied.getReason() != null -> denied.getReason();
          default -> String.valueOf(e.getMessage());
        };
    return new RunDirectoryException(
        "the run directory %s cannot be written (%s); choose another with --run-dir"
            .formatted(path, why));
  }

  /// The directory.
  public Path path() {
    return path;
  }

  /// The effective spec.
  public Path spec() {
    return path.resolve("spec.yaml");
  }

  /// The ledger's database.
  public Path ledger() {
    return path.resolve("ledger.db");
  }

  /// The checkpoint store.
  public Path checkpoints() {
    return path.resolve("checkpoints");
  }

  public Path metrics() {
    return path.resolve("metrics.jsonl");
  }

  public Path summary() {
    return path.resolve("summary.json");
  }

  public Path report() {
    return path.resolve("report.html");
  }

  public Path log() {
    return path.resolve("log").resolve("gradus.log");
  }

  @Override
  public void close() {
    try {
      lock.release();
      channel.close();
    } catch (IOException _) {
      // The lock goes with the process at the latest; nothing is left to be done about it here.
    }
  }
}
