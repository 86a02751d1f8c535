package io.gradus.core.run.simulation;

import io.gradus.core.batch.BatchNumber;
import io.gradus.core.batch.BatchState;
import io.gradus.core.group.GroupId;
import io.gradus.core.group.GroupState;
import io.gradus.core.group.LeaseId;
import io.gradus.core.group.Outcome;
import io.gradus.core.group.PayloadDigest;
import io.gradus.core.group.StateReason;
import io.gradus.core.group.Verdict;
import io.gradus.core.ledger.BatchRow;
import io.gradus.core.ledger.EvaluationRow;
import io.gradus.core.ledger.GroupRow;
import io.gradus.core.ledger.LearnerRow;
import io.gradus.core.ledger.LeaseRow;
import io.gradus.core.ledger.RunImage;
import io.gradus.core.ledger.RunRow;
import io.gradus.core.ledger.StratumRow;
import io.gradus.core.ledger.UseRow;
import io.gradus.core.ledger.VersionRow;
import io.gradus.core.ledger.Write;
import io.gradus.core.policy.LearnerEpoch;
import io.gradus.core.policy.PolicyVersion;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.NavigableSet;
import java.util.Optional;
import java.util.TreeMap;
import java.util.TreeSet;

/// The ledger of one run as plain maps: every row that was ever put, the keys of its tables, and
/// the image that recovery reads. Mirrors the coordinator's SQL, statement by statement.
///
/// Rows are immutable, so a copy is cheap: the simulation keeps one ledger of what is durable and
/// one, a copy of it, of what an incarnation has decided so far.
final class ModelLedger {

  /// One binding of a batch number.
  record BindingKey(BatchNumber number, int binding) implements Comparable<BindingKey> {

    private static final Comparator<BindingKey> ORDER =
        Comparator.comparing(BindingKey::number).thenComparingInt(BindingKey::binding);

    static BindingKey of(BatchRow row) {
      return new BindingKey(row.number(), row.binding());
    }

    static BindingKey of(UseRow row) {
      return new BindingKey(row.batch(), row.binding());
    }

    @Override
    public int compareTo(BindingKey other) {
      return ORDER.compare(this, other);
    }
  }

  /// A stratum of a source.
  record StratumKey(int source, int stratum) implements Comparable<StratumKey> {

    private static final Comparator<StratumKey> ORDER =
        Comparator.comparingInt(StratumKey::source).thenComparingInt(StratumKey::stratum);

    @Override
    public int compareTo(StratumKey other) {
      return ORDER.compare(this, other);
    }
  }

  /// An evaluation of a version.
  record EvaluationKey(PolicyVersion version, boolean confirmation, int set)
      implements Comparable<EvaluationKey> {

    private static final Comparator<EvaluationKey> ORDER =
        Comparator.comparing(EvaluationKey::version)
            .thenComparing(EvaluationKey::confirmation)
            .thenComparingInt(EvaluationKey::set);

    static EvaluationKey of(EvaluationRow row) {
      return new EvaluationKey(row.version(), row.confirmation(), row.set());
    }

    @Override
    public int compareTo(EvaluationKey other) {
      return ORDER.compare(this, other);
    }
  }

  private Optional<RunRow> run = Optional.empty();
  private final TreeMap<GroupId, GroupRow> groups = new TreeMap<>();
  private final TreeSet<GroupId> openGroups = new TreeSet<>();
  private final TreeMap<LeaseId, LeaseRow> leases = new TreeMap<>();
  private final TreeMap<GroupId, TreeMap<LeaseId, PayloadDigest>> payloads = new TreeMap<>();
  private final TreeMap<BindingKey, BatchRow> batches = new TreeMap<>();
  private final TreeMap<BindingKey, List<UseRow>> uses = new TreeMap<>();
  private final TreeMap<GroupId, List<UseRow>> usesOfGroups = new TreeMap<>();
  private final TreeMap<PolicyVersion, VersionRow> versions = new TreeMap<>();
  private final TreeMap<StratumKey, StratumRow> strata = new TreeMap<>();
  private final TreeMap<EvaluationKey, EvaluationRow> evaluations = new TreeMap<>();
  private final TreeMap<EvaluationKey, Long> evaluationsBegan = new TreeMap<>();
  private final TreeMap<LearnerEpoch, LearnerRow> learners = new TreeMap<>();

  /// How often groups made each transition, counted here.
  private final TreeMap<String, Long> transitions = new TreeMap<>();

  private long acceptedUnits;
  private long sampledTrajectories;
  private long sampledTokens;

