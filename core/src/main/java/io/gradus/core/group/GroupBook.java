package io.gradus.core.group;

import io.gradus.core.ledger.GroupRow;
import io.gradus.core.ledger.LeaseRow;
import io.gradus.core.policy.PolicyVersion;
import io.gradus.core.task.Task;
import java.util.Collection;
import java.util.Collections;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;

/// The groups that have not ended, and the count of every transition since the run began (G1).
///
/// Every move between states goes through here, is checked against [GroupState#successors] and
/// counted, so that the counts and the groups can be held against each other.
public final class GroupBook {

  private static final String NOTHING = "NONE";

  private static final class Entry {
    private final TreeMap<LeaseId, WorkerId> leases = new TreeMap<>();
    private GroupRow row;

    private Entry(GroupRow row) {
      this.row = row;
    }
  }

  private final TreeMap<GroupId, Entry> open = new TreeMap<>();
  private final TreeMap<String, Long> transitions;
  private final EnumMap<GroupState, Integer> openByState = new EnumMap<>(GroupState.class);

  /// How many groups that were not accepted are sampled with each pinned version.
  private final TreeMap<PolicyVersion, Integer> pinned = new TreeMap<>();

  private long created;
  private int openTraining;

  /// @param leases every lease of the open groups
  public GroupBook(
      long created,
      Map<String, Long> transitions,
      List<GroupRow> openGroups,
      List<LeaseRow> leases) {
    this.created = created;
    this.transitions = new TreeMap<>(transitions);
    for (GroupRow row : openGroups) {
      open.put(row.id(), new Entry(row));
      count(row, 1);
    }
    for (LeaseRow lease : leases) {
      Entry entry = open.get(lease.group());
      if (entry != null) {
        entry.leases.put(lease.id(), lease.worker());
      }
    }
  }

  /// Groups created: they are numbered 1 to this.
  public long created() {
    return created;
  }

  /// How often groups made each transition, by `FROM>TO(REASON)`.
  public Map<String, Long> transitions() {
    return transitions;
  }

  public Optional<GroupRow> find(GroupId id) {
    return Optional.ofNullable(open.get(id)).map(entry -> entry.row);
  }

  /// Open groups in the order of their numbers.
  public Collection<GroupRow> open() {
    return open.values().stream().map(entry -> entry.row).toList();
  }

  /// Open groups in a state, in the order of their numbers.
  public List<GroupRow> in(GroupState state) {
    if (size(state) == 0) {
      return List.of();
    }
    return open.values().stream()
        .map(entry -> entry.row)
        .filter(row -> row.state() == state)
        .toList();
  }

  /// How many open groups are in a state.
  public int size(GroupState state) {
    return openByState.getOrDefault(state, 0);
  }

  /// Training groups that were granted and not decided.
  public int undecidedTraining() {
    return openTraining;
  }

  /// Versions that open groups are to be sampled with, of those that were not accepted.
  public Set<PolicyVersion> pinnedVersions() {
    return Collections.unmodifiableSet(pinned.keySet());
  }

  /// Who was granted a lease of an open group; empty if nobody was.
  public Optional<WorkerId> granteeOf(GroupId id, LeaseId lease) {
    return Optional.ofNullable(open.get(id)).map(entry -> entry.leases.get(lease));
  }

  /// Whether an open group was leased more than once.
  public boolean hasOtherLeases(GroupId id) {
    Entry entry = open.get(id);
    return entry != null && entry.leases.size() > 1;
  }

  /// Creates a group by its first grant.
  public GroupRow create(
      GroupPurpose purpose,
      Task task,
      int size,
      LeaseId lease,
      WorkerId worker,
      Optional<PolicyVersion> pinned) {
    created++;
    var row =
        new GroupRow(
            new GroupId(created),
            purpose,
            task,
            size,
            GroupState.LEASED,
            StateReason.NONE,
            1,
            lease,
            worker,
            pinned,
            Optional.empty());
    var entry = new Entry(row);
    entry.leases.put(lease, worker);
    open.put(row.id(), entry);
    count(row, 1);
    transitions.merge(NOTHING + ">" + GroupState.LEASED, 1L, Long::sum);
    return row;
  }

