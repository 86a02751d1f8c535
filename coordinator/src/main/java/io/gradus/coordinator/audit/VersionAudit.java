package io.gradus.coordinator.audit;

import com.google.errorprone.annotations.FormatMethod;
import com.google.errorprone.annotations.FormatString;
import io.gradus.coordinator.ledger.RunScan;
import io.gradus.coordinator.ledger.RunScan.Named;
import io.gradus.coordinator.ledger.Scanned;
import io.gradus.core.batch.BatchNumber;
import io.gradus.core.batch.BatchState;
import io.gradus.core.ledger.BatchRow;
import io.gradus.core.ledger.LearnerRow;
import io.gradus.core.ledger.VersionRow;
import io.gradus.core.policy.Lineage;
import io.gradus.core.policy.Manifest;
import io.gradus.core.policy.PolicyVersion;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeSet;

/*
 * A version's lineage is that of its parent, continued over the batches between the two. A version on
 * the live line was trained on the bindings that count now. One on an abandoned branch may have been
 * trained on a binding that was void later, so each binding of a number is tried; there are few.
 *
 * The steps of a batch are those of the session that applied it last. So those of a live version add
 * up exactly, and those of an abandoned one within what its batches are worth.
 */

/// Checks versions one after the other against the batches that led to them.
final class VersionAudit {

  /// Bindings of a number are at most three, and numbers with several are rare.
  private static final int MOST_LINEAGES = 4096;

  private final AuditedRun run;
  private final RunScan scan;
  private final TreeSet<Long> durableBatches = new TreeSet<>();
  private long sessions;
  private long last;
  private long rows;
  private long lastEpoch;
  private long lastBound;
  private long furthest;

  VersionAudit(AuditedRun run, RunScan scan) {
    this.run = run;
    this.scan = scan;
  }

  /// Learner sessions come first.
  void session(Named<LearnerRow> named) {
    switch (named.row()) {
      case Scanned.Sound<LearnerRow>(var session) -> {
        if (session.epoch().value() != sessions + 1) {
          run.findings()
              .add(
                  Rule.SESSIONS_WITHOUT_HOLES,
                  named.name(),
                  "follows session %d; learner sessions are numbered 1 to n",
                  sessions);
        }
        sessions = session.epoch().value();
      }
      case Scanned.Broken<LearnerRow>(var message) ->
          run.findings().add(Rule.ROW_IS_READABLE, named.name(), "%s", message);
      case Scanned.Absent<LearnerRow>() -> {}
    }
  }

  void check(Named<VersionRow> named) {
    rows++;
    switch (named.row()) {
      case Scanned.Sound<VersionRow>(var row) -> check(named.name(), row);
      case Scanned.Broken<VersionRow>(var message) -> {
        last++;
        run.findings().add(Rule.ROW_IS_READABLE, named.name(), "%s", message);
      }
      case Scanned.Absent<VersionRow>() -> {}
    }
  }

  private void check(String name, VersionRow row) {
    Manifest manifest = row.manifest();
    if (manifest.version().value() != last + 1) {
      missing(last + 1, manifest.version().value() - 1);
    }
    last = manifest.version().value();
    order(name, row);
    if (row.parent().value() == 0) {
      first(name, manifest);
    } else {
      scan.version(row.parent())
          .filter(_ -> row.parent().compareTo(manifest.version()) < 0)
          .ifPresentOrElse(
              parent -> descends(name, row, parent),
              () ->
                  run.findings()
                      .add(
                          Rule.VERSION_DESCENDS,
                          name,
                          "its parent is version %d, which is not there or not older",
                          row.parent().value()));
    }
    if (manifest.durable()) {
      durableBatches.add(manifest.batchOrZero());
      if (durableBatches.size() > 2) {
        durableBatches.pollFirst();
      }
    }
    furthest = Math.max(furthest, manifest.batchOrZero());
  }

  private void missing(long from, long to) {
    run.findings()
        .add(
            Rule.VERSIONS_WITHOUT_HOLES,
            from == to ? "version " + from : "versions %d to %d".formatted(from, to),
            "missing; versions are numbered 1 to n without holes");
  }

  private void order(String name, VersionRow row) {
    long epoch = row.learnerEpoch().value();
    if (epoch < lastEpoch || epoch > sessions) {
      undescended(
          name,
          "was published by session %d, after one of session %d, of %d",
          epoch,
          lastEpoch,
          sessions);
    }
    lastEpoch = Math.max(lastEpoch, epoch);
    long batch = row.manifest().batchOrZero();
    if (row.batchesBound() < Math.max(batch, lastBound)
        || row.batchesBound() > run.row().batchesBound()) {
      undescended(
          name,
          "%d batches were bound when it was published, which is not between %d and %d",
          row.batchesBound(),
          Math.max(batch, lastBound),
          run.row().batchesBound());
    }
    lastBound = Math.max(lastBound, row.batchesBound());
    if (row.ancestor() < 0 || row.ancestor() > batch) {
      undescended(
          name,
          "shares batches with the live line up to %d, but ends at %d",
          row.ancestor(),
          batch);
    }
  }

