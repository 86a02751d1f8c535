package io.gradus.core.run.simulation;

import io.gradus.core.batch.BatchDigest;
import io.gradus.core.batch.BatchNumber;
import io.gradus.core.group.GroupId;
import io.gradus.core.group.GroupState;
import io.gradus.core.group.LeaseId;
import io.gradus.core.group.PayloadDigest;
import io.gradus.core.ledger.BatchRow;
import io.gradus.core.ledger.GroupRow;
import io.gradus.core.ledger.VersionRow;
import io.gradus.core.policy.LearnerEpoch;
import io.gradus.core.policy.Lineage;
import io.gradus.core.policy.Manifest;
import io.gradus.core.policy.PolicyVersion;
import io.gradus.core.run.Admission;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.TreeSet;

/// Stands outside the processes that die, and writes down what was submitted, acknowledged, applied
/// and published, so that the ledger does not testify for itself.
final class Witness {

  private record PayloadKey(GroupId group, LeaseId lease, PayloadDigest digest) {}

  private record Acknowledgement(Submission submission, Admission admission) {}

  private record Application(LearnerEpoch epoch, BatchNumber batch, BatchDigest digest) {}

  private final SimulatedRun world;

  // Looked up by key alone.
  private final Map<PayloadKey, Submission> submissions = new HashMap<>();
  private final Map<Application, Lineage> applications = new HashMap<>();

  private final List<Acknowledgement> acknowledgements = new ArrayList<>();
  private final TreeMap<LearnerEpoch, BatchNumber> lastApplied = new TreeMap<>();
  private final TreeMap<ModelLedger.BindingKey, TreeSet<LearnerEpoch>> sessions = new TreeMap<>();
  private final TreeMap<ModelLedger.BindingKey, BatchDigest> received = new TreeMap<>();
  private final Map<String, PolicyVersion> observed = new HashMap<>();
  private final TreeMap<LeaseId, Long> namedAt = new TreeMap<>();
  private final TreeMap<LeaseId, Long> progressAt = new TreeMap<>();
  private final TreeMap<LeaseId, Long> progress = new TreeMap<>();

  Witness(SimulatedRun world) {
    this.world = world;
  }

  // Workers.

  void submitted(Submission submission) {
    submissions.put(
        new PayloadKey(submission.group(), submission.lease(), submission.digest()), submission);
  }

  Optional<Submission> submission(GroupId group, LeaseId lease, PayloadDigest digest) {
    return Optional.ofNullable(submissions.get(new PayloadKey(group, lease, digest)));
  }

  /// A worker was told what became of its group.
  void acknowledged(Submission submission, Admission admission) {
    acknowledgements.add(new Acknowledgement(submission, admission));
    check(submission, admission, world.ledger().rows());
  }

  /// What was acknowledged is in the ledger, now and for ever (G2).
  static void check(Submission submission, Admission admission, ModelLedger ledger) {
    Optional<GroupRow> found = ledger.group(submission.group());
    switch (admission) {
      case Admission.Accepted() -> {
        requireAdmitted(submission, found, admission);
        Violation.unless(
            switch (found.orElseThrow().state()) {
              case ACCEPTED, TRAINED, STALE, FAILED, CANCELLED -> true;
              case PENDING, LEASED, FILTERED, EVALUATED -> false;
            },
            "G2: %s was acknowledged as accepted but is %s",
            submission,
            found);
      }
      case Admission.Filtered _ -> {
        requireAdmitted(submission, found, admission);
        requireState(found, GroupState.FILTERED, submission);
      }
      case Admission.Stale _ -> {
        requireAdmitted(submission, found, admission);
        requireState(found, GroupState.STALE, submission);
      }
      case Admission.Evaluated() -> {
        requireAdmitted(submission, found, admission);
        requireState(found, GroupState.EVALUATED, submission);
      }
      case Admission.Duplicate() ->
          Violation.unless(
              found
                  .filter(
                      row -> row.state() != GroupState.LEASED && row.state() != GroupState.PENDING)
                  .isPresent(),
              "G2: %s is called a duplicate but the group is %s",
              submission,
              found);
      case Admission.Incomplete() ->
          Violation.unless(
              found.filter(row -> 4 * submission.outcomes().size() < 3 * row.size()).isPresent(),
              "G1: %s is called incomplete but the group is %s",
              submission,
              found);
      case Admission.Refused _ -> {}
    }
  }