  /// Leases a pending group once more. The workers that were lost with it stay on its record.
  public GroupRow leaseAgain(GroupRow row, LeaseId lease, WorkerId worker) {
    GroupRow leased =
        move(
            row.leasedAgain(lease, worker),
            GroupState.LEASED,
            row.reason().blames() ? row.reason() : StateReason.NONE);
    Entry entry = open.get(row.id());
    if (entry != null) {
      entry.leases.put(lease, worker);
    }
    return leased;
  }

  /// Records what was admitted for a leased group, which moves to `state`.
  ///
  /// @param worker who sampled it
  public GroupRow admit(
      GroupRow row,
      GroupRow.Admitted admitted,
      WorkerId worker,
      GroupState state,
      StateReason reason) {
    return move(row.withAdmitted(admitted, worker), state, reason);
  }

  /// Moves a group to another state.
  ///
  /// @throws IllegalStateException if the table of transitions has no such move
  public GroupRow move(GroupRow row, GroupState state, StateReason reason) {
    Entry entry = open.get(row.id());
    if (entry == null || !row.state().successors().contains(state)) {
      throw new IllegalStateException(
          "group %d cannot go from %s to %s".formatted(row.id().value(), row.state(), state));
    }
    GroupRow moved = row.in(state, reason);
    count(entry.row, -1);
    if (state.isFinal()) {
      open.remove(row.id());
    } else {
      entry.row = moved;
      count(moved, 1);
    }
    transitions.merge(row.state() + ">" + name(state, reason), 1L, Long::sum);
    return moved;
  }

  /// Notes that newer groups displaced an accepted group that an open batch still uses.
  public GroupRow displace(GroupRow row) {
    GroupRow displaced = row.in(row.state(), StateReason.DISPLACED);
    Entry entry = open.get(row.id());
    if (entry == null || row.state() != GroupState.ACCEPTED) {
      throw new IllegalStateException("group %d is not in replay".formatted(row.id().value()));
    }
    entry.row = displaced;
    return displaced;
  }

  private void count(GroupRow row, int change) {
    openByState.merge(row.state(), change, Integer::sum);
    if (row.purpose().isTraining() && row.state() != GroupState.ACCEPTED) {
      openTraining += change;
    }
    if (row.state() != GroupState.ACCEPTED) {
      row.pinnedVersion()
          .ifPresent(version ->
              pinned.compute(
                  version,
                  (_, groups) -> {
                    int left = (groups == null ? 0 : groups) + change;
                    return left == 0 ? null : left;
                  }));
    }
  }

  /// Groups by state as the transitions tell it; a final state with its reason,
  /// `FILTERED(NONE_RIGHT)`.
  public Map<String, Long> byState() {
    var counts = new TreeMap<String, Long>();
    transitions.forEach((transition, times) -> {
      String from = transition.substring(0, transition.indexOf('>'));
      String to = transition.substring(transition.indexOf('>') + 1);
      GroupState state = GroupState.valueOf(to.replaceFirst("\\(.*", ""));
      counts.merge(state.isFinal() ? to : state.name(), times, Long::sum);
      if (!from.equals(NOTHING)) {
        counts.merge(from, -times, Long::sum);
      }
    });
    counts.values().removeIf(count -> count == 0);
    return counts;
  }

  /// Distance between what the transitions tell and the groups that are here; must be 0.
  public long residual() {
    Map<String, Long> told = byState();
    long residual = Math.abs(created - told.values().stream().mapToLong(Long::longValue).sum());
    for (GroupState state : GroupState.values()) {
      if (!state.isFinal()) {
        residual += Math.abs(told.getOrDefault(state.name(), 0L) - size(state));
      }
    }
    return residual;
  }

  private static String name(GroupState state, StateReason reason) {
    return reason == StateReason.NONE ? state.name() : "%s(%s)".formatted(state, reason);
  }
}
