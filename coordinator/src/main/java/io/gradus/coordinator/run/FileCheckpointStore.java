package io.gradus.coordinator.run;

import io.gradus.core.ledger.VersionRow;
import io.gradus.core.policy.LearnerEpoch;
import java.io.IOException;
import java.net.URI;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.List;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Checkpoints in directories of this host.
///
/// A checkpoint is `v<version>-s<step>-e<learner epoch>`; while it is written its name has a prefix
/// of dots or a suffix after another character. What the ledger does not name is garbage, but a
/// live session may be about to publish: only what sessions before the present one wrote is swept.
public final class FileCheckpointStore implements CheckpointStore {

  private static final Logger log = LoggerFactory.getLogger(FileCheckpointStore.class);

  private static final Pattern NAME = Pattern.compile("\\.?v\\d+-s\\d+-e(\\d+)(?:\\D.*)?");

  private static final String RUN = "{run}";

  private final String template;

  /// A store below a directory.
  ///
  /// @param template a file URI, in which `{run}` stands for the run's id
  public FileCheckpointStore(String template) {
    if (!template.startsWith("file:")) {
      throw new IllegalArgumentException(
          "gradus.coordinator.checkpoint-store is \"%s\" but must be a file URI, such as file:///data"
              .formatted(template));
    }
    this.template = template.endsWith("/") ? template : template + "/";
  }

  @Override
  public String uriOf(String runId) {
    return template.replace(RUN, runId);
  }

  @Override
  public void delete(String runId, VersionRow version) {
    Path root = directoryOf(uriOf(runId));
    Path directory = directoryOf(version.manifest().uri());
    // The URI came from a learner; nothing outside the run's own directory is ever deleted.
    if (!root.equals(directory.getParent()) || !NAME.matcher(nameOf(directory)).matches()) {
      log.atWarn()
          .addKeyValue("run", runId)
          .addKeyValue("checkpoint", version.manifest().uri())
          .log("checkpoint is not in the store of its run; it stays");
      return;
    }
    deleteTree(directory);
  }

  @Override
  public void sweep(String runId, Set<String> named, LearnerEpoch epoch) {
    Path root = directoryOf(uriOf(runId));
    Set<Path> kept =
        named.stream().map(FileCheckpointStore::directoryOf).collect(Collectors.toSet());
    List<Path> found;
    try (Stream<Path> entries = Files.list(root)) {
      found = entries.toList();
    } catch (NoSuchFileException nothingYet) {
      return;
    } catch (IOException failure) {
      log.atWarn().addKeyValue("store", root).setCause(failure).log("checkpoints cannot be listed");
      return;
    }
    for (Path entry : found) {
      Matcher name = NAME.matcher(nameOf(entry));
      if (name.matches() && isBefore(name.group(1), epoch) && !kept.contains(entry)) {
        deleteTree(entry);
      }
    }
  }

  private static boolean isBefore(String digits, LearnerEpoch epoch) {
    return digits.length() < 18 && Long.parseLong(digits) < epoch.value();
  }

  private static String nameOf(Path path) {
    return String.valueOf(path.getFileName());
  }

  private static Path directoryOf(String uri) {
    return Path.of(URI.create(uri)).normalize();
  }

  private static void deleteTree(Path directory) {
    try {
      Files.walkFileTree(
          directory,
          new SimpleFileVisitor<>() {
            @Override
            public FileVisitResult visitFile(Path file, BasicFileAttributes attributes)
                throws IOException {
              Files.deleteIfExists(file);
              return FileVisitResult.CONTINUE;
            }

            @Override
            public FileVisitResult postVisitDirectory(
                Path visited, @org.jspecify.annotations.Nullable IOException failure)
                throws IOException {
              if (failure != null) {
                throw failure;
              }
              Files.deleteIfExists(visited);
              return FileVisitResult.CONTINUE;
            }
          });
    } catch (NoSuchFileException gone) {
      // Another sweep was faster.
    } catch (IOException failure) {
      log.atWarn()
          .addKeyValue("checkpoint", directory)
          .setCause(failure)
          .log("checkpoint cannot be deleted; the next sweep tries again");
    }
  }
}