  private static void requireAdmitted(
      Submission submission, Optional<GroupRow> found, Admission admission) {
    Violation.unless(
        found
            .flatMap(GroupRow::admitted)
            .filter(a -> a.lease().equals(submission.lease()))
            .filter(a -> a.digest().equals(submission.digest()))
            .isPresent(),
        "G2: %s was acknowledged as %s but the ledger has %s",
        submission,
        admission,
        found);
  }

  private static void requireState(
      Optional<GroupRow> found, GroupState state, Submission submission) {
    Violation.unless(
        found.filter(row -> row.state() == state).isPresent(),
        "G2: %s was acknowledged as %s but the ledger has %s",
        submission,
        state,
        found);
  }

  /// A heartbeat has reached the run's process.
  ///
  /// @param isHeard whether the run is certain to hear it
  void heartbeat(Map<LeaseId, Long> named, long nanos, boolean isHeard) {
    named.forEach((lease, count) -> {
      Long before = progress.put(lease, count);
      if (isHeard) {
        namedAt.put(lease, nanos);
        if (before == null || count > before) {
          progressAt.put(lease, nanos);
        }
      }
    });
  }

  /// When a heartbeat last named a lease.
  Optional<Long> namedAt(LeaseId lease) {
    return Optional.ofNullable(namedAt.get(lease));
  }

  /// When a heartbeat last told of progress of a lease.
  Optional<Long> progressAt(LeaseId lease) {
    return Optional.ofNullable(progressAt.get(lease));
  }

  /// Every observer sees versions rise (G4).
  void observes(String observer, PolicyVersion version) {
    PolicyVersion before = observed.put(observer, version);
    Violation.unless(
        before == null || before.compareTo(version) < 0,
        "G4: %s sees %s after %s",
        observer,
        version,
        before);
  }

  // Learners.

  /// A binding never changes once it was sent (G3).
  void receives(BatchRow batch) {
    BatchDigest before = received.put(ModelLedger.BindingKey.of(batch), batch.digest());
    Violation.unless(
        before == null || before.equals(batch.digest()),
        "G3: %s was sent with digest %s before",
        batch,
        before);
  }

  void applied(LearnerEpoch epoch, BatchRow batch, Lineage lineage) {
    BatchNumber last = lastApplied.put(epoch, batch.number());
    Violation.unless(
        last == null || last.next().equals(batch.number()),
        "G3: %s applies %s after %s",
        epoch,
        batch,
        last);
    applications.put(new Application(epoch, batch.number(), batch.digest()), lineage);
  }

  boolean hasApplied(LearnerEpoch epoch, BatchNumber batch, BatchDigest digest) {
    return applications.containsKey(new Application(epoch, batch, digest));
  }

  /// A binding was sent to a session, which may say that it failed, or end with it.
  void sent(LearnerEpoch epoch, BatchRow batch) {
    sessions.computeIfAbsent(ModelLedger.BindingKey.of(batch), _ -> new TreeSet<>()).add(epoch);
  }

  /// Sessions that had a binding: it failed in no more of them.
  int sessions(BatchRow batch) {
    return sessions.getOrDefault(ModelLedger.BindingKey.of(batch), new TreeSet<>()).size();
  }

  /// A learner was told that its weights are a version.
  void published(LearnerEpoch epoch, Manifest manifest, PolicyVersion version) {
    Optional<VersionRow> row = world.ledger().rows().version(version);
    Violation.unless(
        row.filter(there -> there.learnerEpoch().equals(epoch))
            .map(VersionRow::manifest)
            .filter(there -> there.lineage().equals(manifest.lineage()))
            .filter(there -> there.batch().equals(manifest.batch()))
            .filter(there -> there.step() == manifest.step())
            .isPresent(),
        "G3: %s has published %s and is told that it is %s",
        epoch,
        manifest,
        row);
  }

  /// The run is over.
  void ended() {
    ModelLedger ledger = world.ledger().rows();
    acknowledgements.forEach(a -> check(a.submission(), a.admission(), ledger));
  }
}