  ModelLedger copy() {
    var copy = new ModelLedger();
    copy.run = run;
    copy.groups.putAll(groups);
    copy.openGroups.addAll(openGroups);
    copy.leases.putAll(leases);
    payloads.forEach((group, rows) -> copy.payloads.put(group, new TreeMap<>(rows)));
    copy.batches.putAll(batches);
    copy.uses.putAll(uses);
    usesOfGroups.forEach((group, rows) -> copy.usesOfGroups.put(group, new ArrayList<>(rows)));
    copy.versions.putAll(versions);
    copy.strata.putAll(strata);
    copy.evaluations.putAll(evaluations);
    copy.evaluationsBegan.putAll(evaluationsBegan);
    copy.learners.putAll(learners);
    copy.transitions.putAll(transitions);
    copy.acceptedUnits = acceptedUnits;
    copy.sampledTrajectories = sampledTrajectories;
    copy.sampledTokens = sampledTokens;
    return copy;
  }

  Optional<RunRow> run() {
    return run;
  }

  NavigableMap<GroupId, GroupRow> groups() {
    return groups;
  }

  Optional<GroupRow> group(GroupId id) {
    return Optional.ofNullable(groups.get(id));
  }

  NavigableSet<GroupId> openGroups() {
    return openGroups;
  }

  NavigableMap<LeaseId, LeaseRow> leases() {
    return leases;
  }

  NavigableMap<BindingKey, BatchRow> batches() {
    return batches;
  }

  /// The newest binding of a number.
  Optional<BatchRow> binding(BatchNumber number) {
    var last = batches.floorEntry(new BindingKey(number, Integer.MAX_VALUE));
    return last != null && last.getKey().number().equals(number)
        ? Optional.of(last.getValue())
        : Optional.empty();
  }

  Optional<BatchRow> batch(BindingKey key) {
    return Optional.ofNullable(batches.get(key));
  }

  List<UseRow> uses(BindingKey key) {
    return uses.getOrDefault(key, List.of());
  }

  /// All uses of a group, in void batches too, in the order of their bindings.
  List<UseRow> usesOf(GroupId group) {
    return usesOfGroups.getOrDefault(group, List.of());
  }

  BatchState stateOf(UseRow use) {
    return batch(BindingKey.of(use))
        .orElseThrow(() -> Violation.of("ledger: use %s has no batch", use))
        .state();
  }

  NavigableMap<PolicyVersion, VersionRow> versions() {
    return versions;
  }

  Optional<VersionRow> version(PolicyVersion id) {
    return Optional.ofNullable(versions.get(id));
  }

  NavigableMap<StratumKey, StratumRow> strata() {
    return strata;
  }

  NavigableMap<EvaluationKey, EvaluationRow> evaluations() {
    return evaluations;
  }

  /// The last group before an evaluation began; one that was given up may begin once more.
  long evaluationBegan(EvaluationKey key) {
    return evaluationsBegan.getOrDefault(key, 0L);
  }

  NavigableMap<LearnerEpoch, LearnerRow> learners() {
    return learners;
  }

  Optional<PayloadDigest> payload(GroupId group, LeaseId lease) {
    return Optional.ofNullable(payloads.getOrDefault(group, new TreeMap<>()).get(lease));
  }

  /// Leases of a group whose payloads are there.
  Map<LeaseId, PayloadDigest> payloads(GroupId group) {
    return payloads.getOrDefault(group, new TreeMap<>());
  }

  /// Inserts a payload unless its key is taken.
  ///
  /// @return whether the payload under the key has this digest
  boolean putPayload(GroupId group, LeaseId lease, PayloadDigest digest) {
    PayloadDigest there =
        payloads.computeIfAbsent(group, _ -> new TreeMap<>()).putIfAbsent(lease, digest);
    return there == null || there.equals(digest);
  }

