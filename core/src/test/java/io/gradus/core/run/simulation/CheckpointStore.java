package io.gradus.core.run.simulation;

import io.gradus.core.ledger.VersionRow;
import io.gradus.core.policy.LearnerEpoch;
import io.gradus.core.policy.Manifest;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;

/// Directories of checkpoints by URI: written once, deleted when the run says so, swept when a
/// learner joins, and sometimes damaged.
final class CheckpointStore {

  /// What lies in a directory.
  private record Directory(LearnerEpoch writer, boolean isDamaged) {}

  private final TreeMap<String, Directory> directories = new TreeMap<>();
  private final TreeSet<String> damaged = new TreeSet<>();

  void write(String uri, LearnerEpoch writer) {
    Violation.unless(
        directories.put(uri, new Directory(writer, false)) == null,
        "G7: checkpoint %s is overwritten",
        uri);
  }

  boolean has(String uri) {
    return directories.containsKey(uri);
  }

  boolean isDamaged(String uri) {
    return Optional.ofNullable(directories.get(uri)).map(Directory::isDamaged).orElse(true);
  }

  /// Whether a checkpoint that the ledger names is damaged.
  boolean hasDamage(ModelLedger ledger) {
    return ledger.versions().values().stream()
        .filter(row -> !row.deleted())
        .anyMatch(row -> isDamaged(row.manifest().uri()));
  }

  boolean wasDamaged(String uri) {
    return damaged.contains(uri);
  }

  void damage(Manifest manifest) {
    damaged.add(manifest.uri());
    directories.computeIfPresent(
        manifest.uri(), (_, directory) -> new Directory(directory.writer(), true));
  }

  void delete(VersionRow version) {
    directories.remove(version.manifest().uri());
  }

  /// What the ledger does not name is garbage, unless the session that writes now has written it.
  void sweep(ModelLedger ledger, LearnerEpoch joined) {
    Set<String> named =
        ledger.versions().values().stream()
            .filter(row -> !row.deleted())
            .map(row -> row.manifest().uri())
            .collect(Collectors.toSet());
    directories
        .entrySet()
        .removeIf(entry ->
            !named.contains(entry.getKey()) && entry.getValue().writer().compareTo(joined) < 0);
  }
}
