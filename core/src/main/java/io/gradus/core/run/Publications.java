package io.gradus.core.run;

import io.gradus.core.batch.BatchNumber;
import io.gradus.core.ledger.BatchRow;
import io.gradus.core.ledger.VersionRow;
import io.gradus.core.ledger.Write;
import io.gradus.core.policy.Lineage;
import io.gradus.core.policy.Manifest;
import io.gradus.core.policy.PolicyVersion;
import java.util.List;
import java.util.Optional;

/// Takes what learners publish: the lineage must be that of the batches applied.
final class Publications {

  private final Books books;
  private final Batches batches;

  Publications(Books books, Batches batches) {
    this.books = books;
    this.batches = batches;
  }

  void publish(Turn turn, Input.PolicyPublished published) {
    Manifest manifest = published.manifest();
    Optional<VersionRow> earlier =
        books
            .versions
            .publication(published.epoch(), manifest.step())
            .filter(row -> row.manifest().lineage().equals(manifest.lineage()))
            .filter(row -> row.manifest().durable() || !manifest.durable());
    if (earlier.isPresent()) {
      answer(turn, published, earlier.get().manifest().version());
      return;
    }
    Optional<String> fault = faultOf(published);
    if (fault.isPresent()) {
      turn.refuse(published.request(), "LINEAGE_MISMATCH", fault.get());
      return;
    }
    long batch = manifest.batchOrZero();
    var row =
        new VersionRow(
            manifest,
            published.parent(),
            published.epoch(),
            books.line.bound(),
            batch,
            batch == books.warmUpBatches() && books.versions.base().isEmpty(),
            false);
    books.versions.put(row);
    books.nextVersion = manifest.version().value() + 1;
    turn.write(new Write.PutVersion(row));
    batches.settleUpTo(turn, books.versions.settled());
    prune(turn);
    answer(turn, published, manifest.version());
    turn.effect(new Effect.AnnounceVersion(Optional.empty(), manifest));
  }

  private void answer(Turn turn, Input.PolicyPublished published, PolicyVersion version) {
    turn.effect(
        new Effect.AnswerPublish(
            published.request(), version, new PolicyVersion(books.nextVersion)));
  }

  private Optional<String> faultOf(Input.PolicyPublished published) {
    Manifest manifest = published.manifest();
    if (manifest.version().value() != books.nextVersion) {
      return Optional.of(
          "version %d was published but the next one is %d"
              .formatted(manifest.version().value(), books.nextVersion));
    }
    if (published.parent().value() >= books.nextVersion) {
      return Optional.of(
          "parent version %d was never published".formatted(published.parent().value()));
    }
    if (manifest.batchOrZero() != books.line.applied()) {
      return Optional.of(
          "the lineage ends with batch %d but batch %d is the last one applied"
              .formatted(manifest.batchOrZero(), books.line.applied()));
    }
    Lineage expected = lineageAt(manifest.batchOrZero());
    if (!expected.equals(manifest.lineage())) {
      return Optional.of(
          "the lineage at batch %d is %s but must be %s"
              .formatted(manifest.batchOrZero(), manifest.lineage().hex(), expected.hex()));
    }
    return Optional.empty();
  }

  /// The hash chain up to a batch, from the nearest live version before it.
  private Lineage lineageAt(long batch) {
    Optional<VersionRow> known = books.versions.liveAtOrBefore(batch);
    Lineage lineage = known.map(row -> row.manifest().lineage()).orElse(Lineage.root());
    long from = known.map(row -> row.manifest().batchOrZero()).orElse(0L);
    for (long number = from + 1; number <= batch; number++) {
      var next = new BatchNumber(number);
      BatchRow row =
          books
              .line
              .find(next)
              .orElseThrow(() ->
                  new IllegalStateException(
                      "batch %d is settled beyond the versions that are kept"
                          .formatted(next.value())));
      lineage = lineage.after(next, row.digest());
    }
    return lineage;
  }

  private void prune(Turn turn) {
    List<VersionRow> deleted = books.versions.prune(books.neededVersions(), books.namedVersions());
    if (!deleted.isEmpty()) {
      deleted.forEach(row -> turn.write(new Write.PutVersion(row)));
      turn.effect(new Effect.DeleteCheckpoints(deleted));
    }
  }
}