  /// Applies one change, and enforces what keys and statements enforce in the database.
  void apply(Write write) {
    switch (write) {
      case Write.PutRun(var row) -> run = Optional.of(row);
      case Write.PutGroup(var row) -> {
        count(Optional.ofNullable(groups.put(row.id(), row)), row);
        if (isFinal(row)) {
          openGroups.remove(row.id());
        } else {
          openGroups.add(row.id());
        }
      }
      case Write.RequirePayload(var group, var lease, var digest) ->
          Violation.unless(
              payload(group, lease).filter(digest::equals).isPresent(),
              "G2: the transaction lacks the payload of %s under %s with digest %s",
              group,
              lease,
              digest);
      case Write.PutLease(var row) ->
          Violation.unless(
              leases.put(row.id(), row) == null, "G7: lease id %s is used again", row.id());
      case Write.PutBatch(var row) -> batches.put(BindingKey.of(row), row);
      case Write.PutUses(var rows) -> {
        if (rows.isEmpty()) {
          return;
        }
        var key = BindingKey.of(rows.getFirst());
        for (int ordinal = 0; ordinal < rows.size(); ordinal++) {
          UseRow row = rows.get(ordinal);
          Violation.unless(
              BindingKey.of(row).equals(key) && row.ordinal() == ordinal,
              "ledger: use %d of %s is %s",
              ordinal,
              key,
              row);
          usesOfGroups.computeIfAbsent(row.use().group(), _ -> new ArrayList<>()).add(row);
        }
        Violation.unless(uses.put(key, rows) == null, "G3: the uses of %s are written twice", key);
      }
      case Write.PutVersion(var row) -> versions.put(row.manifest().version(), row);
      case Write.PutStratum(var row) ->
          strata.put(new StratumKey(row.source(), row.stratum()), row);
      case Write.PutEvaluation(var row) -> {
        EvaluationRow before = evaluations.put(EvaluationKey.of(row), row);
        if (before == null || before.abandoned()) {
          evaluationsBegan.put(
              EvaluationKey.of(row), groups.isEmpty() ? 0 : groups.lastKey().value());
        }
      }
      case Write.PutLearner(var row) -> learners.put(row.epoch(), row);
      case Write.SweepPayloads(var ids) -> ids.forEach(this::sweep);
    }
  }

  private void count(Optional<GroupRow> before, GroupRow row) {
    if (row.state() == GroupState.ACCEPTED
        && before.filter(old -> old.state() == GroupState.ACCEPTED).isEmpty()) {
      acceptedUnits += unitsOf(row).size();
    }
    if (row.purpose().isTraining()
        && row.admitted().isPresent()
        && before.filter(old -> old.admitted().isPresent()).isEmpty()) {
      List<Outcome> outcomes = row.admitted().get().outcomes();
      sampledTrajectories += outcomes.size();
      sampledTokens += outcomes.stream().mapToLong(Outcome::tokens).sum();
    }
    if (before.isEmpty()) {
      transitions.merge("NONE>" + nameOf(row), 1L, Long::sum);
    } else if (before.get().state() != row.state()) {
      GroupState from = before.get().state();
      if (from == GroupState.PENDING && row.admitted().isPresent()) {
        // A late submit under an older lease: as if the group had been granted again.
        transitions.merge("PENDING>LEASED", 1L, Long::sum);
        from = GroupState.LEASED;
      }
      transitions.merge(from + ">" + nameOf(row), 1L, Long::sum);
    }
  }

  private static String nameOf(GroupRow row) {
    return row.reason() == StateReason.NONE
        ? row.state().name()
        : "%s(%s)".formatted(row.state(), row.reason());
  }

  NavigableMap<String, Long> transitions() {
    return transitions;
  }

  /// Of a group that is still in replay, only what lost against the admitted lease goes.
  private void sweep(GroupId id) {
    Map<LeaseId, PayloadDigest> rows = payloads.get(id);
    if (rows == null) {
      return;
    }
    GroupRow group = groups.get(id);
    rows.keySet()
        .removeIf(lease ->
            group == null
                || group.state() != GroupState.ACCEPTED
                || group.admitted().filter(a -> a.lease().equals(lease)).isEmpty());
  }

  /// What recovery reads, as the coordinator's SQL reads it.
  RunImage image() {
    var leasesOfOpen =
        leases.values().stream().filter(lease -> openGroups.contains(lease.group())).toList();
    var openBatches =
        batches.values().stream()
            .filter(
                batch -> batch.state() == BatchState.BOUND || batch.state() == BatchState.APPLIED)
            .toList();
    var openUses =
        openBatches.stream().flatMap(batch -> uses(BindingKey.of(batch)).stream()).toList();
    var useCounts = new TreeMap<GroupId, Map<Integer, Integer>>();
    var settledUses = new ArrayList<GroupId>();
    for (GroupId id : openGroups) {
      for (UseRow row : usesOf(id)) {
        if (stateOf(row) != BatchState.VOID) {
          useCounts
              .computeIfAbsent(id, _ -> new TreeMap<>())
              .merge(row.use().member(), 1, Integer::sum);
        }
      }
      if (usesOf(id).stream().anyMatch(row -> stateOf(row) == BatchState.SETTLED)) {
        settledUses.add(id);
      }
    }
    return new RunImage(
        run,
        openGroups.stream().map(this::row).toList(),
        leasesOfOpen,
        openBatches,
        openUses,
        voidBindings(),
        useCounts,
        settledUses,
        versions.values().stream()
            .filter(row -> !row.deleted() || isNamed(row.manifest().version()))
            .toList(),
        List.copyOf(strata.values()),
        evaluations.values().stream().filter(this::isRead).toList(),
        learners.isEmpty() ? Optional.empty() : Optional.of(learners.lastEntry().getValue()));
  }

