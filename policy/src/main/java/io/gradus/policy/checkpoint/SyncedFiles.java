package io.gradus.policy.checkpoint;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/// Directories whose files are whole on the disk before the directory has its name.
///
/// Files are written plainly and synced together at the end: a sync waits for a commit of the file
/// system's journal, and syncs that are asked for at the same time share one. A checkpoint of seven
/// files took 80 ms to publish with a sync and a rename for each, and takes 20 ms so, on a disk
/// that needs 6 ms a sync.
final class SyncedFiles {

  private SyncedFiles() {}

  /// Writes the content of a file.
  interface Content {
    void writeTo(FileChannel channel) throws IOException;
  }

  /// Writes `file`, without syncing it.
  static void write(Path file, Content content) throws IOException {
    try (FileChannel channel =
        FileChannel.open(
            file,
            StandardOpenOption.CREATE,
            StandardOpenOption.TRUNCATE_EXISTING,
            StandardOpenOption.WRITE)) {
      content.writeTo(channel);
    }
  }

  static void write(Path file, byte[] content) throws IOException {
    write(file, channel -> writeFully(channel, ByteBuffer.wrap(content)));
  }

  static void writeFully(FileChannel channel, ByteBuffer buffer) throws IOException {
    while (buffer.hasRemaining()) {
      channel.write(buffer);
    }
  }

  /// The directory that `path` is in.
  static Path parentOf(Path path) {
    Path parent = path.toAbsolutePath().getParent();
    if (parent == null) {
      throw new IllegalArgumentException(path + " is a root and is in no directory");
    }
    return parent;
  }

  /// Makes `files`, all that `temporary` holds, durable, gives the directory its name, and makes
  /// that durable.
  static void publish(Path temporary, List<Path> files, Path directory) throws IOException {
    syncTogether(files);
    sync(temporary, StandardOpenOption.READ);
    Files.move(temporary, directory, StandardCopyOption.ATOMIC_MOVE);
    sync(parentOf(directory), StandardOpenOption.READ);
  }

  private static void syncTogether(List<Path> files) throws IOException {
    try (var threads =
        Executors.newThreadPerTaskExecutor(Thread.ofPlatform().name("file-sync-", 0).factory())) {
      var syncs = new ArrayList<Future<?>>();
      for (Path file : files) {
        syncs.add(
            threads.submit(() -> {
              sync(file, StandardOpenOption.WRITE);
              return true;
            }));
      }
      for (Future<?> sync : syncs) {
        sync.get();
      }
    } catch (ExecutionException e) {
      throw e.getCause() instanceof IOException cause ? cause : new IOException(e.getCause());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException("interrupted while files were synced", e);
    }
  }

  private static void sync(Path path, StandardOpenOption mode) throws IOException {
    try (FileChannel channel = FileChannel.open(path, mode)) {
      channel.force(true);
    }
  }
}
