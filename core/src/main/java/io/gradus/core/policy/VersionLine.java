package io.gradus.core.policy;

import io.gradus.core.ledger.VersionRow;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;

/*
 * Versions form one rising line of identities, but their lineages may branch: a learner that restarts
 * from batch k trains k+1, k+2, … again, the same data but not the same bits, so what was published
 * beyond k is on a branch of its own. `ancestor` is the last batch that a version's lineage shares
 * with the live one; a version is live while that is its own batch.
 *
 * Staleness is counted in batches along this tree (G4): from the common ancestor to what is bound, and
 * for an abandoned branch also from its version back to the ancestor.
 */

/// The published versions that still have a directory, or that an open group names.
public final class VersionLine {

  /// Batches whose durable versions are kept: the newest, and the one before it, to which a damaged
  /// newest one falls back.
  private static final int DURABLE_KEPT = 2;

  /// Published versions kept besides: a worker may be about to load the one before the newest.
  private static final int NEWEST_KEPT = 2;

  private final TreeMap<PolicyVersion, VersionRow> versions = new TreeMap<>();

  public VersionLine(List<VersionRow> rows) {
    rows.forEach(row -> versions.put(row.manifest().version(), row));
  }

  public Optional<VersionRow> find(PolicyVersion version) {
    return Optional.ofNullable(versions.get(version));
  }

  /// The newest version that was not given up.
  public Optional<VersionRow> head() {
    return versions.descendingMap().values().stream().filter(row -> !row.deleted()).findFirst();
  }

  /// What a session of a learner has published of these weights: the same step, and the same
  /// lineage, since a batch whose steps were all skipped does not raise the step.
  public Optional<VersionRow> publication(LearnerEpoch epoch, Manifest manifest) {
    return versions.values().stream()
        .filter(row -> row.learnerEpoch().equals(epoch))
        .filter(row -> row.manifest().step() == manifest.step())
        .filter(row -> row.manifest().lineage().equals(manifest.lineage()))
        .filter(row -> row.manifest().durable() || !manifest.durable())
        .findFirst();
  }

  /// Durable live versions from which a learner can go on, newest first.
  public List<VersionRow> resumable() {
    return versions.descendingMap().values().stream()
        .filter(row -> row.manifest().durable() && !row.deleted() && isLive(row))
        .toList();
  }

  /// The batch behind which no learner goes back: that of the oldest durable version that is kept;
  /// 0 while there is only one.
  public long settled() {
    return resumable().stream()
        .map(VersionLine::batchOf)
        .distinct()
        .limit(DURABLE_KEPT)
        .skip(DURABLE_KEPT - 1)
        .findFirst()
        .orElse(0L);
  }

  /// The newest version from which rounds that restart begin.
  public Optional<VersionRow> base() {
    return versions.descendingMap().values().stream()
        .filter(row -> row.base() && !row.deleted() && isLive(row))
        .findFirst();
  }

  /// The live version with the most batches in its lineage, at most `batch` of them.
  public Optional<VersionRow> liveAtOrBefore(long batch) {
    return versions.values().stream()
        .filter(row -> isLive(row) && batchOf(row) <= batch)
        .reduce((best, row) -> batchOf(row) >= batchOf(best) ? row : best);
  }

  /// Batches bound since a version's lineage left the live one, and those that it went beyond.
  ///
  /// @param bound batches bound
  public long staleness(PolicyVersion version, long bound) {
    VersionRow row = versions.get(version);
    if (row == null) {
      // Its row is not kept. It cannot be farther away than this, along a branch from the first
      // batch.
      return 2 * bound;
    }
    return bound - row.ancestor() + (batchOf(row) - row.ancestor());
  }

  public static boolean isLive(VersionRow row) {
    return row.ancestor() == batchOf(row);
  }

  private static long batchOf(VersionRow row) {
    return row.manifest().batchOrZero();
  }

  /// Adds or replaces a version.
  public void put(VersionRow row) {
    versions.put(row.manifest().version(), row);
  }

  /// The learner goes on from `batch`: versions beyond it are on an abandoned branch.
  ///
  /// @return the rows that this changes
  public List<VersionRow> goBackTo(long batch) {
    var changed = new ArrayList<VersionRow>();
    for (VersionRow row : List.copyOf(versions.values())) {
      if (row.ancestor() > batch) {
        VersionRow abandoned = row.withAncestor(batch);
        versions.put(row.manifest().version(), abandoned);
        changed.add(abandoned);
      }
    }
    return changed;
  }

  /// Marks versions as deleted that nobody needs any more, and forgets those that no open group
  /// names.
  ///
  /// @param needed in use by an evaluation or a lease, or loaded by a worker whose session lives
  /// @param named versions that open groups name
  /// @return the rows whose directories may go
  public List<VersionRow> prune(Set<PolicyVersion> needed, Collection<PolicyVersion> named) {
    var kept = new TreeSet<>(needed);
    versions.descendingKeySet().stream().limit(NEWEST_KEPT).forEach(kept::add);
    long oldest = settled();
    resumable().stream()
        .filter(row -> batchOf(row) >= oldest)
        .forEach(row -> kept.add(row.manifest().version()));
    base().ifPresent(row -> kept.add(row.manifest().version()));
    List<VersionRow> deleted = delete(kept);
    versions.values().removeIf(row -> row.deleted() && !named.contains(row.manifest().version()));
    return deleted;
  }

  /// Marks every version after that one as deleted.
  ///
  /// @return the rows that this changes
  public List<VersionRow> deleteAfter(PolicyVersion last) {
    return delete(Set.copyOf(versions.headMap(last, true).keySet()));
  }

  private List<VersionRow> delete(Set<PolicyVersion> kept) {
    var deleted = new ArrayList<VersionRow>();
    for (VersionRow row : List.copyOf(versions.values())) {
      if (!row.deleted() && !kept.contains(row.manifest().version())) {
        deleted.add(markDeleted(row));
      }
    }
    return deleted;
  }

  /// Marks a version as deleted: it is damaged, nobody is to load it.
  public VersionRow markDeleted(VersionRow row) {
    VersionRow deleted = row.asDeleted();
    versions.put(row.manifest().version(), deleted);
    return deleted;
  }
}