  /// Bindings of the numbers that have none but void ones.
  private Map<BatchNumber, Integer> voidBindings() {
    var bindings = new TreeMap<BatchNumber, Integer>();
    batches
        .values()
        .forEach(row -> {
          if (row.state() == BatchState.VOID) {
            bindings.put(row.number(), row.binding());
          } else {
            bindings.remove(row.number());
          }
        });
    return bindings;
  }

  private GroupRow row(GroupId id) {
    return group(id).orElseThrow();
  }

  private boolean isNamed(PolicyVersion version) {
    return openGroups.stream()
        .map(this::row)
        .anyMatch(group ->
            group.pinnedVersion().filter(version::equals).isPresent()
                || group.admitted().filter(a -> a.oldestVersion().equals(version)).isPresent());
  }

  /// The unfinished ones and, of each kind, the newest finished.
  private boolean isRead(EvaluationRow row) {
    if (!row.finished()) {
      return !row.abandoned();
    }
    return evaluations.tailMap(EvaluationKey.of(row), false).values().stream()
        .noneMatch(newer -> newer.finished() && newer.confirmation() == row.confirmation());
  }

  private static boolean isFinal(GroupRow row) {
    return switch (row.state()) {
      case PENDING, LEASED, ACCEPTED -> false;
      case TRAINED, FILTERED, STALE, FAILED, EVALUATED, CANCELLED -> true;
    };
  }

  /// The number that is to be bound next: the first one whose bindings are all void, or a new one.
  BatchNumber nextNumber() {
    Map<BatchNumber, Integer> anew = voidBindings();
    if (!anew.isEmpty()) {
      return anew.keySet().iterator().next();
    }
    return batches.isEmpty() ? new BatchNumber(1) : batches.lastKey().number().next();
  }

  /// The last number bound so far; 0 before the first.
  long lastNumber() {
    return batches.isEmpty() ? 0 : batches.lastKey().number().value();
  }

  /// The last batch in the lineage of the newest version that was not given up; 0 where there is
  /// none.
  long publishedBatch() {
    return versions.descendingMap().values().stream()
        .filter(row -> !row.deleted())
        .findFirst()
        .map(row -> row.manifest().batchOrZero())
        .orElse(0L);
  }

  /// Durable versions on the live line from which a learner can go on, most batches first.
  List<VersionRow> resumable() {
    return versions.values().stream()
        .filter(row -> row.manifest().durable() && !row.deleted())
        .filter(row -> row.ancestor() == row.manifest().batchOrZero())
        .sorted(
            Comparator.comparingLong((VersionRow row) -> row.manifest().batchOrZero()).reversed())
        .toList();
  }

  /// The batch behind which no learner goes back: that of the older of the two durable checkpoints
  /// that are kept.
  long rollbackFloor() {
    return resumable().stream()
        .map(row -> row.manifest().batchOrZero())
        .distinct()
        .skip(1)
        .findFirst()
        .orElse(0L);
  }

  /// Every batch up to this one is settled.
  long lastSettled() {
    return batches.values().stream()
        .filter(row -> row.state() == BatchState.SETTLED)
        .mapToLong(row -> row.number().value())
        .max()
        .orElse(0);
  }

  /// Whether a group has no use in a batch that is not void.
  boolean isUnused(GroupId id) {
    return usesOf(id).stream().allMatch(use -> stateOf(use) == BatchState.VOID);
  }

  /// Units that went into replay, ever.
  long acceptedUnits() {
    return acceptedUnits;
  }

  /// Trajectories in training groups that were recorded.
  long sampledTrajectories() {
    return sampledTrajectories;
  }

  /// Tokens in them.
  long sampledTokens() {
    return sampledTokens;
  }

  /// Members of an accepted group that a likelihood objective can use.
  private static List<Integer> unitsOf(GroupRow row) {
    return row.admitted().stream()
        .flatMap(admitted -> admitted.outcomes().stream())
        .filter(outcome -> outcome.verdict() == Verdict.RIGHT && outcome.tokens() > 0)
        .map(Outcome::member)
        .toList();
  }

  /// Uses of a unit in batches that are not void.
  long liveUses(GroupId group, int member) {
    return usesOf(group).stream()
        .filter(row -> row.use().member() == member)
        .filter(row -> stateOf(row) != BatchState.VOID)
        .count();
  }
}