  private void first(String name, Manifest manifest) {
    if (manifest.step() != 0 || manifest.batch().isPresent()) {
      undescended(
          name, "has no parent, but step %d and batch %d", manifest.step(), manifest.batchOrZero());
    } else if (!manifest.lineage().equals(Lineage.root())) {
      run.findings()
          .add(Rule.LINEAGE, name, "has first weights, but its lineage is %s", manifest.lineage());
    }
  }

  @FormatMethod
  private void undescended(String name, @FormatString String message, Object... arguments) {
    run.findings().add(Rule.VERSION_DESCENDS, name, message, arguments);
  }

  private static boolean isLive(VersionRow row) {
    return row.ancestor() == row.manifest().batchOrZero();
  }

  private void descends(String name, VersionRow row, VersionRow parent) {
    long from = parent.manifest().batchOrZero();
    long to = row.manifest().batchOrZero();
    if (to < from) {
      undescended(name, "ends at batch %d, but its parent at batch %d", to, from);
      return;
    }
    var paths = new Paths(parent.manifest());
    scan.bindings(from, to, batch -> paths.follow(isLive(row), batch));
    paths.close();
    if (paths.next != to + 1) {
      run.findings()
          .add(
              Rule.LINEAGE,
              name,
              "is trained on batches %d to %d, but batch %d is missing",
              from + 1,
              to,
              paths.next);
      return;
    }
    if (paths.isTooWide) {
      return;
    }
    Long steps = paths.stepsByLineage.get(row.manifest().lineage());
    if (steps == null) {
      run.findings()
          .add(
              Rule.LINEAGE,
              name,
              "its lineage is %s, but batches %d to %d after version %d make %s",
              row.manifest().lineage().hex(),
              from + 1,
              to,
              row.parent().value(),
              String.join(
                  " or ", paths.stepsByLineage.keySet().stream().map(Lineage::hex).toList()));
      return;
    }
    steps(name, row, parent, steps, paths.worth);
  }

  private void steps(String name, VersionRow row, VersionRow parent, long steps, long worth) {
    long taken = row.manifest().step() - parent.manifest().step();
    if (isLive(row) ? taken != steps : taken < 0 || taken > worth) {
      run.findings()
          .add(
              Rule.VERSION_STEPS,
              name,
              "is %d steps from its parent, but batches %d to %d took %s",
              taken,
              parent.manifest().batchOrZero() + 1,
              row.manifest().batchOrZero(),
              isLive(row) ? Long.toString(steps) : "at most " + worth);
    }
  }

  /// Every lineage to which the bindings of some batches lead, with its steps.
  private final class Paths {

    private Map<Lineage, Long> stepsByLineage = new LinkedHashMap<>();
    private final List<BatchRow> bindings = new ArrayList<>();
    private boolean isOnLiveLine;
    private boolean isTooWide;
    private long next;
    private long worth;

    private Paths(Manifest parent) {
      stepsByLineage.put(parent.lineage(), 0L);
      next = parent.batchOrZero() + 1;
    }

    private void follow(boolean isLive, BatchRow batch) {
      isOnLiveLine = isLive;
      if (!bindings.isEmpty() && !bindings.getFirst().number().equals(batch.number())) {
        close();
      }
      bindings.add(batch);
    }

    /// Continues every path over the bindings of a number.
    private void close() {
      if (bindings.isEmpty() || bindings.getFirst().number().value() != next || isTooWide) {
        bindings.clear();
        return;
      }
      List<BatchRow> counting =
          bindings.stream().filter(row -> row.state() != BatchState.VOID).toList();
      List<BatchRow> tried = isOnLiveLine && !counting.isEmpty() ? counting : bindings;
      var continued = new LinkedHashMap<Lineage, Long>();
      for (BatchRow row : tried) {
        stepsByLineage.forEach((lineage, steps) ->
            continued.put(lineage.after(new BatchNumber(next), row.digest()), steps + row.steps()));
      }
      worth += BatchAudit.stepsOf(run.plan(), bindings.getFirst());
      stepsByLineage = continued;
      isTooWide = continued.size() > MOST_LINEAGES;
      bindings.clear();
      next++;
    }
  }

  /// Compares the sums with the run row.
  ///
  /// @param settled the last batch that is settled
  void finish(long settled) {
    if (last < run.row().nextVersion() - 1) {
      missing(last + 1, run.row().nextVersion() - 1);
    } else {
      run.findings()
          .expect(Rule.RUN_COUNTS, "run", "next_version", run.row().nextVersion(), last + 1);
    }
    // Two durable checkpoints are kept; a run that is over keeps its last version.
    long mayBeSettled =
        run.row().state().isFinal()
            ? furthest
            : durableBatches.size() < 2 ? 0 : durableBatches.getFirst();
    if (settled > mayBeSettled) {
      run.findings()
          .add(
              Rule.SETTLED_IS_DURABLE,
              "batch " + settled,
              "is settled, but the checkpoints that are kept go back to batch %d",
              mayBeSettled);
    }
  }

  long rows() {
    return rows;
  }

  /// The last batch in the lineage of a version; empty where there is no such version.
  Optional<Long> batchOf(PolicyVersion version) {
    return scan.version(version).map(row -> row.manifest().batchOrZero());
  }
}
